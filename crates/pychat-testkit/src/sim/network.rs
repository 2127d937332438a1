//! Hosts that send each other datagrams, in virtual time.
//!
//! A host is an address. [`Network::send`] puts a datagram on the wire, [`Network::next_delivery`]
//! moves the clock to the next arrival. All chance comes from the seed.

use crate::{
    dice::Dice,
    faults::{Counts, Faults, Wire},
};
use pychat_proto::Instant;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fmt,
    net::SocketAddr,
    time::Duration,
};

/// Most datagrams under way at once. A test that reaches it has a storm and not a chat.
const UNDER_WAY_MAX: usize = 1 << 20;

/// A datagram as its receiver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The sender's address as the network shows it, behind its NAT.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// What a tap sees.
#[derive(Clone, Copy, Debug)]
pub enum Tapped<'a> {
    /// A datagram goes onto the wire, before anything can happen to it. `to` is as the sender
    /// wrote it.
    Sent(&'a Datagram),
    /// A datagram arrives. `to` is the receiving host.
    Delivered {
        /// As the receiver sees it.
        datagram: &'a Datagram,
        /// The receiver's address as the sender wrote it.
        outside: SocketAddr,
    },
}

/// The network, its clock and its hosts' clocks.
pub struct Network {
    seed: u64,
    dice: Dice,
    now: Instant,
    started: u64,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    default: Faults,
    wires: BTreeMap<(SocketAddr, SocketAddr), Wire>,
    /// What a host looks like from outside, where that is not its own address.
    outside: BTreeMap<SocketAddr, SocketAddr>,
    /// Where outside addresses lead; `None` is one that a rebind left behind.
    inside: BTreeMap<SocketAddr, Option<SocketAddr>>,
    /// How far a host's clock is ahead.
    ahead: BTreeMap<SocketAddr, Duration>,
    arrived: Counts,
    taps: Vec<Tap>,
}

