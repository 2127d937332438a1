//! Deadlines of many sessions: one lazily armed entry each. An entry that comes too early is armed
//! anew, so that a deadline that moves back (nearly all do) costs nothing.
//!
//! One that moves forward gets a second entry, and the first means nothing any more. A lively session
//! leaves many of those behind, each until its time comes: they are swept out when they are most of all.

use crate::Instant;
use std::{cmp::Reverse, collections::BinaryHeap};

/// Entries for each session beyond which those that mean nothing are swept out, and as many in any case.
const ENTRIES_PER_SESSION: usize = 2;
const ENTRIES_MIN: usize = 64;

#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<Armed>>);

/// An entry: it means something if the session of this slot and generation is armed for this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Armed {
    pub(super) at: Instant,
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl Timers {
    /// Grows by an eighth, not twofold: a server that is full of resting sessions has an entry for each.
    pub(super) fn arm(&mut self, armed: Armed) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(ENTRIES_MIN + self.0.len() / 8);
        }
        self.0.push(Reverse(armed));
    }

    pub(super) fn next(&self) -> Option<Armed> {
        self.0.peek().map(|Reverse(armed)| *armed)
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Armed> {
        if self.next()?.at > now {
            return None;
        }
        self.0.pop().map(|Reverse(armed)| armed)
    }

    /// Whether there are so many entries for this many sessions that a sweep is worth its while.
    pub(super) fn are_many(&self, sessions: usize) -> bool {
        self.0.len() > ENTRIES_MIN + ENTRIES_PER_SESSION * sessions
    }

    /// Keeps the entries that mean something.
    pub(super) fn sweep(&mut self, means_something: impl Fn(&Armed) -> bool) {
        self.0.retain(|Reverse(armed)| means_something(armed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_worth_it_beyond_the_bound_and_keeps_what_means_something() {
        let mut timers = Timers::default();
        let bound = ENTRIES_MIN + 2 * ENTRIES_PER_SESSION;
        let entry = |number: usize| Armed {
            at: Instant::from_micros(number as u64),
            slot: 1,
            generation: 0,
        };
        (0..bound).for_each(|number| timers.arm(entry(number)));
        assert!(!timers.are_many(2));
        timers.arm(entry(bound));
        assert!(timers.are_many(2));
        timers.sweep(|armed| *armed == entry(7));
        assert!(!timers.are_many(0));
        assert_eq!(timers.next(), Some(entry(7)));
        assert_eq!(timers.pop_due(Instant::from_micros(6)), None);
        assert_eq!(timers.pop_due(Instant::from_micros(7)), Some(entry(7)));
        assert_eq!(timers.next(), None);
    }
}
