//! Texts of ours that wait for keys, and others' texts that no session here opened.

use super::{DatabaseError, Reader, RowId, Tx, from_sql, to_sql};
use pychat_proto::{MessageId, UserName, chat::UnixMillis};
use rusqlite::{OptionalExtension, params};

/// A text that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The text.
    pub message: RowId,
    /// When to give it up, in Unix milliseconds.
    pub expires_at: Option<UnixMillis>,
}

/// Others' texts that could not be opened, in all; beyond it those seen first are forgotten, and were asked
/// for most likely.
pub const UNOPENED_MAX: usize = 1000;

/// Messages that are not texts and were taken, that are remembered: those taken last. They are few, and come
/// twice only after a crash.
pub const TAKEN_MAX: usize = 1000;

impl Reader<'_> {
    /// How many texts wait.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_waiting(&self) -> Result<u64, DatabaseError> {
        let mut count = self.connection.prepare_cached("SELECT count(*) FROM waiting")?;
        Ok(count.query_one((), |row| row.get(0)).map(from_sql)?)
    }

    /// Texts that wait for one recipient's keys, in their order, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn waiting_for(
        &self,
        recipient: &UserName,
        limit: usize,
    ) -> Result<Vec<Waiting>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT message, expires_at FROM waiting WHERE recipient = ?1 ORDER BY message LIMIT ?2",
        )?;
        let rows = select.query_map((recipient.as_str(), to_sql(limit as u64)), |row| {
            let expires_at = row.get::<_, Option<i64>>(1)?.map(from_sql);
            Ok(Waiting { message: RowId(row.get(0)?), expires_at })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many texts wait for one recipient's keys.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_waiting_for(&self, recipient: &UserName) -> Result<u64, DatabaseError> {
        let mut count =
            self.connection.prepare_cached("SELECT count(*) FROM waiting WHERE recipient = ?1")?;
        Ok(count.query_one([recipient.as_str()], |row| row.get(0)).map(from_sql)?)
    }

    /// Whether something waits for a recipient's keys.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_waited_for(&self, recipient: &UserName) -> Result<bool, DatabaseError> {
        let mut exists = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM waiting WHERE recipient = ?1)")?;
        Ok(exists.query_one([recipient.as_str()], |row| row.get(0))?)
    }

    /// Whether a text waits.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_waiting(&self, message: RowId) -> Result<bool, DatabaseError> {
        let mut exists = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM waiting WHERE message = ?1)")?;
        Ok(exists.query_one([message.0], |row| row.get(0))?)
    }

    /// Users whose keys are wanted, for a text of ours or to ask for one of theirs anew, those after
    /// `after` in the order of their names, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn keys_wanted(
        &self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<UserName>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT recipient FROM waiting WHERE recipient > ?1
             UNION SELECT sender FROM unopened WHERE asked < tries AND sender > ?1
             ORDER BY 1 LIMIT ?2",
        )?;
        let after = after.map_or("", UserName::as_str);
        let rows = select
            .query_map((after, to_sql(limit as u64)), |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let parse = |name: &String| name.parse().map_err(|_| DatabaseError::column("recipient"));
        rows.iter().map(parse).collect()
    }

    /// Whether somebody's texts are to be asked for anew.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn has_unopened(&self, sender: &UserName) -> Result<bool, DatabaseError> {
        let mut exists = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM unopened WHERE sender = ?1 AND asked < tries)",
        )?;
        Ok(exists.query_one([sender.as_str()], |row| row.get(0))?)
    }
}

