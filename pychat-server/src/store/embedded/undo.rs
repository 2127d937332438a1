//! How to take a batch back out of memory. Users whom it loaded stay: they are as the file has them.

use super::memory::{Head, Memory, Owner, Slot, Stream, UserId};
use crate::store::rules;

/// One change, and what was there before. Taken back in reverse order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// The user is new, and its number the last.
    UserNew { user: UserId },
    /// The mailbox's last slot is new.
    Put { user: UserId, head: Head },
    /// A mailbox's numbers changed.
    Head { user: UserId, head: Head },
    /// A mailbox's first slot went.
    Trimmed { user: UserId, slot: Slot },
    /// A stream moved.
    Stream { user: UserId, index: usize, before: Stream },
    /// The user's last stream is new.
    StreamNew { user: UserId },
    /// A stream was forgotten.
    StreamEvicted { user: UserId, index: usize, stream: Stream },
    /// An account was claimed or changed.
    Owner { user: UserId, before: Option<Owner> },
    /// What the operator decided changed.
    Rule(rules::Change),
}

impl Memory {
    /// Takes back all that the journal holds.
    pub(super) fn undo(&mut self) {
        let mut journal = std::mem::take(&mut self.journal);
        for change in journal.drain(..).rev() {
            self.undo_one(change);
        }
        self.journal = journal;
    }

    fn undo_one(&mut self, change: Undo) {
        match change {
            Undo::UserNew { user } => {
                self.next_user = user.0;
                if let Some(user) = self.users.remove(&user) {
                    self.names.remove(&user.name);
                }
            }
            Undo::Put { user, head } => {
                let user = self.user_mut(user);
                user.slots.pop_back();
                user.head = head;
                self.recent -= 1;
            }
            Undo::Head { user, head } => self.user_mut(user).head = head,
            Undo::Trimmed { user, slot } => {
                self.user_mut(user).slots.push_front(slot);
                self.recent += 1;
            }
            Undo::Stream { user, index, before } => self.user_mut(user).streams[index] = before,
            Undo::StreamNew { user } => {
                self.user_mut(user).streams.pop();
            }
            Undo::StreamEvicted { user, index, stream } => {
                self.user_mut(user).streams.insert(index, stream);
            }
            Undo::Owner { user, before } => drop(self.set_owner(user, before)),
            Undo::Rule(change) => self.rules.undo(change),
        }
    }
}
