//! Records on their way to the server, and those that it took lately.
//!
//! Rows cover the record numbers densely, but for what was pruned: a number is never used twice in
//! one stream, and a row that was given up keeps its place until the server has moved past it.

use super::{DatabaseError, Reader, RowId, Tx, from_sql, to_sql};
use pychat_proto::Seq;
use rusqlite::{OptionalExtension, Row, params};

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody's text; has a message.
    Text,
    /// A receipt that texts were read.
    Receipt,
}

/// A row to be added.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Its first record.
    pub first: Seq,
    /// Its last record.
    pub last: Seq,
    /// The text's message; none for a receipt.
    pub message: Option<RowId>,
    /// An encoded `chat::ToServer`.
    pub payload: Vec<u8>,
    /// It will be handed to the network as soon as this is on disk.
    pub tried: bool,
    /// When to give it up, in Unix milliseconds, if it was not tried by then.
    pub expires_at: Option<u64>,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its first record.
    pub first: Seq,
    /// Its last record.
    pub last: Seq,
    /// The text's message; none for a receipt.
    pub message: Option<RowId>,
    /// An encoded `chat::ToServer`; empty once it was given up.
    pub payload: Vec<u8>,
    /// It was, or may have been, handed to the network.
    pub tried: bool,
    /// It was refused, cancelled or has expired: the server is told to move on.
    pub given_up: bool,
    /// The server holds it.
    pub committed: bool,
}

impl OutboxRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            first: Seq(from_sql(row.get(0)?)),
            last: Seq(from_sql(row.get(1)?)),
            message: row.get::<_, Option<i64>>(2)?.map(RowId),
            payload: row.get(3)?,
            tried: row.get(4)?,
            given_up: row.get(5)?,
            committed: row.get(6)?,
        })
    }
}

const COLUMNS: &str =
    "first_seq, last_seq, message, payload, tried, given_up, committed_at IS NOT NULL";

