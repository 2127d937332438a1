//! Who takes each message once, and how far it came.

use super::{DatabaseError, MessageRow, Reader, RowId, Tx, from_sql, messages, to_sql};
use rusqlite::{OptionalExtension, params};

/// A reader as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderRow {
    /// Its name.
    pub reader: String,
    /// The last message that it is done with.
    pub place: RowId,
    /// When it moved last, in Unix milliseconds.
    pub used_at: u64,
}

impl Reader<'_> {
    /// All readers, by name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn readers(&self) -> Result<Vec<ReaderRow>, DatabaseError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT reader, place, used_at FROM readers ORDER BY reader")?;
        let rows = select.query_map((), |row| {
            let place = RowId(row.get(1)?);
            Ok(ReaderRow { reader: row.get(0)?, place, used_at: from_sql(row.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How far a reader came.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn reader(&self, reader: &str) -> Result<Option<RowId>, DatabaseError> {
        let mut select =
            self.connection.prepare_cached("SELECT place FROM readers WHERE reader = ?1")?;
        Ok(select.query_one([reader], |row| row.get(0).map(RowId)).optional()?)
    }

    /// Others' messages after a place, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn incoming_after(
        &self,
        place: RowId,
        limit: usize,
    ) -> Result<Vec<MessageRow>, DatabaseError> {
        self.many(
            &format!(
                "SELECT {} FROM messages WHERE direction = 'in' AND id > ?1 ORDER BY id LIMIT ?2",
                messages::COLUMNS
            ),
            params![place.0, to_sql(limit as u64)],
        )
    }

    /// How many of others' messages stand after a place, counted up to `most`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_incoming_after(&self, place: RowId, most: u64) -> Result<u64, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT count(*) FROM
                 (SELECT 1 FROM messages WHERE direction = 'in' AND id > ?1 LIMIT ?2)",
        )?;
        Ok(select.query_one((place.0, to_sql(most)), |row| row.get(0)).map(from_sql)?)
    }

    /// The place right before the first unread message; the last one's, where none is unread.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn before_unread(&self) -> Result<RowId, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT coalesce((SELECT min(id) - 1 FROM messages WHERE state = 'unread'),
                             (SELECT max(id) FROM messages), 0)",
        )?;
        Ok(select.query_one((), |row| row.get(0).map(RowId))?)
    }
}

impl Reader<'_> {
    /// The place of the newest message.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn newest_message(&self) -> Result<RowId, DatabaseError> {
        let mut select =
            self.connection.prepare_cached("SELECT coalesce(max(id), 0) FROM messages")?;
        Ok(select.query_one((), |row| row.get(0).map(RowId))?)
    }
}

impl Tx<'_> {
    /// A reader is done with messages up to a place; it never goes back.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn move_reader(
        &self,
        reader: &str,
        place: RowId,
        unix_ms: u64,
    ) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached(
                "INSERT INTO readers (reader, place, used_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (reader) DO UPDATE SET place = max(place, ?2), used_at = ?3",
            )?
            .execute(params![reader, place.0, to_sql(unix_ms)])?;
        Ok(())
    }

    /// Forgets a reader. `false`: there was none.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn remove_reader(&self, reader: &str) -> Result<bool, DatabaseError> {
        let gone = self
            .connection
            .prepare_cached("DELETE FROM readers WHERE reader = ?1")?
            .execute([reader])?;
        Ok(gone == 1)
    }
}
