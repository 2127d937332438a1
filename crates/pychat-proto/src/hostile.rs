//! A peer that breaks the rules, for attack tests only (feature `hostile`; no program asks for it).
//!
//! It logs in as a client does, with a real key, and then seals whatever frames it is told to, under
//! whatever packet number: everything that somebody with a login of their own can do.
//! Drive it: [`Knock::new`], send [`Knock::init`], give the answer to [`Knock::read`], until that
//! returns a [`Peer`].

use crate::{
    CloseCode, ConnectionId, PublicKey, SecretKey,
    chat::{self, LoginPayload, LoginReply},
    client::attempt::retry_key,
    crypto::{self, PacketKey, Rng},
    hybrid::{self, Offer},
    noise::{self, Handshake},
    session::PIECE_BYTES,
    wire::{
        Reader,
        frame::{Ack, Frame, Part},
        packet::{DataHeader, Fin, Init, Resp, Retry, SUITE, Token, VERSION},
    },
};
use std::time::Duration;

/// An INIT whose `mac1` checks and whose Noise message is noise indeed: what anybody can send who
/// knows the server's public key. Without a key it is a first contact's.
#[must_use]
pub fn hollow_init(server: Option<&PublicKey>, client: ConnectionId, noise: &[u8]) -> Vec<u8> {
    init(server, client, None, noise)
}

/// An INIT of a protocol version that nobody speaks.
#[must_use]
pub fn foreign_init(version: u8, client: ConnectionId) -> Vec<u8> {
    let init =
        Init { version, suite: SUITE, client, server_key_id: [0; 4], token: None, noise: b"" };
    let mut datagram = init.encode();
    datagram.extend_from_slice(&[0; 16]);
    datagram
}

/// A FIN with this Noise message.
#[must_use]
pub fn fin(server: ConnectionId, noise: &[u8]) -> Vec<u8> {
    Fin { server, noise }.encode()
}

/// A DATA packet that no key opens.
#[must_use]
pub fn forged_packet(to: ConnectionId, number: u64, sealed: &[u8]) -> Vec<u8> {
    let mut datagram = DataHeader { phase: 0, to, number }.encode().to_vec();
    datagram.extend_from_slice(sealed);
    datagram
}

fn init(
    server: Option<&PublicKey>,
    client: ConnectionId,
    token: Option<Token>,
    noise: &[u8],
) -> Vec<u8> {
    let server_key_id = noise::key_id(server);
    let init = Init { version: VERSION, suite: SUITE, client, server_key_id, token, noise };
    let mut datagram = init.encode();
    let mac1 = crypto::mac(&noise::mac1_key(server), &[&datagram]);
    datagram.extend_from_slice(&mac1);
    datagram
}

/// A login under way, to a server whose key is known.
pub struct Knock {
    server: PublicKey,
    client: ConnectionId,
    handshake: Handshake,
    first_message: Vec<u8>,
}

/// What an answer to a login was.
pub enum Answer {
    /// Bring this token: [`Knock::init`] with it.
    Retry([u8; 24]),
    /// Logged in.
    Welcome(Box<Peer>),
    /// Refused.
    Refused(CloseCode),
    /// Nothing that belongs to this login.
    Stray,
}

impl Knock {
    /// Begins a login; nothing is sent yet.
    ///
    /// # Panics
    /// The payload does not fit an INIT.
    #[must_use]
    pub fn new(
        identity: &SecretKey,
        server: PublicKey,
        login: &LoginPayload,
        seed: [u8; 32],
    ) -> Self {
        let mut rng = Rng::new(seed);
        let client = ConnectionId(rng.u64());
        let mut handshake = Handshake::client(identity, Some(&server), client, &mut rng);
        let first_message = handshake.write(&chat::encode(login)).expect("it fits an INIT");
        Self { server, client, handshake, first_message }
    }

    /// The INIT; it can be sent as often as wanted, from anywhere.
    #[must_use]
    pub fn init(&self, token: Option<[u8; 24]>) -> Vec<u8> {
        init(Some(&self.server), self.client, token, &self.first_message)
    }

    /// Reads what came back. After [`Answer::Welcome`] and [`Answer::Refused`] the login is used up.
    pub fn read(&mut self, datagram: &[u8]) -> Answer {
        if let Ok((covered, retry, tag)) = Retry::decode(datagram) {
            let expected = crypto::mac(&retry_key(&self.first_message), &[covered]);
            let ours = retry.client == self.client && crypto::equal(&tag, &expected);
            return if ours { Answer::Retry(retry.token) } else { Answer::Stray };
        }
        let Ok(resp) = Resp::decode(datagram) else { return Answer::Stray };
        if resp.client != self.client {
            return Answer::Stray;
        }
        let Ok(payload) = self.handshake.read(resp.noise) else { return Answer::Stray };
        match chat::decode(&payload) {
            Ok(LoginReply::Welcome { connection_id, committed, .. }) => {
                Answer::Welcome(Box::new(self.enter(ConnectionId(connection_id), committed)))
            }
            Ok(LoginReply::Refused { code, .. }) => Answer::Refused(CloseCode::from_code(code)),
            Err(_) => Answer::Stray,
        }
    }