impl Reader<'_> {
    /// How many texts in the outbox the server does not hold yet and were not given up.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_queued(&self) -> Result<u64, DatabaseError> {
        let mut count = self.connection.prepare_cached(
            "SELECT count(*) FROM outbox
             WHERE committed_at IS NULL AND given_up = 0 AND message IS NOT NULL",
        )?;
        Ok(count.query_one((), |row| row.get(0)).map(from_sql)?)
    }

    /// Rows that begin after record `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn outbox_after(&self, after: Seq, limit: usize) -> Result<Vec<OutboxRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE first_seq > ?1 ORDER BY first_seq LIMIT ?2"
        ))?;
        let rows = select.query_map((to_sql(after.0), to_sql(limit as u64)), OutboxRow::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Rows that the server does not hold yet, in order, at most `limit`, from record `from` on.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn outbox_uncommitted(
        &self,
        from: Seq,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE first_seq >= ?1 AND committed_at IS NULL
             ORDER BY first_seq LIMIT ?2"
        ))?;
        let rows = select.query_map((to_sql(from.0), to_sql(limit as u64)), OutboxRow::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The row that ends with record `last`, or holds it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn outbox_at(&self, record: Seq) -> Result<Option<OutboxRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1"
        ))?;
        let row = select.query_one([to_sql(record.0)], OutboxRow::read).optional()?;
        Ok(row.filter(|row| row.last >= record))
    }

    /// The row of a message; the latest one, where it was sealed anew.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn outbox_of(&self, message: RowId) -> Result<Option<OutboxRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE message = ?1 ORDER BY first_seq DESC LIMIT 1"
        ))?;
        Ok(select.query_one([message.0], OutboxRow::read).optional()?)
    }

    /// When the next row is to be given up, in Unix milliseconds.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn next_expiry(&self) -> Result<Option<u64>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT min(at) FROM
                 (SELECT min(expires_at) AS at FROM outbox
                  WHERE expires_at IS NOT NULL AND tried = 0 AND given_up = 0
                  UNION ALL SELECT min(expires_at) FROM waiting WHERE expires_at IS NOT NULL)",
        )?;
        Ok(select.query_one((), |row| row.get::<_, Option<i64>>(0))?.map(from_sql))
    }

    /// Rows that were to be given up by `unix_ms`, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn expired(&self, unix_ms: u64, limit: usize) -> Result<Vec<OutboxRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox
             WHERE expires_at IS NOT NULL AND tried = 0 AND given_up = 0 AND expires_at <= ?1
             ORDER BY expires_at LIMIT ?2"
        ))?;
        let rows = select.query_map((to_sql(unix_ms), to_sql(limit as u64)), OutboxRow::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Adds a row at the end.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn enqueue(&self, row: &Queued) -> Result<(), DatabaseError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO outbox (first_seq, last_seq, message, kind, payload, tried, given_up, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
        )?;
        insert.execute(params![
            to_sql(row.first.0),
            to_sql(row.last.0),
            row.message.map(|message| message.0),
            if row.message.is_some() { "text" } else { "receipt" },
            row.payload,
            row.tried,
            row.expires_at.map(to_sql),
        ])?;
        Ok(())
    }

    /// The row that begins with record `first` is about to be handed to the network.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn mark_tried(&self, first: Seq) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("UPDATE outbox SET tried = 1 WHERE first_seq = ?1")?
            .execute([to_sql(first.0)])?;
        Ok(())
    }

    /// The row that begins with record `first` will not be sent (again); its place is kept.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn give_up(&self, first: Seq) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("UPDATE outbox SET given_up = 1, payload = x'' WHERE first_seq = ?1")?
            .execute([to_sql(first.0)])?;
        Ok(())
    }

    /// The server holds the row that begins with record `first`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn mark_committed(&self, first: Seq, unix_ms: u64) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("UPDATE outbox SET committed_at = ?2 WHERE first_seq = ?1")?
            .execute((to_sql(first.0), to_sql(unix_ms)))?;
        Ok(())
    }

    /// The server forgot what came after record `after`: it is all to be sent again.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn uncommit_after(&self, after: Seq) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("UPDATE outbox SET committed_at = NULL WHERE last_seq > ?1")?
            .execute([to_sql(after.0)])?;
        Ok(())
    }

    /// Begins a new stream: what the server does not hold yet, and was not given up, is numbered
    /// densely from 1, in its order; everything else is removed. Returns the next free number.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn renumber(&self) -> Result<Seq, DatabaseError> {
        self.connection
            .execute("DELETE FROM outbox WHERE committed_at IS NOT NULL OR given_up = 1", ())?;
        // The numbers may overlap with the old ones: by way of negative ones.
        self.connection.execute_batch(
            "UPDATE outbox SET first_seq = -new.first, last_seq = new.first + outbox.last_seq - outbox.first_seq
             FROM (SELECT first_seq AS old,
                          1 + coalesce(sum(last_seq - first_seq + 1) OVER (
                              ORDER BY first_seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS first
                   FROM outbox) AS new
             WHERE outbox.first_seq = new.old;
             UPDATE outbox SET first_seq = -first_seq;",
        )?;
        let last: Option<i64> =
            self.connection.query_one("SELECT max(last_seq) FROM outbox", (), |row| row.get(0))?;
        Ok(Seq(last.map_or(0, from_sql)).next())
    }

    /// Removes all rows.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn clear_outbox(&self) -> Result<(), DatabaseError> {
        self.connection.execute("DELETE FROM outbox", ())?;
        Ok(())
    }

    /// Removes rows that the server took before `before` (Unix milliseconds), and the oldest of those
    /// that it took, so that they hold at most `bytes_max`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn prune_outbox(&self, before: u64, bytes_max: u64) -> Result<(), DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT last_seq, length(payload), committed_at FROM outbox
             WHERE committed_at IS NOT NULL ORDER BY first_seq DESC",
        )?;
        let mut rows = select.query(())?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += from_sql(row.get(1)?);
            let too_old = from_sql(row.get(2)?) < before;
            if bytes > bytes_max || too_old {
                self.connection
                    .prepare_cached(
                        "DELETE FROM outbox WHERE last_seq <= ?1 AND committed_at IS NOT NULL",
                    )?
                    .execute([row.get::<_, i64>(0)?])?;
                break;
            }
        }
        Ok(())
    }
}
