//! What is under way, and where.

use std::cmp::Ordering;

/// Something under way.
#[derive(Clone, Copy)]
pub(super) struct Event {
    pub(super) at: u64,
    pub(super) number: u64,
    pub(super) step: Step,
    pub(super) errand: Errand,
}

/// Where it is.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Begins,
    /// At the NATS server of the sender's node, or of the recipient's.
    LeavesBy,
    ComesBy,
    Arrives,
    /// At the node that writes, before its stream, and at the stream.
    Gathers,
    IsWritten,
    IsReplicated,
}

/// What it is.
#[derive(Clone, Copy)]
pub(super) struct Errand {
    pub(super) kind: Kind,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) talks: f32,
    pub(super) waited: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A text that a quorum writes.
    Written,
    Login,
}

impl Errand {
    /// Of somebody who logs in.
    pub(super) fn login(user: u32) -> Self {
        Self { kind: Kind::Login, from: user, to: user, talks: 0.0, waited: 0 }
    }

    /// The mailbox that is written to; that of a login is one's own.
    pub(super) fn mailbox(&self) -> u32 {
        if self.kind == Kind::Login { self.from } else { self.to }
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
