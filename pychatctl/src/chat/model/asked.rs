//! What is asked of the daemon.

use std::time::Instant;

/// What is asked, and what is to be asked as soon as it may be: of each at most one question is under way.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// How the link is.
    pub(crate) status: Due,
    /// Who is there.
    pub(crate) users: Due,
    /// Whose keys are known.
    pub(crate) contacts: Due,
    /// All conversations.
    pub(crate) conversations: Due,
    /// What is new in the open one.
    pub(crate) tail: Due,
    /// When questions that were lost may be asked again.
    pub(crate) again_at: Option<Instant>,
    /// When the status was asked for last.
    pub(crate) status_at: Option<Instant>,
}

/// Of one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// It is to be asked.
    pub(crate) wanted: bool,
    /// It was asked.
    pub(crate) under_way: bool,
}

impl Due {
    /// To be asked.
    pub(crate) const fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether it is asked now.
    pub(crate) const fn begins(&mut self) -> bool {
        let begins = self.wanted && !self.under_way;
        if begins {
            *self = Self { wanted: false, under_way: true };
        }
        begins
    }

    /// It was answered.
    pub(crate) const fn end(&mut self) {
        self.under_way = false;
    }
}
