//! What was asked of the committer, and why.

use crate::committer::{Job, Work};
use pychat_proto::{Incoming, Seq, SessionId};
use std::collections::{HashMap, VecDeque};

/// Why a job was given: what its outcome is for.
pub(super) enum Purpose {
    /// Whether one who logs in may come in.
    Login(Box<Incoming>),
    /// The name of a confirmed session.
    Claim(SessionId),
    /// A mailbox that must not hand out again what its client has.
    Raise(SessionId),
    /// The message that ends at this record.
    Append(SessionId, Seq),
    /// The skip up to this record.
    Advance(SessionId, Seq),
    /// A page of the session's mailbox.
    Page(SessionId),
    /// The receipt of this number.
    Receipt(SessionId, usize),
    /// The session's question of this number.
    Call(SessionId, u64),
    /// The echo peer's name.
    EchoClaim,
    /// A page of the echo peer's mailbox.
    EchoPage,
    /// One of the echo peer's answers.
    EchoAnswer,
    /// Nobody asks what came of it.
    Unwatched,
}

/// Jobs on their way to the committer and those that have not come back. Bounded by what gives
/// rise to them: each session's windows, and [`super::LOGINS_WAITING_MAX`].
pub(super) struct Jobs {
    shard: u8,
    next_ticket: u64,
    queue: VecDeque<Job>,
    purposes: HashMap<u64, Purpose>,
}

impl Jobs {
    pub(super) fn new(shard: u8) -> Self {
        Self { shard, next_ticket: 0, queue: VecDeque::new(), purposes: HashMap::new() }
    }

    pub(super) fn push(&mut self, purpose: Purpose, work: Work) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.purposes.insert(ticket, purpose);
        self.queue.push_back(Job { shard: self.shard, ticket, work });
    }

    /// For work without an outcome.
    pub(super) fn tell(&mut self, work: Work) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.queue.push_back(Job { shard: self.shard, ticket, work });
    }

    pub(super) fn pop(&mut self) -> Option<Job> {
        self.queue.pop_front()
    }

    /// The purpose of a job that came back.
    pub(super) fn finish(&mut self, ticket: u64) -> Option<Purpose> {
        self.purposes.remove(&ticket)
    }

    /// Jobs that have not come back.
    pub(super) fn under_way(&self) -> usize {
        self.purposes.len()
    }
}
