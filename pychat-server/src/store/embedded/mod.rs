//! The embedded engine: one SQLite file, one thread that writes.
//!
//! Entries lie on disk in the order of their arrival; the index by mailbox lives in memory and is
//! rebuilt at the start. Users without anything in it are loaded when they are asked for (`load`). A batch is executed against memory first (`batch`), with a journal to take
//! it back (`undo`), then written as one transaction (`write`) into a log that grows ahead of it (`log_room`). Trims, and whatever else may be
//! late, are done in portions between batches (`tidy`); old entries move to a table keyed by
//! mailbox (`archive`). Users' end-to-end keys are a row each, of which memory holds nothing (`keys`);
//! what the operator decided, memory holds all of (`rules`).
//!
//! To drop an engine without [`MailboxStore::flush`] is a crash, which is safe.

mod archive;
pub mod backup;
mod batch;
mod check;
mod checkpoint;
mod failure;
mod keys;
mod load;
mod log_room;
pub(crate) mod marks;
mod memory;
mod open;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod tidy;
mod undo;
pub(crate) mod whole;
mod write;

pub use open::OpenError;

use super::{
    Account, Answer, Ban, Command, Entry, Invite, InviteCode, MailboxSize, MailboxStore, Page,
    Quota, ReadLimit, StoreError, StoreSize,
};
use batch::{Plan, Run};
use checkpoint::Checkpointer;
use log_room::LogRoom;
use memory::{Memory, Slot, UserId};
use pychat_proto::{Cursor, Seq, StreamId, UserName, chat::OwnKeys};
use rusqlite::{Connection, ErrorCode, Statement};
use std::fs::File;
use tidy::{Bounds, Late, Portion};
use undo::Undo;

/// Mailboxes in one SQLite file.
///
/// After a [`StoreError::Fatal`] every call answers the same until the file is opened anew.
#[derive(Debug)]
pub struct Embedded {
    // Before the connection, so that the file's last connection is the one that closes last.
    checkpointer: Option<Checkpointer>,
    log_room: Option<LogRoom>,
    connection: Connection,
    memory: Memory,
    plan: Plan,
    late: Late,
    bounds: Bounds,
    quota: Quota,
    broken: Option<String>,
    /// Held as long as the file is open.
    _lock: Option<File>,
}

impl Embedded {
    /// What stands between the caller and the engine: an earlier fatal failure.
    fn usable(&mut self) -> Result<(), StoreError> {
        if self.broken.is_none() {
            let failure = self.checkpointer.as_ref().and_then(Checkpointer::failure);
            self.broken = failure.map(ToOwned::to_owned);
        }
        match &self.broken {
            None => Ok(()),
            Some(why) => Err(StoreError::Fatal(why.clone())),
        }
    }

    /// Sorts a failure, and remembers one that is for good.
    fn failed(&mut self, error: &rusqlite::Error) -> StoreError {
        let mut error = failure::sort(error);
        if !self.connection.is_autocommit() {
            error = StoreError::Fatal(format!("{error}; and it could not be rolled back"));
        }
        if let StoreError::Fatal(why) = &error {
            self.broken = Some(why.clone());
        }
        error
    }

    /// Does late work. What only means "not now" is no failure, as the work remains.
    fn tidy(&mut self, portion: Portion) -> Result<(), StoreError> {
        let done = self.late.tidy(&self.connection, &mut self.memory, &self.bounds, portion);
        match done.map_err(|error| self.failed(&error)) {
            Ok(()) => Ok(()),
            Err(error @ StoreError::Fatal(_)) => Err(error),
            Err(error @ (StoreError::NotWritten(_) | StoreError::Unknown(_))) => match portion {
                Portion::Due => Ok(()),
                Portion::All => Err(error),
            },
        }
    }

    /// The user of that name, between batches.
    fn named(&mut self, name: &UserName) -> Result<Option<UserId>, StoreError> {
        self.memory.named(&self.connection, name).map_err(|error| self.failed(&error))
    }

