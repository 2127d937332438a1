//! What a network does to datagrams on their way in one direction.
//!
//! [`Faults`] are the settings; a [`Wire`] is one direction with its state. Drive it: one
//! [`Wire::carry`] per datagram sent, deliver each copy at the moment that it names.

use crate::dice::{Chance, Dice};
use pychat_proto::Instant;
use std::time::Duration;

/// How one direction treats datagrams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Whether anything gets through at all.
    pub carrier: Carrier,
    /// Which datagrams vanish.
    pub loss: Loss,
    /// The time that each datagram takes at least.
    pub delay: Duration,
    /// Up to so much more, evenly spread. Order is kept, as in a queue.
    pub jitter: Duration,
    /// How many datagrams are overtaken by later ones.
    pub reordering: Chance,
    /// How long an overtaken datagram is held back.
    pub reordering_delay: Duration,
    /// How many datagrams arrive twice.
    pub duplication: Chance,
    /// How many datagrams arrive with one bit flipped.
    pub corruption: Chance,
}

/// Whether a direction is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Datagrams get through.
    Up,
    /// Each one is lost.
    Down,
}

/// Which datagrams vanish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// Each one by itself (Bernoulli).
    Random(Chance),
    /// In bursts (Gilbert-Elliott): good times and bad times, each with its own loss.
    Bursts {
        /// How likely a good time ends with a datagram. Its inverse is the mean length.
        worsen: Chance,
        /// How likely a bad time ends with a datagram. Its inverse is the mean length.
        recover: Chance,
        /// Loss in good times.
        good: Chance,
        /// Loss in bad times.
        bad: Chance,
    },
}

impl Faults {
    /// A perfect wire: everything arrives at once and in order.
    pub const NONE: Self = Self {
        carrier: Carrier::Up,
        loss: Loss::None,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        reordering: Chance::NEVER,
        reordering_delay: Duration::ZERO,
        duplication: Chance::NEVER,
        corruption: Chance::NEVER,
    };

    /// Nothing gets through.
    pub const BLACKOUT: Self = Self { carrier: Carrier::Down, ..Self::NONE };

    /// A fault-free wire that takes `delay`.
    #[must_use]
    pub const fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::NONE }
    }

    /// The same, but random loss of `percent`.
    #[must_use]
    pub fn losing(self, percent: f64) -> Self {
        Self { loss: Loss::Random(Chance::percent(percent)), ..self }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}

/// What happened to datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to the wire.
    pub sent: u64,
    /// Vanished by chance.
    pub lost: u64,
    /// Vanished because the carrier was down.
    pub blocked: u64,
    /// Sent on twice.
    pub duplicated: u64,
    /// Held back, so that later ones overtake.
    pub reordered: u64,
    /// Sent on with a flipped bit.
    pub corrupted: u64,
    /// Arrived, copies included.
    pub delivered: u64,
    /// Arrived at an address that nobody has (any more).
    pub unroutable: u64,
}

/// One copy of a datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it arrives.
    pub at: Instant,
    /// What arrives.
    pub bytes: Vec<u8>,
}

/// One direction between two places.
#[derive(Clone, Debug)]
pub struct Wire {
    faults: Faults,
    weather: Weather,
    /// The latest arrival so far of a datagram that was not held back.
    tail: Instant,
    counts: Counts,
}

/// The two states of [`Loss::Bursts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Good,
    Bad,
}

impl Wire {
    /// A wire with these faults.
    #[must_use]
    pub const fn new(faults: Faults) -> Self {
        Self { faults, weather: Weather::Good, tail: Instant::ZERO, counts: ZERO }
    }

    /// From now on it has these faults. Datagrams under way are not touched.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// The faults in force.
    #[must_use]
    pub const fn faults(&self) -> Faults {
        self.faults
    }

    /// What happened so far. `delivered` and `unroutable` are the receiving side's to count.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a datagram and says what arrives of it, and when: nothing, one copy or two.
    pub fn carry(&mut self, dice: &mut Dice, now: Instant, bytes: Vec<u8>) -> Vec<Arrival> {
        self.counts.sent += 1;
        if self.faults.carrier == Carrier::Down {
            self.counts.blocked += 1;
            return Vec::new();
        }
        if self.loses(dice) {
            self.counts.lost += 1;
            return Vec::new();
        }
        let twice = dice.roll(self.faults.duplication);
        let mut copies = Vec::with_capacity(1 + usize::from(twice));
        if twice {
            self.counts.duplicated += 1;
            copies.push(self.copy(dice, now, bytes.clone()));
        }
        copies.push(self.copy(dice, now, bytes));
        copies
    }

    fn loses(&mut self, dice: &mut Dice) -> bool {
        match self.faults.loss {
            Loss::None => false,
            Loss::Random(chance) => dice.roll(chance),
            Loss::Bursts { worsen, recover, good, bad } => {
                self.weather = match self.weather {
                    Weather::Good if dice.roll(worsen) => Weather::Bad,
                    Weather::Bad if dice.roll(recover) => Weather::Good,
                    same @ (Weather::Good | Weather::Bad) => same,
                };
                dice.roll(match self.weather {
                    Weather::Good => good,
                    Weather::Bad => bad,
                })
            }
        }
    }

    fn copy(&mut self, dice: &mut Dice, now: Instant, mut bytes: Vec<u8>) -> Arrival {
        let arrival = now + self.faults.delay + dice.up_to(self.faults.jitter);
        let at = if dice.roll(self.faults.reordering) {
            self.counts.reordered += 1;
            arrival + self.faults.reordering_delay
        } else {
            self.tail = arrival.max(self.tail);
            self.tail
        };
        if dice.roll(self.faults.corruption) && !bytes.is_empty() {
            self.counts.corrupted += 1;
            flip(&mut bytes, dice);
        }
        Arrival { at, bytes }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.blocked += other.blocked;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.delivered += other.delivered;
        self.unroutable += other.unroutable;
    }
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    let bit = dice.below(bytes.len() as u64 * 8);
    let place = usize::try_from(bit / 8).expect("a datagram is shorter than the address space");
    bytes[place] ^= 1 << (bit % 8);
}

const ZERO: Counts = Counts {
    sent: 0,
    lost: 0,
    blocked: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    delivered: 0,
    unroutable: 0,
};

#[cfg(test)]
mod tests;
