//! What happened: a message's life for `trace`, and the cursor of subscribers.

use super::{DatabaseError, Reader, RowId, Tx, from_sql, to_sql};
use pychat_control::State;
use rusqlite::{OptionalExtension, Row, params};

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Written to our disk.
    Queued,
    /// Handed to the network. For `trace` only: subscribers are not told.
    Sent,
    /// The server holds it.
    Accepted,
    /// The recipient's disk holds it.
    Delivered,
    /// Shown to the person: ours to the recipient, or another's here.
    Read,
    /// The server refused it.
    Refused,
    /// Taken back.
    Cancelled,
    /// Given up.
    Expired,
    /// Another's message arrived.
    Received,
    /// The recipient could not open it: it goes out again, sealed anew. For `trace` only.
    Resealed,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Ascending, never used again.
    pub cursor: u64,
    /// When, in Unix milliseconds.
    pub at: u64,
    /// To which message.
    pub message: RowId,
    /// What.
    pub what: What,
    /// More, for a person.
    pub detail: Option<String>,
}

impl What {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Queued, "queued"),
        (Self::Sent, "sent"),
        (Self::Accepted, "accepted"),
        (Self::Delivered, "delivered"),
        (Self::Read, "read"),
        (Self::Refused, "refused"),
        (Self::Cancelled, "cancelled"),
        (Self::Expired, "expired"),
        (Self::Received, "received"),
        (Self::Resealed, "resealed"),
    ];

    /// The word for it, as in `trace`.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(what, _)| *what == self).map_or("", |(_, word)| word)
    }

    /// The state that a message of ours reached by it.
    #[must_use]
    pub const fn state(self) -> Option<State> {
        match self {
            Self::Queued => Some(State::Queued),
            Self::Accepted => Some(State::Accepted),
            Self::Delivered => Some(State::Delivered),
            Self::Read => Some(State::Read),
            Self::Refused => Some(State::Refused),
            Self::Cancelled => Some(State::Cancelled),
            Self::Expired => Some(State::Expired),
            Self::Sent | Self::Received | Self::Resealed => None,
        }
    }
}

impl EventRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Result<Self, DatabaseError>> {
        let word: String = row.get(3)?;
        let what = What::ALL.iter().find(|(_, of)| *of == word).map(|(what, _)| *what);
        let Some(what) = what else {
            return Ok(Err(DatabaseError::column("what")));
        };
        Ok(Ok(Self {
            cursor: from_sql(row.get(0)?),
            at: from_sql(row.get(1)?),
            message: RowId(row.get(2)?),
            what,
            detail: row.get(4)?,
        }))
    }
}

impl Reader<'_> {
    /// The last event that was written; 0 if there was none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last_event(&self) -> Result<u64, DatabaseError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?;
        Ok(select.query_one((), |row| row.get(0)).optional()?.map_or(0, from_sql))
    }

    /// The first event that is still kept; the one after the last, if none is.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn first_event(&self) -> Result<u64, DatabaseError> {
        let first: Option<i64> = self
            .connection
            .prepare_cached("SELECT min(id) FROM events")?
            .query_one((), |row| row.get(0))?;
        first.map_or_else(|| Ok(self.last_event()? + 1), |first| Ok(from_sql(first)))
    }

    /// Events after a cursor, in order, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn events_after(&self, cursor: u64, limit: usize) -> Result<Vec<EventRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, at, message, what, detail FROM events WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let rows = select.query_map((to_sql(cursor), to_sql(limit as u64)), EventRow::read)?;
        rows.map(|row| row?).collect()
    }

    /// All that is known of a message's life, in order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn events_of(&self, message: RowId) -> Result<Vec<EventRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, at, message, what, detail FROM events WHERE message = ?1 ORDER BY id",
        )?;
        let rows = select.query_map([message.0], EventRow::read)?;
        rows.map(|row| row?).collect()
    }
}

impl Tx<'_> {
    /// Adds an event and returns its cursor.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add_event(
        &self,
        at: u64,
        message: RowId,
        what: What,
        detail: Option<&str>,
    ) -> Result<u64, DatabaseError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO events (at, message, what, detail) VALUES (?1, ?2, ?3, ?4)",
        )?;
        let id = insert.insert(params![to_sql(at), message.0, what.word(), detail])?;
        Ok(from_sql(id))
    }

    /// Removes all but the newest `keep` events.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn prune_events(&self, keep: u64) -> Result<(), DatabaseError> {
        let last = self.last_event()?;
        self.connection
            .prepare_cached("DELETE FROM events WHERE id <= ?1")?
            .execute([to_sql(last.saturating_sub(keep))])?;
        Ok(())
    }
}