    fn run(&mut self, batch: &[Command]) -> rusqlite::Result<Vec<Answer>> {
        // Users whom the batch is the first to name are read within its transaction: each by itself would lock and unlock
        // the file. Trims alone write nothing.
        let changes = batch.iter().any(|command| !matches!(command, Command::Trim { .. }));
        let transaction = changes.then(|| write::begin(&self.connection)).transpose()?;
        let mut run = Run {
            connection: &self.connection,
            memory: &mut self.memory,
            plan: &mut self.plan,
            quota: self.quota,
        };
        let mut answers = Vec::with_capacity(batch.len());
        for (index, command) in batch.iter().enumerate() {
            answers.push(run.execute(index, command)?);
        }
        if let Some(transaction) = transaction.filter(|_| !self.plan.is_empty()) {
            // Nobody else writes to the log now.
            if let (Some(room), Some(log)) = (&mut self.log_room, &self.checkpointer) {
                room.make(log.pages());
            }
            write::batch(&transaction, &self.memory, &self.plan, batch)?;
            transaction.commit()?;
        }
        Ok(answers)
    }

    /// The batch is on disk: what it trimmed may be removed by and by.
    fn settle(&mut self) {
        let mut journal = std::mem::take(&mut self.memory.journal);
        for change in journal.drain(..) {
            match change {
                Undo::Trimmed { user, slot } => {
                    self.late.add_row(slot.row, &self.bounds);
                    self.memory.offer(user);
                }
                Undo::Head { user: id, head } => {
                    let user = self.memory.user_mut(id);
                    let trimmed = user.head.trimmed > head.trimmed && head.archives_after(0);
                    if trimmed && !user.trims_late {
                        user.trims_late = true;
                        self.late.archives.push(id);
                    }
                }
                Undo::UserNew { user } | Undo::StreamEvicted { user, .. } => {
                    self.memory.offer(user);
                }
                Undo::Put { .. }
                | Undo::Stream { .. }
                | Undo::StreamNew { .. }
                | Undo::Owner { .. }
                | Undo::Rule(_) => {}
            }
        }
        self.memory.journal = journal;
    }

    fn page(&self, id: UserId, after: Cursor, limit: ReadLimit) -> rusqlite::Result<Page> {
        let user = self.memory.user(id);
        let after = after.0.max(user.head.trimmed);
        let mut page = PageUnderway { entries: Vec::new(), bytes: 0, limit };
        let from = user.slots.partition_point(|slot| slot.cursor <= after);
        // One for the whole page: each statement by itself would lock and unlock the file.
        let reading = self.connection.unchecked_transaction()?;
        if user.head.archives_after(after) {
            let took_all = archive::read(&reading, id, after, |entry| page.take(entry))?;
            if !took_all {
                return Ok(Page { entries: page.entries, more: true });
            }
        }
        let mut select = reading.prepare_cached("SELECT entry FROM entries WHERE seq = ?1")?;
        for slot in user.slots.range(from..) {
            if !page.fits(slot.bytes as usize) {
                return Ok(Page { entries: page.entries, more: true });
            }
            page.take(entry(&mut select, slot)?);
        }
        Ok(Page { entries: page.entries, more: false })
    }
}

fn entry(select: &mut Statement<'_>, slot: &Slot) -> rusqlite::Result<Entry> {
    select.query_one([slot.row.cast_signed()], |row| {
        Ok(Entry { cursor: Cursor(slot.cursor), entry: row.get_ref(0)?.as_blob()?.into() })
    })
}

impl MailboxStore for Embedded {
    fn commit(&mut self, batch: &[Command]) -> Result<Vec<Answer>, StoreError> {
        self.usable()?;
        self.tidy(Portion::Due)?;
        let done = self.run(batch);
        self.plan.clear();
        let done = match done {
            Ok(answers) => {
                self.settle();
                if let Some(checkpointer) = &self.checkpointer {
                    checkpointer.after_commit(&self.connection);
                }
                Ok(answers)
            }
            Err(error) => {
                self.memory.undo();
                let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
                let error = self.failed(&error);
                if full {
                    // What was trimmed makes room for the next try, if it can go.
                    let _ = self.tidy(Portion::All);
                }
                Err(error)
            }
        };
        self.memory.evict(self.bounds.clean_users_max);
        done
    }

