//! What was asked of the committer, and why.

use super::{parcel::Asker, unsettled::Owed};
use crate::{
    committer::{Done, Job, Outcome, Work},
    store::{Answer, Appended},
};
use pychat_proto::{Cursor, Incoming, Instant, Seq, SessionId, UserName};
use std::{collections::VecDeque, sync::Arc};

/// Why a job was given: what its outcome is for.
pub(super) enum Purpose {
    /// Whether one who logs in may come in.
    Login(Box<Incoming>),
    /// The name of a confirmed session.
    Claim(SessionId),
    /// A mailbox that must not hand out again what its client has.
    Raise(SessionId),
    /// An entry of a mailbox of ours.
    Append(Box<Write>),
    /// Places in the mailbox of this session's user.
    Reserve(SessionId),
    /// That this shard has handed out places of this mailbox up to here.
    HandedOut(UserName, Cursor),
    /// The skip up to this record.
    Advance(SessionId, Seq),
    /// The position of this session's stream.
    Position(SessionId),
    /// A page of the session's mailbox.
    Page(SessionId),
    /// Whose mailbox this is.
    Owner(UserName),
    /// Whether the mailboxes of these sessions' users are still ours.
    Elsewhere(Vec<SessionId>),
    /// The session's question of this number.
    Call(SessionId, u64),
    /// What the session's question of this number changes.
    CallThatWrites(SessionId, u64),
    /// Nobody asks what came of it.
    Unwatched,
}

/// An entry that the store is asked to write.
pub(super) struct Write {
    pub(super) mailbox: UserName,
    pub(super) entry: Arc<[u8]>,
    pub(super) owed: Option<Owed>,
    pub(super) asker: Asker,
    /// Its place, where it was sent already.
    pub(super) place: Option<Cursor>,
    /// The session of the mailbox's user, if there was one.
    pub(super) reader: Option<SessionId>,
    /// When the store was asked to find its place.
    pub(super) asked_at: Instant,
}

/// Jobs on their way to the committer and those that have not come back. Bounded by what gives
/// rise to them: each session's windows, and [`super::LOGINS_WAITING_MAX`].
pub(super) struct Jobs {
    shard: u8,
    /// How many failed batches were heard of.
    generation: u32,
    queue: VecDeque<Job>,
    /// Of the tickets from `first_ticket` on; they come back nearly in their order.
    given: VecDeque<Option<Given>>,
    first_ticket: u64,
    under_way: usize,
}

/// A job that has come back.
pub(super) struct Finished {
    pub(super) purpose: Purpose,
    /// Something that was given no later was not written: that this was not either is no news.
    pub(super) is_late: bool,
}

struct Given {
    purpose: Purpose,
    generation: u32,
    writes: bool,
}

impl Jobs {
    pub(super) fn new(shard: u8) -> Self {
        let (queue, given) = (VecDeque::new(), VecDeque::new());
        Self { shard, generation: 0, queue, given, first_ticket: 0, under_way: 0 }
    }

    /// What the store did before the last failure that was heard of belongs to an earlier generation.
    pub(super) const fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn push(&mut self, purpose: Purpose, work: Work) {
        self.push_of(self.generation, purpose, work);
    }

    /// For work that was decided on in an earlier generation: the store does not do it if one has passed.
    pub(super) fn push_of(&mut self, generation: u32, purpose: Purpose, work: Work) {
        let writes = matches!(work, Work::Commit(_));
        self.give(Some(Given { purpose, generation, writes }), generation, work);
    }

    /// For work without an outcome.
    pub(super) fn tell(&mut self, work: Work) {
        self.give(None, self.generation, work);
    }

    fn give(&mut self, given: Option<Given>, generation: u32, work: Work) {
        let ticket = self.first_ticket + self.given.len() as u64;
        self.under_way += usize::from(given.is_some());
        if given.is_some() || !self.given.is_empty() {
            self.given.push_back(given);
        }
        self.queue.push_back(Job { shard: self.shard, ticket, generation, work });
    }

    pub(super) fn pop(&mut self) -> Option<Job> {
        self.queue.pop_front()
    }

    /// Why the job was given that came back.
    pub(super) fn finish(&mut self, done: &Done) -> Option<Finished> {
        let index = usize::try_from(done.ticket.checked_sub(self.first_ticket)?).ok()?;
        let given = self.given.get_mut(index)?.take()?;
        self.under_way -= 1;
        while matches!(self.given.front(), Some(None)) {
            self.given.pop_front();
            self.first_ticket += 1;
        }
        let failed = match &done.outcome {
            Ok(Outcome::Committed(Answer::Append(Appended::Elsewhere(_)))) | Err(_) => true,
            Ok(_) => false,
        };
        let is_late = given.writes && given.generation != self.generation;
        if given.writes && failed && !is_late {
            self.generation = self.generation.wrapping_add(1);
        }
        Some(Finished { purpose: given.purpose, is_late })
    }

    /// Jobs that have not come back.
    pub(super) const fn under_way(&self) -> usize {
        self.under_way
    }
}
