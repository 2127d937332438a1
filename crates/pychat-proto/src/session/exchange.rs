//! The exchange that leads to the hybrid epoch: the client's key, the server's answer, both in pieces.
//! docs/PROTOCOL.md, "Hybrid keys".
//!
//! ```text
//! client   Waiting --offer_key()--> Offered --the answer is whole--> Agreed --packet of the hybrid epoch--> over
//! server   Listening ------------------------- the key is whole ---> Agreed --packet of the hybrid epoch--> over
//! ```

use super::{Role, Session, SessionEvent, keys::Epoch};
use crate::{
    CloseCode, Instant,
    hybrid::{self, CIPHERTEXT_BYTES, KEY_BYTES, Offer},
    wire::frame::Frame,
};
use std::{collections::VecDeque, time::Duration};

/// Bytes of a piece; the last is what is left. An answer is one piece, a key two: a packet takes no more.
pub(crate) const PIECE_BYTES: usize = CIPHERTEXT_BYTES;
/// A session whose exchange is not over by then is given up, so that none is held for somebody who never
/// goes on: twice as long as a client waits for a sign of life before it begins anew.
pub(crate) const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// The exchange, as long as it is under way.
pub(super) struct Exchange {
    deadline: Instant,
    handshake: [u8; 32],
    step: Step,
    incoming: Incoming,
    outgoing: Option<Outgoing>,
}

enum Step {
    /// A client that does not know yet where its key is to go.
    Waiting,
    Offered(Offer),
    /// A server, for the client's key.
    Listening,
    /// The secret is known; the peer's first packet of the hybrid epoch is still to come.
    Agreed,
}

/// What comes from the peer, put together.
struct Incoming {
    /// Bytes in all.
    len: usize,
    /// Empty until the first piece: most that is never confirmed is never given one.
    bytes: Vec<u8>,
    came: u8,
}

/// What the peer is to get.
struct Outgoing {
    bytes: Box<[u8]>,
    /// Bit `i`: piece `i` is to be sent, was acknowledged.
    wanted: u8,
    acked: u8,
}

const fn pieces(len: usize) -> usize {
    len.div_ceil(PIECE_BYTES)
}

/// A bit for each piece.
const fn all(len: usize) -> u8 {
    (1 << pieces(len)) - 1
}

const _: () = assert!(pieces(KEY_BYTES) <= 8 && pieces(CIPHERTEXT_BYTES) <= 8);

/// What a side takes: a server keys, a client answers.
const fn len_for(role: Role) -> usize {
    match role {
        Role::Server => KEY_BYTES,
        Role::Client => CIPHERTEXT_BYTES,
    }
}

/// Where a piece belongs in `len` bytes; its length has to be exactly that of the place.
fn place(len: usize, index: u64, bytes: &[u8]) -> Result<(u8, usize), &'static str> {
    let index = usize::try_from(index).ok().filter(|index| *index < pieces(len));
    let index = index.ok_or("a piece of a key that has fewer")?;
    let start = index * PIECE_BYTES;
    if bytes.len() != PIECE_BYTES.min(len - start) {
        return Err("a piece of a key with a wrong length");
    }
    Ok((1 << index, start))
}

/// What a piece did.
#[derive(Debug, PartialEq, Eq)]
enum Took {
    /// It was there, or others are missing.
    Part,
    /// It was the last one missing.
    Whole,
}

impl Incoming {
    fn take(&mut self, index: u64, bytes: &[u8]) -> Result<Took, &'static str> {
        let (bit, start) = place(self.len, index, bytes)?;
        self.bytes.resize(self.len, 0);
        let here = &mut self.bytes[start..start + bytes.len()];
        if self.came & bit != 0 {
            return if *here == *bytes { Ok(Took::Part) } else { Err("a second key") };
        }
        here.copy_from_slice(bytes);
        self.came |= bit;
        Ok(if self.came == all(self.len) { Took::Whole } else { Took::Part })
    }
}

impl Outgoing {
    fn new(bytes: Box<[u8]>) -> Self {
        Self { wanted: all(bytes.len()), acked: 0, bytes }
    }

    fn next_frame(&mut self, space: usize, to: &mut Vec<u8>) -> Option<u64> {
        let index = (0..pieces(self.bytes.len())).find(|index| self.wanted & 1 << index != 0)?;
        let start = index * PIECE_BYTES;
        let bytes = &self.bytes[start..self.bytes.len().min(start + PIECE_BYTES)];
        let before = to.len();
        Frame::Hybrid { index: index as u64, bytes }.encode(to);
        if to.len() - before > space {
            to.truncate(before);
            return None;
        }
        self.wanted &= !(1 << index);
        Some(index as u64)
    }
}

