//! Where a session stands, as the tables of states name it.

use super::{Session, State};

/// A session's state, with what holds it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Open,
    /// The peer's address is not proved.
    Unproved,
    /// The peer does not answer; nothing is sent until it is heard of.
    Resting,
    Closing,
    Closed,
}

impl Session {
    pub(crate) fn standing(&self) -> Standing {
        match &self.state {
            State::Open if self.recovery.is_resting() => Standing::Resting,
            State::Open if self.path.budget() < usize::MAX => Standing::Unproved,
            State::Open => Standing::Open,
            State::Closing { until: _, close: _, wanted: _, answers_left: _ } => Standing::Closing,
            State::Closed => Standing::Closed,
        }
    }
}
