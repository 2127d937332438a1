//! Single steps of a session apart from the rest, to be timed (feature `micro`; no program asks for it).

use super::{
    Role, Session, Start,
    recovery::{SentFrame, SentPacket},
    redundancy::Turn,
};
use crate::{
    ConnectionId, Instant,
    crypto::{PacketKey, Rng},
    wire::{frame::Ack, packet::DATA_HEADER_BYTES},
};
use std::time::Duration;

/// One direction of a session: seals packets and opens them again.
pub struct Cipher {
    sender: PacketKey,
    receiver: PacketKey,
}

impl Cipher {
    /// Any key does.
    #[must_use]
    pub const fn new() -> Self {
        Self { sender: PacketKey::new([1; 32]), receiver: PacketKey::new([1; 32]) }
    }

    /// A packet that carries `content`, to be sealed.
    #[must_use]
    pub fn packet(content: &[u8]) -> Vec<u8> {
        [&[0; DATA_HEADER_BYTES], content].concat()
    }

    /// Seals it under its number, in place; the tag is appended.
    pub fn seal(&self, number: u64, packet: &mut Vec<u8>) {
        self.sender.seal(number, packet);
    }

    /// Opens it in place; whether it was authentic.
    pub fn open(&self, number: u64, packet: &mut [u8]) -> bool {
        self.receiver.open(number, packet).is_ok()
    }
}

impl Default for Cipher {
    fn default() -> Self {
        Self::new()
    }
}

/// A session that sends packets and has them acknowledged, without a wire.
pub struct Acknowledged {
    session: Session,
    now: Instant,
}

impl Acknowledged {
    /// Nothing was sent.
    #[must_use]
    pub fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        let start = Start {
            role: Role::Server,
            peer: ConnectionId(1),
            remote: ([10, 0, 0, 9], 9).into(),
            send: PacketKey::new([1; 32]),
            receive: PacketKey::new([2; 32]),
            handshake: [3; 32],
            committed_out: 0,
            committed_in: 0,
            rtt_hint: None,
        };
        Self { session: Session::new(start, now, &mut Rng::new([0; 32])), now }
    }

    /// Notes `count` packets as sent, each with a COMMIT in it, at most as many as an ACK names.
    pub fn send(&mut self, count: u64) {
        for _ in 0..count {
            let (number, at) = (self.session.next_number, self.now);
            self.session.next_number += 1;
            let frames = [SentFrame::Commit(number)].into_iter().collect();
            let (bytes, turn, urgent) = (64, Turn::First, false);
            self.session.recovery.sent(SentPacket { number, at, frames, bytes, turn, urgent });
        }
        self.now += ROUND_TRIP;
    }

    /// Takes one ACK of the last 128 packets; how many are in flight then.
    ///
    /// # Panics
    /// Never: the ACK names what was sent.
    pub fn acknowledge(&mut self) -> usize {
        let largest = self.session.next_number - 1;
        let named = u32::try_from(largest + 1).map_or(0, |sent| 128_u32.saturating_sub(sent));
        let bitmap = u128::MAX >> named;
        let ack = Ack { largest, delay: Duration::ZERO, congested: 0, bitmap };
        self.session.skipped = None;
        self.session.acknowledged(self.now, ack).expect("all of it was sent");
        self.session.recovery.in_flight()
    }
}

impl Default for Acknowledged {
    fn default() -> Self {
        Self::new()
    }
}

/// From a packet to its ACK.
const ROUND_TRIP: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_once_and_what_is_sent_is_acknowledged() {
        let cipher = Cipher::new();
        let mut packet = Cipher::packet(b"content");
        cipher.seal(7, &mut packet);
        let mut twice = packet.clone();
        assert!(cipher.open(7, &mut packet) && !cipher.open(8, &mut twice));
        let mut sender = Acknowledged::new();
        for count in [1, 32, 64, 128] {
            sender.send(count);
            assert_eq!(sender.acknowledge(), 0);
        }
    }
}