    fn enter(&mut self, server: ConnectionId, committed: u64) -> Peer {
        // The used-up handshake is replaced by one that leads nowhere.
        let nowhere = Handshake::client(
            &SecretKey::from_bytes([1; 32]),
            None,
            self.client,
            &mut Rng::new([0; 32]),
        );
        let handshake = std::mem::replace(&mut self.handshake, nowhere);
        let keys = handshake.keys().expect("the second message was the last");
        Peer {
            server,
            committed,
            send: keys.from_client,
            receive: keys.from_server,
            exchange: Exchange::Open { offer: Offer::new(), handshake: keys.handshake },
            next: 0,
            received: 0,
            largest: 0,
        }
    }
}

/// A session's client side with no rules but the keys.
pub struct Peer {
    /// The server's connection id.
    pub server: ConnectionId,
    /// The outbox's position at the server.
    pub committed: u64,
    send: PacketKey,
    /// Of the first epoch.
    receive: PacketKey,
    exchange: Exchange,
    next: u64,
    /// Bitmap of the newest 128 numbers received.
    received: u128,
    largest: u64,
}

/// What leads to the hybrid epoch, which nobody has to enter.
enum Exchange {
    Open { offer: Offer, handshake: [u8; 32] },
    Over { receive: PacketKey },
}

/// What the server says, as far as an attacker cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The largest packet number that it acknowledges.
    Ack(u64),
    /// A record of this number.
    Record(u64),
    /// Our records up to here are on its disk.
    Commit(u64),
    /// A part of the answer to the question of this id.
    Reply(u64),
    /// Its answer to our ML-KEM key.
    Hybrid,
    /// It wants the address proved.
    PathChallenge([u8; 8]),
    /// It closed the session.
    Close(CloseCode),
    /// Something else.
    Other,
}

impl Peer {
    /// The number that the next packet gets.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// The packets with our ML-KEM key. Once the server has both and [`Self::open`] was given its answer,
    /// [`Self::is_hybrid`], and what is sealed from then on is of the hybrid epoch.
    #[must_use]
    pub fn offer(&mut self) -> Vec<Vec<u8>> {
        let Exchange::Open { offer, .. } = &self.exchange else { return Vec::new() };
        let key = offer.public().to_vec();
        let pieces = (0..).zip(key.chunks(PIECE_BYTES));
        let frames = pieces.map(|(index, piece)| Frames::default().hybrid(index, piece));
        frames.map(|frames| self.packet(&frames)).collect()
    }

    /// Whether packets are sealed under hybrid keys.
    #[must_use]
    pub const fn is_hybrid(&self) -> bool {
        matches!(self.exchange, Exchange::Over { .. })
    }

    /// Takes the server's answer, if it is one.
    fn take_answer(&mut self, answer: &[u8]) {
        let Exchange::Open { offer, handshake } = &self.exchange else { return };
        let Ok(secret) = offer.open(answer) else { return };
        let receive = hybrid::mix(&self.receive, &secret, handshake);
        self.send = hybrid::mix(&self.send, &secret, handshake);
        self.exchange = Exchange::Over { receive };
    }

    /// Seals `frames` as the next packet.
    #[must_use]
    pub fn packet(&mut self, frames: &Frames) -> Vec<u8> {
        let number = self.next;
        self.next += 1;
        self.packet_numbered(number, frames)
    }

    /// Seals `frames` under any number.
    #[must_use]
    pub fn packet_numbered(&self, number: u64, frames: &Frames) -> Vec<u8> {
        let phase = self.is_hybrid().into();
        let mut packet = DataHeader { phase, to: self.server, number }.encode().to_vec();
        packet.extend_from_slice(&frames.0);
        self.send.seal(number, &mut packet);
        packet
    }