type Tap = Box<dyn FnMut(Instant, Tapped<'_>)>;

/// Ordered by arrival, then by the order of sending.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    at: Instant,
    number: u64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Network {
    /// A network without faults, at the beginning of its time.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: Dice::new(seed),
            // Not zero, so that a subtraction that a machine makes early does not saturate.
            now: Instant::ZERO + Duration::from_secs(1_000),
            started: 0,
            under_way: BinaryHeap::new(),
            default: Faults::NONE,
            wires: BTreeMap::new(),
            outside: BTreeMap::new(),
            inside: BTreeMap::new(),
            ahead: BTreeMap::new(),
            arrived: Counts::default(),
            taps: Vec::new(),
        }
    }

    /// What this run can be repeated with.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The time on a host's clock.
    #[must_use]
    pub fn clock_of(&self, host: SocketAddr) -> Instant {
        self.now + self.ahead(host)
    }

    /// When it will be `local` on a host's clock, in virtual time.
    #[must_use]
    pub fn when(&self, host: SocketAddr, local: Instant) -> Instant {
        local - self.ahead(host)
    }

    /// A host's clock jumps ahead, as after a sleep. It stays ahead from then on.
    pub fn jump_clock(&mut self, host: SocketAddr, by: Duration) {
        *self.ahead.entry(host).or_default() += by;
    }

    /// All directions have these faults from now on.
    pub fn set_all_faults(&mut self, faults: Faults) {
        self.default = faults;
        self.wires.values_mut().for_each(|wire| wire.set_faults(faults));
    }

    /// The direction from one host to another has these faults from now on.
    pub fn set_faults(&mut self, from: SocketAddr, to: SocketAddr, faults: Faults) {
        self.wire(from, to).set_faults(faults);
    }

    /// Both directions between two hosts have these faults from now on.
    pub fn set_faults_between(&mut self, one: SocketAddr, other: SocketAddr, faults: Faults) {
        self.set_faults(one, other, faults);
        self.set_faults(other, one, faults);
    }

    /// The faults of the direction from one host to another.
    #[must_use]
    pub fn faults(&self, from: SocketAddr, to: SocketAddr) -> Faults {
        self.wires.get(&(from, to)).map_or(self.default, Wire::faults)
    }

    /// A host's NAT forgets it: from now on the host looks like `outside`, and what others send to
    /// its address of before is lost.
    pub fn rebind(&mut self, host: SocketAddr, outside: SocketAddr) {
        let before = self.outside.insert(host, outside).unwrap_or(host);
        self.inside.insert(before, None);
        self.inside.insert(outside, Some(host));
    }

    /// What a host looks like from outside.
    #[must_use]
    pub fn outside_of(&self, host: SocketAddr) -> SocketAddr {
        self.outside.get(&host).copied().unwrap_or(host)
    }

    /// Shows each datagram to `tap`, at sending and at arrival.
    pub fn add_tap(&mut self, tap: impl FnMut(Instant, Tapped<'_>) + 'static) {
        self.taps.push(Box::new(tap));
    }

    /// Sends a datagram from a host to an outside address.
    ///
    /// # Panics
    /// More datagrams are under way than any test needs.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let sent = Datagram { from: self.outside_of(from), to, bytes };
        for tap in &mut self.taps {
            tap(self.now, Tapped::Sent(&sent));
        }
        let now = self.now;
        let receiver = self.host_at(to).unwrap_or(to);
        let default = self.default;
        let wire = self.wires.entry((from, receiver)).or_insert_with(|| Wire::new(default));
        for copy in wire.carry(&mut self.dice, now, sent.bytes) {
            self.started += 1;
            let (at, number) = (copy.at, self.started);
            let datagram = UnderWay { at, number, from: sent.from, to, bytes: copy.bytes };
            self.under_way.push(Reverse(datagram));
        }
        assert!(self.under_way.len() <= UNDER_WAY_MAX, "seed {}: a datagram storm", self.seed);
    }

    /// When something arrives next.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(next)| next.at)
    }

    /// Moves the clock to the next arrival and hands it over; `None` if nothing is under way.
    pub fn next_delivery(&mut self) -> Option<(Instant, Datagram)> {
        while let Some(Reverse(next)) = self.under_way.pop() {
            self.advance_to(next.at);
            let Some(host) = self.host_at(next.to) else {
                self.arrived.unroutable += 1;
                continue;
            };
            self.arrived.delivered += 1;
            let datagram = Datagram { from: next.from, to: host, bytes: next.bytes };
            for tap in &mut self.taps {
                tap(self.now, Tapped::Delivered { datagram: &datagram, outside: next.to });
            }
            return Some((self.now, datagram));
        }
        None
    }

    /// A datagram arrives that nobody sent: shows it to the taps as delivered.
    pub fn forge(&mut self, datagram: &Datagram) {
        let outside = self.outside_of(datagram.to);
        for tap in &mut self.taps {
            tap(self.now, Tapped::Delivered { datagram, outside });
        }
    }

    /// Moves the clock on; never back.
    pub fn advance_to(&mut self, time: Instant) {
        self.now = self.now.max(time);
    }

    /// What happened so far, in all directions together.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut sum = self.arrived;
        self.wires.values().for_each(|wire| sum += wire.counts());
        sum
    }

    /// What happened on the way from one host to another, arrivals aside.
    #[must_use]
    pub fn counts_between(&self, from: SocketAddr, to: SocketAddr) -> Counts {
        self.wires.get(&(from, to)).map(Wire::counts).unwrap_or_default()
    }

    fn host_at(&self, outside: SocketAddr) -> Option<SocketAddr> {
        self.inside.get(&outside).copied().unwrap_or(Some(outside))
    }

    fn ahead(&self, host: SocketAddr) -> Duration {
        self.ahead.get(&host).copied().unwrap_or_default()
    }

    fn wire(&mut self, from: SocketAddr, to: SocketAddr) -> &mut Wire {
        let default = self.default;
        self.wires.entry((from, to)).or_insert_with(|| Wire::new(default))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("under_way", &self.under_way.len())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
