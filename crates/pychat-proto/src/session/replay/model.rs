//! The replay window against what it is meant to be: a set of all numbers taken, and the rule that
//! one 128 or more below the newest is refused.
//!
//! Exhausted: every sequence of five arrivals out of fifteen moves relative to what came before (on
//! by 1, 2, 127, 128, 129; the newest again; back by 1, 2, 126, 127, 128, 129; the first number again;
//! zero; 2^56 - 1), with the whole bitmap compared after each; and every sequence of six out of eight
//! fixed numbers around two windows' edges.

use super::{Arrival, ReplayWindow, WINDOW};
use crate::wire::packet::PACKET_NUMBER_MAX;
use std::collections::BTreeSet;

/// A number, by what came before it.
#[derive(Debug, Clone, Copy)]
enum Move {
    On(u64),
    Back(u64),
    First,
    Exactly(u64),
}

const MOVES: [Move; 15] = [
    Move::On(1),
    Move::On(2),
    Move::On(WINDOW - 1),
    Move::On(WINDOW),
    Move::On(WINDOW + 1),
    Move::Back(0),
    Move::Back(1),
    Move::Back(2),
    Move::Back(WINDOW - 2),
    Move::Back(WINDOW - 1),
    Move::Back(WINDOW),
    Move::Back(WINDOW + 1),
    Move::First,
    Move::Exactly(0),
    Move::Exactly(PACKET_NUMBER_MAX),
];
const MOVES_DEPTH: u32 = 5;

/// Numbers around the edges of the windows whose newest are 127 to 129 and 255 to 257.
const EDGES: [u64; 8] = [0, 1, 2, 127, 128, 129, 255, 256];
const EDGES_DEPTH: u32 = 6;

/// The window and the set side by side.
#[derive(Default)]
struct Both {
    window: ReplayWindow,
    taken: BTreeSet<u64>,
    first: u64,
    arrivals: u64,
}

impl Both {
    fn number(&self, step: Move) -> u64 {
        let newest = self.taken.last().copied().unwrap_or(WINDOW + 2);
        match step {
            Move::On(by) => (newest + by).min(PACKET_NUMBER_MAX),
            Move::Back(by) => newest.saturating_sub(by),
            Move::First => self.first,
            Move::Exactly(number) => number,
        }
    }

    /// Offers `number`, and whatever `then` offers after it; leaves the state as it was.
    fn offer(&mut self, number: u64, then: &mut impl FnMut(&mut Self)) {
        self.arrivals += 1;
        let newest = self.taken.last().copied();
        let too_old = newest.is_some_and(|newest| newest >= number + WINDOW);
        let expected = !too_old && !self.taken.contains(&number);
        assert_eq!(self.window.is_fresh(number), expected, "{number} after {:?}", self.taken);
        assert_eq!(self.window.is_newest(number), newest.is_none_or(|newest| newest < number));
        if !expected {
            return then(self);
        }
        let (window, first) = (self.window, self.first);
        if self.taken.is_empty() {
            self.first = number;
        }
        let arrival = self.window.mark(number);
        self.taken.insert(number);
        let next = number == newest.map_or(0, |newest| newest + 1);
        let expected = if next { Arrival::Next } else { Arrival::OutOfOrder };
        assert_eq!(arrival, expected, "{number} in {:?}", self.taken);
        assert_eq!(self.window.seen(), self.expected_bitmap());
        assert!(!self.window.is_fresh(number), "{number} was taken just now");
        then(self);
        self.taken.remove(&number);
        (self.window, self.first) = (window, first);
    }

    fn expected_bitmap(&self) -> Option<(u64, u128)> {
        let newest = self.taken.last().copied()?;
        let window = self.taken.range(newest.saturating_sub(WINDOW - 1)..);
        Some((newest, window.fold(0, |bitmap, number| bitmap | 1 << (newest - number))))
    }
}

fn every_sequence<Step: Copy>(
    both: &mut Both,
    steps: &[Step],
    depth: u32,
    number: fn(&Both, Step) -> u64,
) {
    if depth == 0 {
        return;
    }
    for step in steps {
        let number_now = number(both, *step);
        both.offer(number_now, &mut |both| every_sequence(both, steps, depth - 1, number));
    }
}

/// Nodes of the tree of all sequences up to `depth` long.
fn sequences(steps: usize, depth: u32) -> u64 {
    (1..=depth).map(|length| (steps as u64).pow(length)).sum()
}

#[test]
fn every_sequence_of_five_moves_is_taken_as_a_set_with_an_edge_would() {
    let mut both = Both::default();
    every_sequence(&mut both, &MOVES, MOVES_DEPTH, Both::number);
    assert_eq!(both.arrivals, sequences(MOVES.len(), MOVES_DEPTH));
    assert_eq!(both.arrivals, 813_615);
}

#[test]
fn every_order_of_numbers_at_the_edges_is_taken_as_a_set_with_an_edge_would() {
    let mut both = Both::default();
    every_sequence(&mut both, &EDGES, EDGES_DEPTH, |_, number| number);
    assert_eq!(both.arrivals, sequences(EDGES.len(), EDGES_DEPTH));
    assert_eq!(both.arrivals, 299_592);
}

#[test]
fn every_pair_of_numbers_is_told_apart_as_the_set_does() {
    let mut both = Both::default();
    for first in 0..=2 * WINDOW + 2 {
        both.offer(first, &mut |both| {
            for second in 0..=2 * WINDOW + 2 {
                both.offer(second, &mut |_| ());
            }
        });
    }
    assert_eq!(both.arrivals, 259 * 260);
}
