//! Deadlines of many sessions: one lazily armed entry each. An entry that comes too early is armed
//! anew, so that a deadline that moves back (nearly all do) costs nothing.

use crate::Instant;
use std::{cmp::Reverse, collections::BinaryHeap};

#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Instant, u32, u32)>>);

impl Timers {
    pub(super) fn arm(&mut self, at: Instant, slot: u32, generation: u32) {
        self.0.push(Reverse((at, slot, generation)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(u32, u32)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, slot, generation))| (slot, generation))
    }
}
