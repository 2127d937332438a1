//! Messages that are removed from this machine, and what is remembered of them.

use super::{DatabaseError, Reader, RowId, Tx, from_sql, messages, to_sql};
use crate::db::messages::state_of;
use pychat_control::State;
use pychat_proto::{MessageId, UserName};
use rusqlite::{OptionalExtension, params, params_from_iter, types::Value};

/// Removed messages that are remembered: far more than a server that lost its memory gets again of one
/// sender, which keeps 16 MiB.
pub const REMOVED_MAX: usize = 100_000;

/// Which messages are to go: those that all of it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doomed {
    /// Of the conversation with this user.
    pub peer: Option<UserName>,
    /// That came here, or were written here, before this time, in Unix milliseconds.
    pub until: Option<u64>,
    /// With these ids.
    pub ids: Option<Vec<MessageId>>,
    /// Unread ones too.
    pub unread_too: bool,
}

/// A message of ours that was removed and whose key is still taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovedKey {
    /// Its id.
    pub id: MessageId,
    /// Where it was when it was removed.
    pub state: State,
}

impl Doomed {
    /// As SQL, and its parameters.
    fn condition(&self) -> (String, Vec<Value>) {
        let (mut sql, mut values) = ("1".to_owned(), Vec::new());
        if let Some(peer) = &self.peer {
            values.push(Value::from(peer.to_string()));
            sql.push_str(&format!(" AND m.peer = ?{}", values.len()));
        }
        if let Some(until) = self.until {
            values.push(Value::from(to_sql(until)));
            sql.push_str(&format!(" AND {} < ?{}", messages::TIME, values.len()));
        }
        if let Some(ids) = &self.ids {
            let first = values.len() + 1;
            values.extend(ids.iter().map(|id| Value::from(id.to_string())));
            let places: Vec<String> = (first..=values.len()).map(|n| format!("?{n}")).collect();
            sql.push_str(&format!(" AND m.message_id IN ({})", places.join(", ")));
        }
        (sql, values)
    }

    /// What stays although it is named: what is on its way, and what nobody saw.
    const fn stays(&self) -> &'static str {
        if self.unread_too { "m.state = 'queued'" } else { "m.state IN ('queued', 'unread')" }
    }
}

impl Reader<'_> {
    /// How many messages would go, and how many that are named would stay.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_doomed(&self, doomed: &Doomed) -> Result<(u64, u64), DatabaseError> {
        let (condition, values) = doomed.condition();
        let stays = doomed.stays();
        let mut select = self.connection.prepare(&format!(
            "SELECT count(*) FILTER (WHERE NOT ({stays})), count(*) FILTER (WHERE {stays})
             FROM messages AS m WHERE {condition}"
        ))?;
        let counts = select.query_one(params_from_iter(values), |row| {
            Ok((from_sql(row.get(0)?), from_sql(row.get(1)?)))
        })?;
        Ok(counts)
    }

    /// The oldest messages that go, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn doomed(&self, doomed: &Doomed, limit: usize) -> Result<Vec<RowId>, DatabaseError> {
        let (condition, mut values) = doomed.condition();
        values.push(Value::from(to_sql(limit as u64)));
        let (stays, last) = (doomed.stays(), values.len());
        let mut select = self.connection.prepare(&format!(
            "SELECT m.id FROM messages AS m WHERE {condition} AND NOT ({stays}) ORDER BY m.id LIMIT ?{last}"
        ))?;
        let rows = select.query_map(params_from_iter(values), |row| row.get(0).map(RowId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A removed message of ours that was sent with that key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn removed_key(&self, client_key: &str) -> Result<Option<RemovedKey>, DatabaseError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT message_id, state FROM removed WHERE client_key = ?1")?;
        let found = select
            .query_one([client_key], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .optional()?;
        let parse = |(id, state): (String, String)| {
            Ok(RemovedKey {
                id: id.parse().map_err(|_| DatabaseError::column("message_id"))?,
                state: state_of(&state).ok_or_else(|| DatabaseError::column("state"))?,
            })
        };
        found.map(parse).transpose()
    }

    /// Bytes of the file that hold something.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn bytes_used(&self) -> Result<u64, DatabaseError> {
        let pragma = |name| {
            let value = self.connection.pragma_query_value(None, name, |row| row.get(0));
            value.map(from_sql).map_err(DatabaseError::from)
        };
        let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
        Ok(pages.saturating_mul(pragma("page_size")?))
    }
}

impl Tx<'_> {
    /// Removes a message and what happened to it. That it was there is remembered.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn remove_message(&self, row: RowId, unix_ms: u64) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO removed (message_id, sender, direction, state, client_key, at)
                 SELECT message_id, sender, direction, state, client_key, ?2 FROM messages WHERE id = ?1",
            )?
            .execute((row.0, to_sql(unix_ms)))?;
        self.unindex(row)?;
        for sql in [
            "DELETE FROM events WHERE message = ?1",
            // The server may still lose it; then it goes out again.
            "UPDATE outbox SET message = NULL WHERE message = ?1",
            "DELETE FROM messages WHERE id = ?1",
        ] {
            self.connection.prepare_cached(sql)?.execute([row.0])?;
        }
        Ok(())
    }

    /// Forgets what was removed before `before` (Unix milliseconds), and all but the last `most` of the
    /// rest.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn prune_removed(&self, before: u64, most: usize) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("DELETE FROM removed WHERE at < ?1")?
            .execute([to_sql(before)])?;
        self.connection
            .prepare_cached(
                "DELETE FROM removed WHERE (message_id, sender, direction) IN
                     (SELECT message_id, sender, direction FROM removed
                      ORDER BY at DESC LIMIT -1 OFFSET ?1)",
            )?
            .execute(params![to_sql(most as u64)])?;
        Ok(())
    }

    /// What is removed from now on is overwritten in the file too, and not only let go of.
    ///
    /// # Errors
    /// It cannot be set.
    pub fn overwrite_removed(&self, wanted: bool) -> Result<(), DatabaseError> {
        let set = self.connection.pragma_update(None, "secure_delete", wanted);
        Ok(set?)
    }
}
