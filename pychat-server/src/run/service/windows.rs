//! What Windows' manager of services is told, and what it asks for. In a console, nothing happens.

use super::threads::Shards;

/// Serving has begun.
pub(super) fn ready(_status: &str) {}

/// Serving ends.
pub(super) fn stopping() {}

/// Resolves when the manager of services wants the server to stop.
pub(super) async fn asked_to_stop() {
    std::future::pending().await
}

/// The manager there wants no signs of life.
pub(super) struct Watchdog {}

impl Watchdog {
    /// There is none.
    pub(super) const fn from_environment() -> Self {
        Self {}
    }

    /// Never.
    #[allow(clippy::unused_self)]
    pub(super) async fn due(&mut self) {
        std::future::pending().await
    }

    /// Nobody asks.
    #[allow(clippy::unused_self)]
    pub(super) const fn check(&mut self, _shards: &Shards) {}
}
