//! Datagrams of strangers, which wait until nobody who has a session is waiting.
//!
//! Anybody can send INITs, and there is no telling a flood from a crowd. So a shard first takes from the
//! kernel all that has come, looks after its sessions at once, and lets strangers wait here, a few of
//! them in each turn. Who brings a token back has shown an address and goes first. Beyond the bound the
//! oldest is forgotten, as a network might: its sender tries again.

use pychat_proto::Fill;
use std::{collections::VecDeque, net::SocketAddr};

/// Strangers of each kind that wait: what is answered in some tens of milliseconds, 1.2 MB.
pub(super) const WAITING_MAX: usize = 1024;

/// The longest datagram that waits: what an Ethernet frame holds. Ours have 1200 bytes.
pub(super) const BYTES_MAX: usize = 1500;

/// The shortest datagram that waits: a RESET has 25 bytes and answers only longer ones, and whatever else
/// is answered is longer still.
const BYTES_MIN: usize = 26;

/// Every fourth turn is a newcomer's, so that a flood with made-up tokens keeps nobody out either.
const NEW_EVERY: u64 = 4;

/// Where an INIT says how long its token is.
const TOKEN_LENGTH_AT: usize = 3;

/// The type byte of an INIT.
const INIT: u8 = 0x01;

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    returning: VecDeque<Stranger>,
    new: VecDeque<Stranger>,
    /// Buffers of those who have had their turn.
    spare: Vec<Vec<u8>>,
    turns: u64,
    forgotten: u64,
}

/// A datagram that waits.
#[derive(Debug)]
pub(super) struct Stranger {
    /// Over which socket it came.
    pub(super) socket: usize,
    /// From whom.
    pub(super) from: SocketAddr,
    /// What.
    pub(super) bytes: Vec<u8>,
}

impl Strangers {
    /// Lets a datagram wait.
    pub(super) fn push(&mut self, socket: usize, from: SocketAddr, datagram: &[u8]) {
        if !(BYTES_MIN..=BYTES_MAX).contains(&datagram.len()) {
            self.forgotten += 1;
            return;
        }
        let is_new = datagram.first() == Some(&INIT) && datagram.get(TOKEN_LENGTH_AT) == Some(&0);
        let queue = if is_new { &mut self.new } else { &mut self.returning };
        let buffer = if queue.len() < WAITING_MAX {
            self.spare.pop()
        } else {
            self.forgotten += 1;
            queue.pop_front().map(|oldest| oldest.bytes)
        };
        let mut bytes = buffer.unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram);
        queue.push_back(Stranger { socket, from, bytes });
    }

    /// Whose turn it is. Give it back with [`Self::done`].
    pub(super) fn pop(&mut self) -> Option<Stranger> {
        self.turns += 1;
        if self.turns.is_multiple_of(NEW_EVERY) {
            self.new.pop_front().or_else(|| self.returning.pop_front())
        } else {
            self.returning.pop_front().or_else(|| self.new.pop_front())
        }
    }

    /// Keeps the buffer for the next one.
    pub(super) fn done(&mut self, stranger: Stranger) {
        if self.spare.len() < WAITING_MAX {
            self.spare.push(stranger.bytes);
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.returning.is_empty() && self.new.is_empty()
    }

    /// How many wait, with their bounds.
    pub(super) fn fills(&self) -> [Fill; 2] {
        [
            Fill::new("strangers with a token", self.returning.len(), WAITING_MAX),
            Fill::new("strangers without a token", self.new.len(), WAITING_MAX),
        ]
    }

    /// How many were forgotten.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn init(token_bytes: u8) -> Vec<u8> {
        let mut init = vec![0; 1200];
        (init[0], init[TOKEN_LENGTH_AT]) = (INIT, token_bytes);
        init
    }

    #[test]
    fn beyond_the_bound_the_oldest_is_forgotten() {
        let mut strangers = Strangers::default();
        let bound = WAITING_MAX as u16;
        (0..bound).for_each(|port| strangers.push(0, from(port), &init(0)));
        assert_eq!(strangers.forgotten(), 0);
        strangers.push(0, from(bound), &init(0));
        assert_eq!(strangers.forgotten(), 1);
        for port in 1..=bound {
            let stranger = strangers.pop().unwrap();
            assert_eq!((stranger.from, &stranger.bytes), (from(port), &init(0)));
            strangers.done(stranger);
        }
        assert!(strangers.is_empty() && strangers.pop().is_none());
    }

    #[test]
    fn who_brings_a_token_back_goes_before_a_flood_that_does_not() {
        let mut strangers = Strangers::default();
        (0..2000).for_each(|port| strangers.push(0, from(port), &init(0)));
        strangers.push(1, from(7), &init(24));
        (0..2000).for_each(|port| strangers.push(0, from(port), &init(0)));
        let first = strangers.pop().unwrap();
        assert_eq!((first.socket, first.from), (1, from(7)));
    }

    #[test]
    fn what_is_too_long_or_too_short_does_not_wait_and_buffers_are_used_again() {
        let mut strangers = Strangers::default();
        strangers.push(0, from(1), &[INIT; BYTES_MAX + 1]);
        strangers.push(0, from(1), &[INIT; BYTES_MIN - 1]);
        assert!(strangers.is_empty());
        strangers.push(0, from(1), &[INIT; BYTES_MAX]);
        let stranger = strangers.pop().unwrap();
        strangers.done(stranger);
        strangers.push(0, from(2), &[7; BYTES_MIN]);
        assert!(strangers.spare.is_empty());
        assert_eq!(strangers.pop().unwrap().bytes, [7; BYTES_MIN]);
    }
}
