//! What the service manager (systemd) is told. Without one, nothing happens.

use super::threads::Shards;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tracing::{debug, warn};

/// Serving has begun.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Serving ends.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "the service manager was not told");
    }
}

/// Tells the service manager that all shards are alive, if it wants to know.
pub(super) struct Watchdog {
    interval: Option<Interval>,
    beats: Vec<u64>,
}

impl Watchdog {
    /// As the service manager asked for in the environment. Call it within a runtime.
    pub(super) fn from_environment() -> Self {
        let interval = sd_notify::watchdog_enabled().map(|limit| {
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
            None => notify(&[NotifyState::Watchdog]),
        }
        self.beats = beats;
        shards.ask_for_beats();
    }
}
