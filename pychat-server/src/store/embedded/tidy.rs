//! What may be done late: removing trimmed rows, writing positions down that rows tell, moving old
//! rows to the archive. Each goes in bounded portions, as a transaction of its own between batches.
//!
//! Nothing here changes what the store answers; if it is lost in a crash, entries that were trimmed
//! are there again, their readers report their cursors, and they are trimmed again.

use super::{
    archive,
    memory::{CLEAN_USERS_MAX, Memory, UserId},
    write,
};
use rusqlite::Connection;

/// Trimmed rows that may wait for their removal, 8 bytes each. Beyond it, which takes a disk that
/// removes nothing for long, rows stay on disk until the next start and are trimmed again then.
const LATE_ROWS_MAX: usize = 1024 * 1024;

/// Trimmed rows that wait for others before the oldest of them are removed. The more there are, the
/// more neighbours go together; but no more wait than there are entries in memory, so that a small server's
/// file stays small.
const LATE_ROWS_DUE: usize = 65_536;

/// Trimmed rows removed at once, so that no commit waits for long. Fewer never are.
const LATE_ROWS_PER_PORTION: usize = 8192;

/// Mailboxes with trimmed rows in the archive that may wait.
const LATE_ARCHIVES_DUE: usize = 256;

/// Positions that only rows tell before they are written down.
const DIRTY_STREAMS_DUE: usize = 16_384;

/// Entries that the index in memory holds, 24 bytes each; older ones move to the archive. Exceeded
/// by one batch.
const RECENT_ENTRIES_MAX: usize = 2_000_000;

/// From where on something is due. Tests set smaller ones.
#[derive(Copy, Clone, Debug)]
pub(super) struct Bounds {
    pub(super) late_rows_due: usize,
    pub(super) late_rows_max: usize,
    pub(super) late_rows_per_portion: usize,
    pub(super) late_archives_due: usize,
    pub(super) dirty_streams_due: usize,
    pub(super) recent_max: usize,
    pub(super) entries_per_move: usize,
    pub(super) clean_users_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            late_rows_due: LATE_ROWS_DUE,
            late_rows_max: LATE_ROWS_MAX,
            late_rows_per_portion: LATE_ROWS_PER_PORTION,
            late_archives_due: LATE_ARCHIVES_DUE,
            dirty_streams_due: DIRTY_STREAMS_DUE,
            recent_max: RECENT_ENTRIES_MAX,
            entries_per_move: archive::ENTRIES_PER_MOVE,
            clean_users_max: CLEAN_USERS_MAX,
        }
    }
}

/// What is put off.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// Rows of `entries` that were trimmed.
    pub(super) rows: Vec<u64>,
    /// Mailboxes with trimmed rows in the archive, each once.
    pub(super) archives: Vec<UserId>,
}

/// How much to do.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Portion {
    /// What is due.
    Due,
    /// All that was put off, before an orderly end.
    All,
}

impl Late {
    /// Notes rows that were trimmed, within the bound.
    pub(super) fn add_row(&mut self, row: u64, bounds: &Bounds) {
        if self.rows.len() < bounds.late_rows_max {
            self.rows.push(row);
        }
    }

    /// Whether so many trimmed rows wait that some are to go. Among few other rows they are neighbours anyway.
    fn rows_are_due(&self, memory: &Memory, bounds: &Bounds) -> bool {
        let due = memory.recent.max(bounds.late_rows_per_portion).min(bounds.late_rows_due);
        self.rows.len() >= due
    }

    fn is_due(&self, memory: &Memory, bounds: &Bounds, portion: Portion) -> bool {
        match portion {
            Portion::All => {
                !self.rows.is_empty() || !self.archives.is_empty() || !memory.dirty.is_empty()
            }
            Portion::Due => {
                self.rows_are_due(memory, bounds)
                    || self.archives.len() >= bounds.late_archives_due
                    || memory.dirty.len() >= bounds.dirty_streams_due
                    || memory.recent > bounds.recent_max
            }
        }
    }

    /// Does a portion of it, if any is due.
    pub(super) fn tidy(
        &mut self,
        connection: &Connection,
        memory: &mut Memory,
        bounds: &Bounds,
        portion: Portion,
    ) -> rusqlite::Result<()> {
        if !self.is_due(memory, bounds, portion) {
            return Ok(());
        }
        // The stable sort makes use of the part that was sorted before.
        self.rows.sort();
        let removed = match portion {
            Portion::All => self.rows.len(),
            Portion::Due if self.rows_are_due(memory, bounds) => {
                self.rows.len().min(bounds.late_rows_per_portion)
            }
            Portion::Due => 0,
        };
        let transaction = write::begin(connection)?;
        // First, because it is the rows to be removed or moved that tell them.
        memory.dirty.sort_unstable_by_key(|(_, row)| *row);
        for (id, row) in &memory.dirty {
            // Of one who was forgotten no stream is dirty any more.
            if let Some(user) = memory.users.get(id) {
                write::stream(connection, *id, user, *row)?;
            }
        }
        write::delete_entries(connection, &self.rows[..removed])?;
        for id in &self.archives {
            archive::delete_trimmed(connection, memory, *id)?;
        }
        let excess = memory.recent.saturating_sub(bounds.recent_max);
        let moved = if excess > 0 {
            let count = excess.max(bounds.entries_per_move);
            Some(archive::move_oldest(connection, memory, count)?)
        } else {
            None
        };
        transaction.commit()?;

        for (id, row) in std::mem::take(&mut memory.dirty) {
            let Some(user) = memory.users.get_mut(&id) else { continue };
            if let Some(stream) = user.streams.iter_mut().find(|stream| stream.row == row) {
                stream.dirty = false;
            }
            memory.offer(id);
        }
        self.rows.drain(..removed);
        for id in self.archives.drain(..) {
            memory.user_mut(id).trims_late = false;
            memory.offer(id);
        }
        if let Some(moved) = moved {
            moved.settle(memory, &mut self.rows);
        }
        Ok(())
    }
}
