//! One session's outbox on its way to the disk: in order, several under way at once.
//!
//! ```text
//! Waiting --> Submitted --> gone          Malformed --> Refused --> gone (skipped)
//!    ^----------'  '--> Refused --> gone (skipped)
//! ```
//! The store takes a message only if its stream stands just before it, so one that failed makes
//! those behind it come back as gaps, and all of them are submitted again in their order.

use super::message::{Kind, Message};
use crate::store::{Append, Appended, Command, Origin, StoreError};
use pychat_proto::{RECORD_WINDOW, RefuseCode, Seq, StreamId, UserName};
use std::collections::VecDeque;

/// Most messages of one session that wait for the store: each takes at least one record, and a
/// client sends at most [`RECORD_WINDOW`] beyond what was committed; one more for a skip.
pub(super) const PENDING_MAX: usize = RECORD_WINDOW as usize + 1;

/// What a session has sent and the store has not confirmed.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    pending: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    first: Seq,
    last: Seq,
    write: Write,
    state: State,
    /// An earlier try may have been written without an announcement.
    uncertain: bool,
}

#[derive(Debug)]
enum Write {
    Message(Message),
    Skip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Submitted,
    /// To be refused as soon as all before it is on disk.
    Malformed,
    /// The client was told and will skip it.
    Refused,
}

/// More messages are pending than the window allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overrun;

/// What is to be done about an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Tell the client that everything up to here is on disk. `unannounced` is a mailbox that may
    /// have got an entry that nobody was told of.
    Commit {
        /// The last record.
        up_to: Seq,
        /// Whose mailbox.
        unannounced: Option<UserName>,
    },
    /// Tell the client that the message which ends here is refused.
    Refuse {
        /// Its last record.
        last: Seq,
        /// Why.
        code: RefuseCode,
    },
    /// Nothing now; submit again what waits.
    Resubmit,
    /// The store stands elsewhere than this session believes: only a new login can tell.
    OutOfStep,
}

impl Uplink {
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes a message that was handed out by the endpoint.
    pub(super) fn push(&mut self, first: Seq, last: Seq, message: Message) -> Result<(), Overrun> {
        self.push_pending(first, last, Write::Message(message), State::Waiting)
    }

    /// Takes a message that nobody can read; it is refused when its turn comes.
    pub(super) fn push_malformed(&mut self, first: Seq, last: Seq) -> Result<(), Overrun> {
        self.push_pending(first, last, Write::Skip, State::Malformed)
    }

    fn push_pending(
        &mut self,
        first: Seq,
        last: Seq,
        write: Write,
        state: State,
    ) -> Result<(), Overrun> {
        if self.pending.len() >= PENDING_MAX {
            return Err(Overrun);
        }
        self.pending.push_back(Pending { first, last, write, state, uncertain: false });
        Ok(())
    }

    /// The client gave up its records up to `up_to`.
    pub(super) fn skip(&mut self, up_to: Seq) {
        while self.pending.front().is_some_and(|pending| pending.last <= up_to) {
            self.pending.pop_front();
        }
        self.pending.push_front(Pending {
            first: up_to,
            last: up_to,
            write: Write::Skip,
            state: State::Waiting,
            uncertain: false,
        });
    }

    /// The next thing to submit, marked as submitted: its last record and the command.
    pub(super) fn submit(&mut self, user: &UserName, stream: StreamId) -> Option<(Seq, Command)> {
        for pending in &mut self.pending {
            match pending.state {
                State::Submitted => {}
                State::Malformed | State::Refused => return None,
                State::Waiting => {
                    pending.state = State::Submitted;
                    return Some((pending.last, pending.command(user, stream)));
                }
            }
        }
        None
    }

    /// A malformed message that has come to the front: the client is to be told, once.
    pub(super) fn refuse_malformed(&mut self) -> Option<Seq> {
        let front = self.pending.front_mut().filter(|p| p.state == State::Malformed)?;
        front.state = State::Refused;
        Some(front.last)
    }

    /// An append that was submitted for the message that ends at `last` came to `appended`.
    pub(super) fn appended(&mut self, last: Seq, appended: Appended) -> Verdict {
        let Some(index) = self.submitted(last) else { return Verdict::Resubmit };
        match appended {
            Appended::Stored(_) => self.commit(last, None),
            Appended::Duplicate => {
                let pending = &self.pending[index];
                let unannounced = match &pending.write {
                    Write::Message(message) if pending.uncertain => Some(message.to.clone()),
                    Write::Message(_) | Write::Skip => None,
                };
                self.commit(last, unannounced)
            }
            // What comes before has failed; this one follows it.
            Appended::Gap { .. } if index > 0 => self.wait(index),
            Appended::Gap { .. } => Verdict::OutOfStep,
            Appended::Full => self.refuse(index, RefuseCode::MailboxFull),
            Appended::NoSuchUser => self.refuse(index, RefuseCode::NoSuchUser),
        }
    }

    /// The skip up to `up_to` is on disk.
    pub(super) fn advanced(&mut self, up_to: Seq) -> Verdict {
        match self.submitted(up_to) {
            Some(_) => self.commit(up_to, None),
            None => Verdict::Resubmit,
        }
    }

    /// The store failed at what ends at `last`.
    pub(super) fn failed(&mut self, last: Seq, error: &StoreError) {
        if let Some(index) = self.submitted(last) {
            let pending = &mut self.pending[index];
            pending.state = State::Waiting;
            pending.uncertain |= !matches!(error, StoreError::NotWritten(_));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn submitted(&self, last: Seq) -> Option<usize> {
        self.pending.iter().position(|p| p.last == last && p.state == State::Submitted)
    }

    fn commit(&mut self, up_to: Seq, unannounced: Option<UserName>) -> Verdict {
        // The store keeps the order: what comes before is on disk too.
        while self.pending.front().is_some_and(|pending| pending.last <= up_to) {
            self.pending.pop_front();
        }
        Verdict::Commit { up_to, unannounced }
    }

    fn wait(&mut self, index: usize) -> Verdict {
        self.pending[index].state = State::Waiting;
        Verdict::Resubmit
    }

    fn refuse(&mut self, index: usize, code: RefuseCode) -> Verdict {
        let pending = &mut self.pending[index];
        match &pending.write {
            // Nobody misses a read receipt: the stream moves on without it.
            Write::Message(Message { kind: Kind::Read, .. }) => {
                pending.write = Write::Skip;
                pending.first = pending.last;
                self.wait(index)
            }
            // A refusal is told in order: what comes before must be on disk first.
            Write::Message(_) | Write::Skip if index > 0 => self.wait(index),
            Write::Message(_) | Write::Skip => {
                pending.state = State::Refused;
                Verdict::Refuse { last: pending.last, code }
            }
        }
    }
}

impl Pending {
    fn command(&self, user: &UserName, stream: StreamId) -> Command {
        let user = user.clone();
        match &self.write {
            Write::Message(message) => Command::Append(Append {
                mailbox: message.to.clone(),
                origin: Origin::Stream { user, stream, first: self.first, last: self.last },
                entry: message.entry.clone(),
            }),
            Write::Skip => Command::Advance { user, stream, up_to: self.last },
        }
    }
}

#[cfg(test)]
#[path = "tests/uplink.rs"]
mod tests;