impl Tx<'_> {
    /// A text waits for its recipient's keys.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn wait_for_keys(
        &self,
        message: RowId,
        recipient: &UserName,
        expires_at: Option<UnixMillis>,
    ) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached(
                "INSERT INTO waiting (message, recipient, expires_at) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![message.0, recipient.as_str(), expires_at.map(to_sql)])?;
        Ok(())
    }

    /// A text does not wait any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn stop_waiting(&self, message: RowId) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("DELETE FROM waiting WHERE message = ?1")?
            .execute([message.0])?;
        Ok(())
    }

    /// Texts that wait and were to be given up by `unix_ms`, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn expired_waiting(&self, unix_ms: u64, limit: usize) -> Result<Vec<RowId>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT message FROM waiting WHERE expires_at IS NOT NULL AND expires_at <= ?1
             ORDER BY expires_at LIMIT ?2",
        )?;
        let rows = select
            .query_map((to_sql(unix_ms), to_sql(limit as u64)), |row| row.get(0).map(RowId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Nothing here opened that text. Returns how often that happened.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note_unopened(
        &self,
        sender: &UserName,
        id: MessageId,
        unix_ms: u64,
    ) -> Result<u32, DatabaseError> {
        let tries = self
            .connection
            .prepare_cached(
                "INSERT INTO unopened (sender, message_id, tries, asked, at) VALUES (?1, ?2, 1, 0, ?3)
                 ON CONFLICT (sender, message_id) DO UPDATE SET tries = tries + 1, at = ?3
                 RETURNING tries",
            )?
            .query_one((sender.as_str(), id.to_string(), to_sql(unix_ms)), |row| row.get(0))?;
        self.connection
            .prepare_cached(
                "DELETE FROM unopened WHERE rowid IN
                     (SELECT rowid FROM unopened ORDER BY at DESC LIMIT -1 OFFSET ?1)",
            )?
            .execute([to_sql(UNOPENED_MAX as u64)])?;
        Ok(tries)
    }

    /// Texts of somebody's that are to be asked for anew, at most `limit`; they count as asked for then.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn ask_unopened(
        &self,
        sender: &UserName,
        limit: usize,
    ) -> Result<Vec<MessageId>, DatabaseError> {
        let mut update = self.connection.prepare_cached(
            "UPDATE unopened SET asked = tries WHERE rowid IN
                 (SELECT rowid FROM unopened WHERE sender = ?1 AND asked < tries ORDER BY rowid LIMIT ?2)
             RETURNING message_id",
        )?;
        let ids = update
            .query_map((sender.as_str(), to_sql(limit as u64)), |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let parse = |id: &String| id.parse().map_err(|_| DatabaseError::column("message_id"));
        ids.iter().map(parse).collect()
    }

    /// What we asked `sender` may not have reached it: what is not here yet is asked for again, as long as it
    /// was not asked for `most` times.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn ask_unopened_again(&self, sender: &UserName, most: u32) -> Result<bool, DatabaseError> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE unopened SET tries = tries + 1 WHERE sender = ?1 AND asked = tries AND tries < ?2",
            )?
            .execute((sender.as_str(), most))?;
        Ok(changed > 0)
    }

    /// Texts that were missed before `unix_ms` and did not come since, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn unopened_before(
        &self,
        unix_ms: u64,
        limit: usize,
    ) -> Result<Vec<(UserName, MessageId)>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT sender, message_id FROM unopened WHERE at < ?1 ORDER BY at LIMIT ?2",
        )?;
        let rows = select
            .query_map((to_sql(unix_ms), to_sql(limit as u64)), |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let parse = |(sender, id): &(String, String)| {
            let sender = sender.parse().map_err(|_| DatabaseError::column("sender"))?;
            Ok((sender, id.parse().map_err(|_| DatabaseError::column("message_id"))?))
        };
        rows.iter().map(parse).collect()
    }

    /// A message that is not a text was taken.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note_taken(&self, sender: &UserName, id: MessageId) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO taken (sender, message_id) VALUES (?1, ?2)")?
            .execute((sender.as_str(), id.to_string()))?;
        self.connection
            .prepare_cached(
                "DELETE FROM taken WHERE rowid IN
                     (SELECT rowid FROM taken ORDER BY rowid DESC LIMIT -1 OFFSET ?1)",
            )?
            .execute([to_sql(TAKEN_MAX as u64)])?;
        Ok(())
    }

    /// A text is here after all, or is given up.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn forget_unopened(&self, sender: &UserName, id: MessageId) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("DELETE FROM unopened WHERE sender = ?1 AND message_id = ?2")?
            .execute((sender.as_str(), id.to_string()))?;
        Ok(())
    }

    /// A text of ours is sealed anew. `false`: it was, as often as it may be.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn count_reseal(&self, message: RowId, most: u32) -> Result<bool, DatabaseError> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE messages SET resealed = resealed + 1 WHERE id = ?1 AND resealed < ?2",
            )?
            .execute((message.0, most))?;
        Ok(changed == 1)
    }

    /// Whether somebody's text of that id is here, or what else it was, was taken.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn has_incoming(&self, sender: &UserName, id: MessageId) -> Result<bool, DatabaseError> {
        #[cfg(feature = "sabotage")]
        if pychat_proto::sabotage::is_broken(pychat_proto::sabotage::Sabotage::DropDedup) {
            return Ok(false);
        }
        let mut select = self.connection.prepare_cached(
            "SELECT 1 FROM messages WHERE message_id = ?1 AND sender = ?2 AND direction = 'in'
             UNION ALL SELECT 1 FROM removed WHERE message_id = ?1 AND sender = ?2 AND direction = 'in'
             UNION ALL SELECT 1 FROM taken WHERE message_id = ?1 AND sender = ?2 LIMIT 1",
        )?;
        let found = select.query_one((id.to_string(), sender.as_str()), |_| Ok(()));
        Ok(found.optional()?.is_some())
    }
}
