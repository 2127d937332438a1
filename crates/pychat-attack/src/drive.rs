//! Runs an attack at a rate.

use crate::Attack;
use std::{
    thread,
    time::{Duration, Instant},
};

/// What an attacker got done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Driven {
    /// Things done: datagrams, or what the attack says it counts.
    pub count: u64,
    /// In this time.
    pub took: Duration,
}

impl Driven {
    /// Things done a second.
    #[must_use]
    pub fn per_s(&self) -> u64 {
        (self.count as f64 / self.took.as_secs_f64().max(1e-9)) as u64
    }
}

/// How long an attacker rests that is ahead of its rate.
const REST: Duration = Duration::from_micros(500);

/// Strikes at `per_s` things a second (0: as fast as can be) until `until` says that this many are
/// enough, or that this much time is.
pub fn drive(attack: &mut dyn Attack, per_s: u64, until: impl Fn(u64, Duration) -> bool) -> Driven {
    let start = Instant::now();
    let mut count = 0;
    loop {
        let took = start.elapsed();
        if until(count, took) {
            return Driven { count, took };
        }
        if per_s > 0 && count as f64 > took.as_secs_f64() * per_s as f64 {
            thread::sleep(REST);
            continue;
        }
        count += attack.strike();
    }
}