    fn read(
        &mut self,
        mailbox: &UserName,
        after: Cursor,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        self.usable()?;
        let Some(id) = self.named(mailbox)? else {
            return Ok(Page { entries: Vec::new(), more: false });
        };
        let page = self.page(id, after, limit).map_err(|error| self.failed(&error));
        self.memory.evict(self.bounds.clean_users_max);
        page
    }

    fn account(&mut self, name: &UserName) -> Result<Option<Account>, StoreError> {
        self.usable()?;
        let account = self.named(name)?.and_then(|id| self.memory.user(id).account());
        self.memory.evict(self.bounds.clean_users_max);
        Ok(account)
    }

    fn accounts(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.usable()?;
        // Between batches the file knows all accounts.
        load::accounts(&self.connection, after, limit).map_err(|error| self.failed(&error))
    }

    fn position(&mut self, user: &UserName, stream: StreamId) -> Result<Seq, StoreError> {
        self.usable()?;
        let id = self.named(user)?;
        let position = id.map_or(Seq::NONE, |id| self.memory.user(id).position(stream));
        self.memory.evict(self.bounds.clean_users_max);
        Ok(position)
    }

    fn keys(&mut self, user: &UserName) -> Result<Option<OwnKeys>, StoreError> {
        self.usable()?;
        let id = self.named(user)?.filter(|id| self.memory.user(*id).account.is_some());
        let keys = id.map(|id| keys::read(&self.connection, id)).transpose();
        let keys = keys.map_err(|error| self.failed(&error));
        self.memory.evict(self.bounds.clean_users_max);
        keys
    }

    fn ban(&mut self, user: &UserName) -> Result<Option<Ban>, StoreError> {
        self.usable()?;
        Ok(self.memory.rules.ban(user).cloned())
    }

    fn bans(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<(UserName, Ban)>, StoreError> {
        self.usable()?;
        Ok(self.memory.rules.bans(after, limit))
    }

    fn invites(&mut self) -> Result<Vec<Invite>, StoreError> {
        self.usable()?;
        Ok(self.memory.rules.invites())
    }

    fn invite(&mut self, code: &InviteCode) -> Result<Option<Invite>, StoreError> {
        self.usable()?;
        Ok(self.memory.rules.invite(code).cloned())
    }

    fn mailboxes(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<MailboxSize>, StoreError> {
        self.usable()?;
        let sizes = load::mailboxes(&self.connection, &self.memory, after, limit);
        sizes.map_err(|error| self.failed(&error))
    }

    fn size(&mut self) -> Result<StoreSize, StoreError> {
        self.usable()?;
        let bytes = load::bytes(&self.connection).map_err(|error| self.failed(&error))?;
        let recent = self.memory.recent as u64;
        Ok(StoreSize { accounts: self.memory.accounts, recent, bytes })
    }

    fn set_quota(&mut self, quota: Quota) {
        self.quota = quota;
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.usable()?;
        self.tidy(Portion::All)?;
        self.memory.evict(self.bounds.clean_users_max);
        Ok(())
    }
}

/// A page that fills up.
struct PageUnderway {
    entries: Vec<Entry>,
    bytes: usize,
    limit: ReadLimit,
}

impl PageUnderway {
    /// Whether an entry of that size still belongs on the page; the first one always does.
    const fn fits(&self, bytes: usize) -> bool {
        self.entries.is_empty()
            || (self.entries.len() < self.limit.entries
                && self.bytes.saturating_add(bytes) <= self.limit.bytes)
    }

    /// Adds an entry if it fits; and whether it did.
    fn take(&mut self, entry: Entry) -> bool {
        let fits = self.fits(entry.entry.len());
        if fits {
            self.bytes = self.bytes.saturating_add(entry.entry.len());
            self.entries.push(entry);
        }
        fits
    }
}
