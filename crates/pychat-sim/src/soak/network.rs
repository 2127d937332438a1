//! Datagrams under way, in virtual time. It remembers nothing of those that have arrived.

use pychat_proto::Instant;
use pychat_testkit::dice::{Chance, Dice};
use std::{cmp::Reverse, collections::BinaryHeap, net::SocketAddr, time::Duration};

const DELAY: Duration = Duration::from_millis(20);
const JITTER: Duration = Duration::from_millis(15);
const LOSS_PERCENT: f64 = 1.0;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Network {
    under_way: BinaryHeap<Reverse<Datagram>>,
    pub(super) sent: u64,
}

/// Ordered by arrival, then by the order of sending.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Datagram {
    at: Instant,
    number: u64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

impl Network {
    pub(super) fn send(
        &mut self,
        now: Instant,
        (from, to): (SocketAddr, SocketAddr),
        bytes: Vec<u8>,
        dice: &mut Dice,
    ) {
        self.sent += 1;
        let at = now + DELAY + dice.up_to(JITTER);
        if !dice.roll(Chance::percent(LOSS_PERCENT)) {
            self.under_way.push(Reverse(Datagram { at, number: self.sent, from, to, bytes }));
        }
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(next)| next.at)
    }

    /// What has arrived by now.
    pub(super) fn receive(&mut self, now: Instant) -> Option<Datagram> {
        self.next_arrival().filter(|at| *at <= now)?;
        self.under_way.pop().map(|Reverse(datagram)| datagram)
    }
}