impl Exchange {
    pub(super) fn new(role: Role, handshake: [u8; 32], now: Instant) -> Self {
        let step = match role {
            Role::Client => Step::Waiting,
            Role::Server => Step::Listening,
        };
        let incoming = Incoming { len: len_for(role), bytes: Vec::new(), came: 0 };
        Self { deadline: now + EXCHANGE_TIMEOUT, handshake, step, incoming, outgoing: None }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn wants_to_send(&self) -> bool {
        self.outgoing.as_ref().is_some_and(|outgoing| outgoing.wanted != 0)
    }

    /// Encodes the next piece to be sent, if it takes at most `space` bytes.
    pub(super) fn next_frame(&mut self, space: usize, to: &mut Vec<u8>) -> Option<u64> {
        self.outgoing.as_mut()?.next_frame(space, to)
    }

    /// Whether this piece of ours is still to be acknowledged.
    pub(super) fn is_open(&self, index: u64) -> bool {
        self.outgoing.as_ref().is_some_and(|outgoing| outgoing.acked & 1 << index == 0)
    }

    pub(super) fn acked(&mut self, index: u64) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.acked |= 1 << index;
            outgoing.wanted &= !outgoing.acked;
        }
    }

    pub(super) fn lost(&mut self, index: u64) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.wanted |= 1 << index & !outgoing.acked;
        }
    }
}

impl Session {
    /// Whether what people write has to wait: we do not send under hybrid keys yet.
    pub(super) fn holds_back(&self) -> bool {
        self.keys.send_epoch() == Epoch::First
    }

    /// A client begins the exchange with its first packets.
    pub(crate) fn offer_key(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            let offer = Offer::new();
            exchange.outgoing = Some(Outgoing::new(offer.public().into()));
            exchange.step = Step::Offered(offer);
        }
    }

    /// A piece of the peer's key or answer.
    pub(super) fn take_piece(
        &mut self,
        now: Instant,
        index: u64,
        bytes: &[u8],
    ) -> Result<(), &'static str> {
        let Some(exchange) = self.exchange.as_deref_mut() else {
            // It is late: the exchange is over, and what it was about is known no more.
            return place(len_for(self.role), index, bytes).map(|_| ());
        };
        if matches!(exchange.step, Step::Waiting) {
            return Err("an answer to no key");
        }
        if exchange.incoming.take(index, bytes)? == Took::Part {
            return Ok(());
        }
        let peers = &exchange.incoming.bytes;
        // The step before ends here, and with it a client's secret key.
        match std::mem::replace(&mut exchange.step, Step::Agreed) {
            Step::Offered(offer) => {
                let secret = offer.open(peers).map_err(|_| "an answer that is none")?;
                // The server needs nothing of the key any more.
                exchange.outgoing = None;
                self.keys.agree(&secret, &exchange.handshake);
                self.keys.enter_hybrid(now, self.next_number);
                self.forget_arrived();
                // The server's texts wait for a packet of the hybrid epoch, whatever is in it.
                self.ping_wanted = true;
            }
            Step::Listening => {
                let (answer, secret) = hybrid::answer(peers).map_err(|_| "a key that is none")?;
                exchange.outgoing = Some(Outgoing::new(answer));
                self.keys.agree(&secret, &exchange.handshake);
            }
            // Neither is ever left with a piece missing.
            Step::Waiting | Step::Agreed => {}
        }
        Ok(())
    }

    /// A packet of the hybrid epoch opened: the peer has all that it needs.
    pub(super) fn end_exchange(&mut self, now: Instant) {
        if self.exchange.take().is_some() {
            self.keys.enter_hybrid(now, self.next_number);
            self.keys.forget_agreed();
            self.forget_arrived();
        }
    }

    /// The peer does not go on.
    pub(super) fn give_up_exchange(&mut self, now: Instant, events: &mut VecDeque<SessionEvent>) {
        let (code, retry_after) = (CloseCode::Idle, Duration::ZERO);
        let reason = "the key exchange did not end";
        self.close(now, code, retry_after, reason);
        events.push_back(SessionEvent::Closed { code, retry_after, reason: reason.into() });
    }
}
