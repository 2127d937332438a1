//! Signs of life for the service manager.

use super::{service, threads::Shards};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tracing::warn;

/// Tells the service manager that all shards are alive, if it wants to know.
pub(super) struct Watchdog {
    interval: Option<Interval>,
    beats: Vec<u64>,
}

impl Watchdog {
    /// As the service manager asked for. Call it within a runtime.
    pub(super) fn as_asked_for() -> Self {
        let interval = service::alive_within().map(|limit| {
            // Twice in the time it allows, as it recommends; each beat was asked for one period
            // before.
            let period = (limit / 2).max(Duration::from_millis(1));
            let mut interval = interval_at(Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        Self { interval, beats: Vec::new() }
    }

    /// Waits until the next check.
    pub(super) async fn due(&mut self) {
        match &mut self.interval {
            Some(interval) => {
                interval.tick().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Notifies, unless a shard has not answered since the last check; asks all again.
    pub(super) fn check(&mut self, shards: &Shards) {
        let beats = shards.beats();
        let stuck = |(before, now): (&u64, &u64)| before == now;
        match self.beats.iter().zip(&beats).position(stuck) {
            Some(shard) => warn!(shard, "a shard does not answer"),
            None => service::alive(),
        }
        self.beats = beats;
        shards.ask_for_beats();
    }
}
