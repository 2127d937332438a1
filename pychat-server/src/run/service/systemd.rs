//! What the service manager (systemd) is told. Without one, nothing happens.

use sd_notify::NotifyState;
use std::time::Duration;
use tracing::debug;

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

/// All shards are alive.
pub(super) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Within which time the service manager wants to hear that, if it does.
pub(super) fn alive_within() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}
