//! The client's end of an endpoint's stage: whatever the table wants to be sent, and what the endpoint
//! sent, by name.

use super::stage::{Peer, Stage, server_key};
use crate::{
    CloseCode, ConnectionId, Cursor, DisplayName, PublicKey, SecretKey, UserName,
    chat::{self, LoginPayload, LoginReply},
    crypto::{self, PacketKey, Rng},
    hybrid::Offer,
    noise::{self, Handshake},
    session::PIECE_BYTES,
    states::{self, End, Ends},
    wire::{
        Reader,
        frame::{Ack, Frame},
        packet::{self, DataHeader, Fin, Init, Resp, SUITE, TOKEN_BYTES, Token, VERSION},
    },
};
use std::time::Duration;

const CLIENT_ID: ConnectionId = ConnectionId(0x42);

fn login() -> Vec<u8> {
    chat::encode(&LoginPayload {
        user: UserName::parse("alice").unwrap(),
        name: DisplayName::parse("Alice").unwrap(),
        stream: [9; 16],
        cursor: Cursor::NONE,
        invite: None,
    })
}

impl Stage {
    /// Makes the INIT of an IK login, fresh each time.
    pub(super) fn log_in(&mut self) -> Vec<u8> {
        self.begin(Some(server_key()), &login())
    }

    /// Makes the INIT of a first contact, the same each time but for the token.
    pub(super) fn meet(&mut self) -> Vec<u8> {
        self.begin(None, &[])
    }

    fn begin(&mut self, server: Option<PublicKey>, payload: &[u8]) -> Vec<u8> {
        self.seed += u8::from(server.is_some());
        let mut rng = Rng::new([self.seed; 32]);
        let identity = SecretKey::from_bytes([3; 32]);
        let mut handshake = Handshake::client(&identity, server.as_ref(), CLIENT_ID, &mut rng);
        let message = handshake.write(payload).unwrap();
        self.init = init(server, self.token, &message);
        self.handshake = Some(handshake);
        self.init.clone()
    }

    /// The third message of the first contact under way, or any.
    pub(super) fn fin(&self) -> Vec<u8> {
        self.third.clone().unwrap_or_else(|| vec![packet::TYPE_FIN; 64])
    }

    /// A packet with `frames` in the session that was begun last, or in none.
    pub(super) fn data(&mut self, frames: &[Frame<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        self.sealed(&bytes)
    }

    /// A PING, padded so that a challenge may answer it.
    pub(super) fn probe(&mut self) -> Vec<u8> {
        let mut frames = vec![Frame::Ping];
        frames.resize(32, Frame::Padding);
        self.data(&frames)
    }

    /// Acknowledges all packets that came.
    pub(super) fn ack(&self) -> Frame<'static> {
        let received = &self.peer.as_ref().unwrap().received;
        let largest = *received.iter().max().unwrap();
        let bitmap = received.iter().fold(0, |bitmap, number| bitmap | 1 << (largest - number));
        Frame::Ack(Ack { largest, delay: Duration::ZERO, congested: 0, bitmap })
    }

    pub(super) fn sealed(&mut self, frames: &[u8]) -> Vec<u8> {
        if let Some(peer) = &mut self.peer {
            peer.number += 1;
            let header = DataHeader { phase: 0, to: peer.server, number: peer.number - 1 };
            return peer.ends.seal(header, frames);
        }
        let to = ConnectionId(3 << 56);
        let mut packet = DataHeader { phase: 0, to, number: 0 }.encode().to_vec();
        packet.extend_from_slice(frames);
        PacketKey::new([9; 32]).seal(0, &mut packet);
        packet
    }

    /// Offers a key and enters the hybrid epoch with `frames`.
    pub(super) fn agree(&mut self, frames: &[Frame<'_>]) -> Vec<String> {
        let offer = Offer::new();
        let mut said = Vec::new();
        for (index, bytes) in (0..).zip(offer.public().chunks(PIECE_BYTES)) {
            let packet = self.data(&[Frame::Hybrid { index, bytes }]);
            said.extend(self.take(packet, 1));
        }
        assert_eq!(said, ["ACK+HYBRID"]);
        let ends = &mut self.peer.as_mut().unwrap().ends;
        let secret = offer.open(&ends.pieces).unwrap();
        ends.enter(&secret);
        let packet = self.data(frames);
        self.take(packet, 1)
    }

    /// What kind of datagram left, and what it means for this end.
    pub(super) fn datagram_name(&mut self, datagram: &[u8]) -> String {
        match datagram[0] {
            packet::TYPE_RETRY => {
                self.token = datagram[10..10 + TOKEN_BYTES].try_into().ok();
                "RETRY".into()
            }
            packet::TYPE_RESP => self.read_resp(datagram),
            packet::TYPE_RESET => "RESET".into(),
            packet::TYPE_VERSION => "VERSION".into(),
            kind if kind & !1 == packet::TYPE_DATA => {
                let peer = self.peer.as_mut().unwrap();
                let frames = peer.ends.open(datagram).unwrap();
                peer.received.push(DataHeader::decode(datagram).unwrap().number);
                if let Ok(Frame::PathChallenge(challenge)) = Frame::decode(&mut Reader(&frames)) {
                    self.challenge = challenge;
                }
                states::names(&frames)
            }
            kind => panic!("a server sends nothing of type {kind:#x}"),
        }
    }

    fn read_resp(&mut self, datagram: &[u8]) -> String {
        let Some(mut handshake) = self.handshake.take() else { return "RESP again".into() };
        let payload = handshake.read(Resp::decode(datagram).unwrap().noise).unwrap();
        if let Ok(server) = payload.as_slice().try_into() {
            let server = ConnectionId(u64::from_be_bytes(server));
            let noise = handshake.write(&login()).unwrap();
            self.third = Some(Fin { server, noise: &noise }.encode());
            self.peer = Some(Peer {
                server,
                ends: Ends::new(End::Client, handshake.keys().unwrap()),
                number: 0,
                received: Vec::new(),
            });
            return "RESP".into();
        }
        match chat::decode(&payload).unwrap() {
            LoginReply::Welcome { connection_id, .. } => {
                let server = ConnectionId(connection_id);
                let ends = Ends::new(End::Client, handshake.keys().unwrap());
                self.peer = Some(Peer { server, ends, number: 0, received: Vec::new() });
                "RESP".into()
            }
            LoginReply::Refused { code, .. } => {
                format!("RESP Refused {:?}", CloseCode::from_code(code))
            }
        }
    }
}

fn init(server: Option<PublicKey>, token: Option<Token>, message: &[u8]) -> Vec<u8> {
    let mut datagram = Init {
        version: VERSION,
        suite: SUITE,
        client: CLIENT_ID,
        server_key_id: noise::key_id(server.as_ref()),
        token,
        noise: message,
    }
    .encode();
    let mac1 = crypto::mac(&noise::mac1_key(server.as_ref()), &[&datagram]);
    datagram.extend_from_slice(&mac1);
    datagram
}
