//! When the texts of the open loop are due.

use super::Load;
use crate::driver::Driver;
use anyhow::Result;
use pychat_proto::Instant;
use std::time::Duration;

/// Pairs take turns, evenly spaced.
pub(super) struct Schedule {
    start: Instant,
    pairs: u32,
    /// Between one text of any pair and the next one; none where windows decide.
    every: Option<Duration>,
    written: u64,
}

impl Schedule {
    /// Begins now.
    pub(super) fn new(pairs: u32, load: Load) -> Self {
        let every = match load {
            Load::Window(_) => None,
            Load::Rate(rate) => Some(Duration::from_secs_f64(1.0 / rate / f64::from(pairs))),
        };
        Self { start: pychat_udp::now(), pairs, every, written: 0 }
    }

    /// Lets the pairs write for this long.
    pub(super) async fn write(&mut self, driver: &mut Driver, pause: Duration) -> Result<()> {
        let until = pychat_udp::now() + pause;
        while pychat_udp::now() < until {
            let now = pychat_udp::now();
            while self.next().is_some_and(|due| due <= now && due < until) {
                driver.crowd().due((self.written % u64::from(self.pairs)) as u32);
                self.written += 1;
            }
            driver.turn(self.next().map_or(until, |due| due.min(until))).await?;
        }
        Ok(())
    }

    fn next(&self) -> Option<Instant> {
        Some(self.start + self.every?.mul_f64(self.written as f64))
    }
}