    /// Opens a packet of the server; empty if it is none.
    pub fn open(&mut self, datagram: &mut [u8]) -> Vec<Heard> {
        let Ok(header) = DataHeader::decode(datagram) else { return Vec::new() };
        let key = match &self.exchange {
            Exchange::Over { receive } if header.phase == 1 => receive,
            Exchange::Open { .. } | Exchange::Over { .. } => &self.receive,
        };
        let Ok(frames) = key.open(header.number, datagram) else { return Vec::new() };
        let mut reader = Reader(frames);
        let (mut heard, mut answer) = (Vec::new(), None);
        while !reader.is_empty() {
            let Ok(frame) = Frame::decode(&mut reader) else { break };
            heard.push(match frame {
                Frame::Ack(ack) => Heard::Ack(ack.largest),
                Frame::Record { seq, .. } => Heard::Record(seq),
                Frame::Commit { up_to, .. } => Heard::Commit(up_to),
                Frame::Reply { id, .. } => Heard::Reply(id),
                Frame::PathChallenge(bytes) => Heard::PathChallenge(bytes),
                Frame::Close { code, .. } => Heard::Close(CloseCode::from_code(code)),
                Frame::Hybrid { bytes, .. } => {
                    answer = Some(bytes);
                    Heard::Hybrid
                }
                Frame::Padding
                | Frame::Ping
                | Frame::Refuse { .. }
                | Frame::Skip { .. }
                | Frame::Call { .. }
                | Frame::Note { .. }
                | Frame::PathResponse(_)
                | Frame::Welcome { .. } => Heard::Other,
            });
        }
        self.mark(header.number);
        if let Some(answer) = answer {
            self.take_answer(answer);
        }
        heard
    }

    fn mark(&mut self, number: u64) {
        if number > self.largest || self.received == 0 {
            let ahead = u32::try_from(number - self.largest.min(number)).unwrap_or(u32::MAX);
            self.received = self.received.checked_shl(ahead).unwrap_or(0) | 1;
            self.largest = number;
        } else if let Ok(behind) = u32::try_from(self.largest - number) {
            self.received |= 1_u128.checked_shl(behind).unwrap_or(0);
        }
    }

    /// The largest packet number that came from the server, and which of the 128 up to it came.
    #[must_use]
    pub const fn received(&self) -> (u64, u128) {
        (self.largest, self.received)
    }
}

/// Frames for one packet, whatever they are.
#[derive(Clone, Debug, Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Encoded bytes so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Any bytes in place of frames.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// PING.
    #[must_use]
    pub fn ping(self) -> Self {
        self.with(&Frame::Ping)
    }

    /// ACK of `largest` and what `bitmap` says below it.
    #[must_use]
    pub fn ack(self, largest: u64, bitmap: u128) -> Self {
        self.with(&Frame::Ack(Ack { largest, delay: Duration::ZERO, congested: 0, bitmap }))
    }

    /// RECORD; `last` makes it `RECORD_LAST`.
    #[must_use]
    pub fn record(self, seq: u64, last: bool, bytes: &[u8]) -> Self {
        let part = if last { Part::Last } else { Part::More };
        self.with(&Frame::Record { lane: 0, seq, part, bytes })
    }

    /// COMMIT.
    #[must_use]
    pub fn commit(self, up_to: u64) -> Self {
        self.with(&Frame::Commit { lane: 0, up_to })
    }

    /// SKIP.
    #[must_use]
    pub fn skip(self, first: u64, last: u64) -> Self {
        self.with(&Frame::Skip { lane: 0, first, last })
    }

    /// CALL.
    #[must_use]
    pub fn call(self, id: u64, bytes: &[u8]) -> Self {
        self.with(&Frame::Call { id, bytes })
    }

    /// HYBRID.
    #[must_use]
    pub fn hybrid(self, index: u64, bytes: &[u8]) -> Self {
        self.with(&Frame::Hybrid { index, bytes })
    }

    /// `PATH_CHALLENGE`, which a client never sends.
    #[must_use]
    pub fn path_challenge(self, bytes: [u8; 8]) -> Self {
        self.with(&Frame::PathChallenge(bytes))
    }

    /// `PATH_RESPONSE`.
    #[must_use]
    pub fn path_response(self, bytes: [u8; 8]) -> Self {
        self.with(&Frame::PathResponse(bytes))
    }

    fn with(mut self, frame: &Frame<'_>) -> Self {
        frame.encode(&mut self.0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_the_server_is_remembered_as_an_ack_says_it() {
        let keys = || PacketKey::new([1; 32]);
        let mut peer = Peer {
            server: ConnectionId(1),
            committed: 0,
            send: keys(),
            receive: keys(),
            exchange: Exchange::Over { receive: keys() },
            next: 0,
            received: 0,
            largest: 0,
        };
        for number in [0, 3, 2] {
            let mut packet = peer.packet_numbered(number, &Frames::default().ping().commit(7));
            assert_eq!(peer.open(&mut packet), [Heard::Other, Heard::Commit(7)]);
        }
        assert_eq!(peer.received(), (3, 0b1011));
        assert!(peer.open(&mut forged_packet(ConnectionId(1), 9, &[0; 32])).is_empty());
    }
}
