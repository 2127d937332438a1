//! Where a session stands, as the tables of states name it.

use super::{Session, State};

/// A session's state, with what holds it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Open,
    /// What people write waits for the hybrid epoch.
    Agreeing,
    /// The peer's address is not proved.
    Unproved,
    /// The peer does not answer; nothing is sent until it is heard of.
    Resting,
    Closing,
    Closed,
}

impl Session {
    /// As after an exchange in which no key was changed and no packet counted: for tests of what comes later.
    pub(crate) fn pretend_hybrid(&mut self) {
        self.exchange = None;
        self.keys.pretend_hybrid();
    }

    pub(crate) fn standing(&self) -> Standing {
        match &self.state {
            State::Open if self.recovery.is_resting() => Standing::Resting,
            State::Open if self.path.budget() < usize::MAX => Standing::Unproved,
            State::Open if self.holds_back() => Standing::Agreeing,
            State::Open => Standing::Open,
            State::Closing { until: _, close: _, wanted: _, answers_left: _ } => Standing::Closing,
            State::Closed => Standing::Closed,
        }
    }
}
