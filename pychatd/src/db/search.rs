//! The index of words, and search in it. Messages come into the index some time after they were stored, many at a
//! time, as that costs a fraction of one by one.

use super::{DatabaseError, MessageRow, Reader, RowId, Tx, from_sql, messages, to_sql};
use crate::words::{Query, words};
use pychat_proto::UserName;
use rusqlite::{Connection, OptionalExtension, params};

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Words.
    pub query: Query,
    /// Only in the conversation with this user.
    pub peer: Option<UserName>,
    /// Only what this user wrote.
    pub sender: Option<UserName>,
    /// Only what came here, or was written here, at this time or later, in Unix milliseconds.
    pub since: Option<u64>,
    /// Only what did so earlier.
    pub until: Option<u64>,
    /// Only what stands before this one.
    pub before: Option<RowId>,
    /// At most this many.
    pub limit: usize,
}

impl Reader<'_> {
    /// Messages that match, newest first. Those that are not in the index yet are not looked at.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn search(&self, wanted: &Wanted) -> Result<Vec<MessageRow>, DatabaseError> {
        let mut asked = wanted.query.to_fts5("body");
        for (sign, user) in [("p", &wanted.peer), ("f", &wanted.sender)] {
            if let Some(user) = user {
                asked.push_str(&format!(" AND who : \"{sign}:{user}\""));
            }
        }
        let columns = messages::columns_of("m");
        let (time, twice) = (messages::TIME, messages::TWICE);
        self.many(
            &format!(
                "SELECT {columns} FROM search CROSS JOIN messages AS m ON m.id = search.rowid
                 WHERE search MATCH ?1 AND search.rowid < ?2
                 AND (?3 IS NULL OR {time} >= ?3) AND (?4 IS NULL OR {time} < ?4) AND NOT ({twice})
                 ORDER BY search.rowid DESC LIMIT ?5"
            ),
            params![
                asked,
                wanted.before.map_or(i64::MAX, |row| row.0),
                wanted.since.map(to_sql),
                wanted.until.map(to_sql),
                to_sql(wanted.limit as u64),
            ],
        )
    }

    /// How many messages are not in the index yet, at most: removed ones may count.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn unindexed(&self) -> Result<u64, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT coalesce((SELECT max(id) FROM messages), 0)
                  - coalesce((SELECT indexed FROM search_state), 0)",
        )?;
        Ok(select.query_one((), |row| row.get(0)).map(from_sql)?)
    }
}

impl Tx<'_> {
    /// Takes the next messages into the index, at most `limit`. Returns how many it took.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn index_messages(&self, limit: usize) -> Result<usize, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, body, peer, sender FROM messages
             WHERE id > (SELECT indexed FROM search_state) ORDER BY id LIMIT ?1",
        )?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO search (rowid, body, who) VALUES (?1, ?2, ?3)")?;
        let mut rows = select.query([to_sql(limit as u64)])?;
        let (mut taken, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let (body, peer, sender): (String, String, String) =
                (row.get(1)?, row.get(2)?, row.get(3)?);
            insert.execute((id, spaced(&body), format!("p:{peer} f:{sender}")))?;
            (taken, last) = (taken + 1, Some(id));
        }
        if let Some(last) = last {
            self.connection
                .prepare_cached("UPDATE search_state SET indexed = ?1")?
                .execute([last])?;
        }
        Ok(taken)
    }

    /// Takes a message out of the index.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn unindex(&self, row: RowId) -> Result<(), DatabaseError> {
        self.connection.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([row.0])?;
        Ok(())
    }

    /// Begins the index anew: it is damaged, and all that it says stands in the messages too.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin_index_anew(&self) -> Result<(), DatabaseError> {
        begin_index_anew(self.connection)
    }
}

pub(super) fn begin_index_anew(connection: &Connection) -> Result<(), DatabaseError> {
    let made: Option<String> = connection
        .query_one("SELECT sql FROM sqlite_schema WHERE name = 'search'", (), |row| row.get(0))
        .optional()?;
    let made = made.ok_or_else(|| DatabaseError::Damaged("there is no index of words".into()))?;
    connection.execute_batch("DROP TABLE search")?;
    connection.execute_batch(&made)?;
    connection.execute("UPDATE search_state SET indexed = 0", ())?;
    Ok(())
}

/// A text as the index takes it: its words between spaces.
fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + 8);
    for word in words(text) {
        spaced.push_str(&word.form);
        spaced.push(' ');
    }
    spaced
}
