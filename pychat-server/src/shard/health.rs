//! Whether the store does what it is asked, and when to try it again.

use pychat_proto::Instant;
use std::time::Duration;

/// The first pause after a failure; each further one doubles it.
pub(super) const RETRY_FIRST: Duration = Duration::from_millis(100);

/// The longest pause.
pub(super) const RETRY_MAX: Duration = Duration::from_secs(5);

/// The longest pause where the store is a cluster: it is back as soon as it has elected a leader, and does not mind
/// being asked.
pub(super) const RETRY_CLUSTER_MAX: Duration = Duration::from_millis(500);

/// One ability of the store. `Working --failure--> Pausing --time--> Trying --success--> Working`.
#[derive(Debug)]
pub(super) struct Health {
    state: State,
    retry_max: Duration,
}

#[derive(Debug)]
enum State {
    Working,
    Pausing { until: Instant, pause: Duration },
    Trying { pause: Duration },
}

impl Health {
    /// A store that works, with the longest pause there is to be.
    pub(super) const fn new(retry_max: Duration) -> Self {
        Self { state: State::Working, retry_max }
    }

    /// Whether to hold back what one would ask.
    pub(super) const fn is_pausing(&self) -> bool {
        matches!(self.state, State::Pausing { .. })
    }

    /// When the pause ends.
    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Pausing { until, .. } => Some(until),
            State::Working | State::Trying { .. } => None,
        }
    }

    /// Whether the pause has just ended: what was held back is to be asked again.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        match self.state {
            State::Pausing { until, pause } if until <= now => {
                self.state = State::Trying { pause };
                true
            }
            State::Pausing { .. } | State::Working | State::Trying { .. } => false,
        }
    }

    /// It did what it was asked.
    pub(super) fn succeeded(&mut self) {
        match self.state {
            // While pausing: an answer to what was asked before the failure says nothing of now.
            State::Working | State::Pausing { .. } => {}
            State::Trying { .. } => self.state = State::Working,
        }
    }

    /// It failed.
    pub(super) fn failed(&mut self, now: Instant) {
        let pause = match self.state {
            State::Working => RETRY_FIRST,
            State::Trying { pause } => (pause * 2).min(self.retry_max),
            State::Pausing { .. } => return,
        };
        self.state = State::Pausing { until: now + pause, pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_end_with_success() {
        let mut health = Health::new(RETRY_MAX);
        let mut now = Instant::ZERO;
        let mut expected = RETRY_FIRST;
        for _ in 0..10 {
            health.failed(now);
            health.failed(now);
            assert_eq!(health.poll_timeout(), Some(now + expected));
            assert!(!health.handle_timeout(now));
            now += expected;
            assert!(health.handle_timeout(now));
            assert!(!health.is_pausing());
            expected = (expected * 2).min(RETRY_MAX);
        }
        assert_eq!(expected, RETRY_MAX);
        health.succeeded();
        health.failed(now);
        assert_eq!(health.poll_timeout(), Some(now + RETRY_FIRST));
    }

    #[test]
    fn an_answer_from_before_the_failure_does_not_end_a_pause() {
        let mut health = Health::new(RETRY_MAX);
        health.failed(Instant::ZERO);
        health.succeeded();
        assert!(health.is_pausing());
    }
}
