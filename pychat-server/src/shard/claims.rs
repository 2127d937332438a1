//! How many one-time keys each session takes: whoever is asked for one too many has one less.

use pychat_proto::{Instant, SessionId};
use std::{collections::BTreeMap, time::Duration};

/// Most one-time keys that a session takes within a minute. docs/PROTOCOL.md, "Limits".
pub const CLAIMS_PER_MINUTE_MAX: u32 = 120;

const MINUTE: Duration = Duration::from_secs(60);

/// Sessions that took keys within the minute that is under way, which began with the first of them. Holds
/// nothing of any other, and at most all sessions.
#[derive(Debug, Default)]
pub(super) struct Claims {
    taken: BTreeMap<SessionId, u32>,
    ends: Option<Instant>,
}

impl Claims {
    /// Whether the session may take one more, which then counts.
    pub(super) fn take(&mut self, now: Instant, id: SessionId) -> bool {
        self.handle_timeout(now);
        self.ends.get_or_insert(now + MINUTE);
        let taken = self.taken.entry(id).or_default();
        let may = *taken < CLAIMS_PER_MINUTE_MAX;
        *taken += u32::from(may);
        may
    }

    pub(super) fn forget(&mut self, id: SessionId) {
        self.taken.remove(&id);
    }

    /// Forgets all once the minute is over.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.ends.is_some_and(|ends| ends <= now) {
            *self = Self::default();
        }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.ends
    }

    /// Sessions of which it holds something.
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_micros(1_000_000);

    #[test]
    fn a_session_takes_so_many_in_a_minute_and_then_as_many_again() {
        let mut claims = Claims::default();
        let last = START + MINUTE - Duration::from_micros(1);
        assert!((0..CLAIMS_PER_MINUTE_MAX).all(|_| claims.take(START, SessionId::NONE)));
        assert!(!claims.take(last, SessionId::NONE));
        assert!(claims.take(START + MINUTE, SessionId::NONE));
        assert_eq!(claims.poll_timeout(), Some(START + MINUTE + MINUTE));
    }

    #[test]
    fn nothing_stays_of_a_minute_or_a_session_that_is_over() {
        let mut claims = Claims::default();
        claims.take(START, SessionId::NONE);
        assert_eq!(claims.len(), 1);
        claims.forget(SessionId::NONE);
        assert_eq!(claims.len(), 0);
        claims.take(START, SessionId::NONE);
        claims.handle_timeout(START + MINUTE);
        assert_eq!((claims.len(), claims.poll_timeout()), (0, None));
    }
}
