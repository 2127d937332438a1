//! The orderly end of a shard: everybody is told when to come back, so that not all come at once.

use super::{Now, Shard};
use pychat_proto::{CloseCode, SessionId};
use rand_chacha::rand_core::Rng;
use std::time::Duration;

/// Logins per second that a shard asks for when it says goodbye: a third of what a core can do, so that the
/// rest is for those who are back.
pub const RETURNS_PER_S: u32 = 1000;

/// What a client is told when the server stops.
pub(super) const RESTARTING: &str = "the server restarts";

impl Shard {
    /// Says goodbye to all: come back after a random share of the time that their logins take at
    /// `RETURNS_PER_S`, of `spread_max` at most. Later logins hear the same.
    pub fn begin_shutdown(&mut self, now: Now, spread_max: Duration) {
        let spread = spread_for(self.sessions.len(), spread_max);
        self.stopping = Some(spread);
        let sessions: Vec<SessionId> = self.sessions.ids().collect();
        for session in sessions {
            let share = self.share_of(spread);
            self.close(now, session, CloseCode::Restarting, share, RESTARTING);
        }
        self.handle_events(now);
    }

    /// A random part of `spread`.
    pub(super) fn share_of(&mut self, spread: Duration) -> Duration {
        spread.mul_f64(f64::from(self.random.next_u32()) / f64::from(u32::MAX))
    }
}

/// Over how long so many clients are to come back.
fn spread_for(sessions: usize, most: Duration) -> Duration {
    let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
    (Duration::from_secs(1) / RETURNS_PER_S).saturating_mul(sessions).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_there_are_the_longer_they_are_spread_up_to_the_bound() {
        let most = Duration::from_secs(300);
        assert_eq!(spread_for(0, most), Duration::ZERO);
        assert_eq!(spread_for(1_000, most), Duration::from_secs(1));
        assert_eq!(spread_for(10_000, most), Duration::from_secs(10));
        assert_eq!(spread_for(100_000, most), Duration::from_secs(100));
        assert_eq!(spread_for(1_000_000, most), most);
        assert_eq!(spread_for(usize::MAX, Duration::MAX).as_secs(), u64::from(u32::MAX) / 1000);
    }
}
