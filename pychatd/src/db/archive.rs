//! What an archive of a profile takes of the database, and what it puts into a new one.

use super::{
    Contact, Database, DatabaseError, Direction, MessageRow, OpenError, Reader, RowId, Tx, check,
    from_sql,
    keys::CONTACT,
    messages::{COLUMNS, name_of, trust_word},
    schema, to_sql,
};
use pychat_proto::{MessageId, PublicKey, UserName, chat::UnixMillis};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use std::path::Path;

/// A text as an archive keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The text. Its place is of this database only.
    pub row: MessageRow,
    /// The key given to `send`.
    pub client_key: Option<String>,
    /// Whether it is to be sent: the server does not hold it yet, or its recipient asked for it anew.
    pub waits: Option<Waits>,
}

/// A text that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// When to give it up, if it was not handed to the network by then.
    pub expires_at: Option<UnixMillis>,
}

/// Somebody's text that no session here opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnopenedRow {
    /// Whose.
    pub sender: UserName,
    /// Which.
    pub id: MessageId,
    /// How often.
    pub tries: u32,
    /// When last.
    pub at: UnixMillis,
}

/// The database as of one moment, whatever is written meanwhile.
pub struct Snapshot<'c> {
    transaction: Transaction<'c>,
}

impl Snapshot<'_> {
    /// Looks at it.
    #[must_use]
    pub fn read(&self) -> Reader<'_> {
        Reader { connection: &self.transaction }
    }
}

impl Database {
    /// Opens the database beside a daemon that has it open, only to read it.
    ///
    /// # Errors
    /// Says why it cannot be used. One of another version is not: the daemon that has it open is.
    pub fn open_beside(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::of(path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        check::write_at_close(&connection, false).map_err(failed)?;
        connection.busy_timeout(super::BUSY_TIMEOUT).map_err(failed)?;
        let found = schema::version(&connection).map_err(failed)?;
        schema::check_known(path, found)?;
        let known = schema::MIGRATIONS.len() as i64;
        if found < known {
            return Err(OpenError::Older { path: path.to_owned(), found, known });
        }
        Ok(Self { connection })
    }

    /// What is on disk as of now.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>, DatabaseError> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Deferred)?;
        let snapshot = Snapshot { transaction };
        // The first look fixes what all later ones see.
        snapshot.read().settings()?;
        Ok(snapshot)
    }

    /// Ends with everything in the one file, and no log beside it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn close(self) -> Result<(), DatabaseError> {
        // Closing would do it as well, but not tell what fails.
        let row = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), row)?;
        Ok(self.connection.close().map_err(|(_, error)| error)?)
    }
}

impl Reader<'_> {
    /// Whether nothing would be lost with it: no user, and no text.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_unused(&self) -> Result<bool, DatabaseError> {
        let texts: bool =
            self.connection
                .query_row("SELECT EXISTS (SELECT 1 FROM messages)", (), |row| row.get(0))?;
        Ok(!texts && self.settings()?.account.is_none())
    }

    /// All whom we know, at any server.
    ///
    /// # Errors
    /// The database cannot be read, or those of `each`.
    pub fn each_contact<E: From<DatabaseError>>(
        &self,
        mut each: impl FnMut(PublicKey, Contact) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!("SELECT {CONTACT}, server FROM contacts ORDER BY server, user");
        let mut select = self.connection.prepare(&sql).map_err(DatabaseError::from)?;
        let mut rows = select.query(()).map_err(DatabaseError::from)?;
        while let Some(row) = rows.next().map_err(DatabaseError::from)? {
            let contact = Contact::read(row).map_err(DatabaseError::from)??;
            let server = row.get("server").map_err(DatabaseError::from)?;
            each(PublicKey(server), contact)?;
        }
        Ok(())
    }

    /// All of others' texts that no session here opened.
    ///
    /// # Errors
    /// The database cannot be read, or those of `each`.
    pub fn each_unopened<E: From<DatabaseError>>(
        &self,
        mut each: impl FnMut(UnopenedRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut select = self
            .connection
            .prepare("SELECT sender, message_id, tries, at FROM unopened ORDER BY rowid")
            .map_err(DatabaseError::from)?;
        let mut rows = select.query(()).map_err(DatabaseError::from)?;
        while let Some(row) = rows.next().map_err(DatabaseError::from)? {
            each(UnopenedRow::read(row)?)?;
        }
        Ok(())
    }

    /// All texts, oldest first.
    ///
    /// # Errors
    /// The database cannot be read, or those of `each`.
    pub fn each_message<E: From<DatabaseError>>(
        &self,
        mut each: impl FnMut(Kept) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut select = self.connection.prepare(&kept_sql()).map_err(DatabaseError::from)?;
        let mut rows = select.query(()).map_err(DatabaseError::from)?;
        while let Some(row) = rows.next().map_err(DatabaseError::from)? {
            each(Kept::read(row)?)?;
        }
        Ok(())
    }
}

/// A text that was handed to the network does not expire any more.
fn kept_sql() -> String {
    format!(
        "SELECT {COLUMNS}, client_key,
             state = 'queued'
                 OR EXISTS (SELECT 1 FROM waiting WHERE waiting.message = m.id)
                 OR EXISTS (SELECT 1 FROM outbox WHERE outbox.message = m.id
                            AND committed_at IS NULL AND given_up = 0) AS waits,
             coalesce(
                 (SELECT expires_at FROM waiting WHERE waiting.message = m.id),
                 (SELECT max(expires_at) FROM outbox WHERE outbox.message = m.id
                  AND committed_at IS NULL AND given_up = 0 AND tried = 0)) AS expires_at
         FROM messages AS m ORDER BY id"
    )
}

impl Kept {
    fn read(row: &rusqlite::Row<'_>) -> Result<Self, DatabaseError> {
        let message = MessageRow::read(row)??;
        let is_ours = message.direction == Direction::Out;
        let waits = row.get::<_, bool>("waits")? && is_ours;
        let expires_at = row.get::<_, Option<i64>>("expires_at")?.map(from_sql);
        Ok(Self {
            row: message,
            client_key: row.get("client_key")?,
            waits: waits.then_some(Waits { expires_at }),
        })
    }
}

impl UnopenedRow {
    fn read(row: &rusqlite::Row<'_>) -> Result<Self, DatabaseError> {
        let (sender, id): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(Self {
            sender: sender.parse().map_err(|_| DatabaseError::column("sender"))?,
            id: id.parse().map_err(|_| DatabaseError::column("message_id"))?,
            tries: row.get(2)?,
            at: from_sql(row.get(3)?),
        })
    }
}

impl Tx<'_> {
    /// Stores a text as it was elsewhere, after those that are here; if it is to be sent, it waits until
    /// it can be sealed.
    ///
    /// # Errors
    /// It cannot be written, or a text of that id and direction is here.
    pub fn insert_kept(&self, kept: &Kept) -> Result<RowId, DatabaseError> {
        let Kept { row, client_key, waits } = kept;
        let (direction, peer) = match row.direction {
            Direction::In => ("in", &row.sender),
            Direction::Out => ("out", &row.recipient),
        };
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO messages (direction, message_id, sender, recipient, peer, sender_name, body,
                                   sent_at, received_at, state, refused_code, reason, client_key, trust)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        let place = RowId(insert.insert(params![
            direction,
            row.id.to_string(),
            row.sender.as_str(),
            row.recipient.as_str(),
            peer.as_str(),
            row.sender_name,
            row.body,
            to_sql(row.sent_at),
            row.received_at.map(to_sql),
            name_of(row.state),
            row.refused_code,
            row.reason,
            client_key,
            row.trust.map(trust_word),
        ])?);
        if let Some(Waits { expires_at }) = waits {
            self.wait_for_keys(place, &row.recipient, *expires_at)?;
        }
        Ok(place)
    }

    /// Stores that a text could not be opened elsewhere; it is asked for from here.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn insert_unopened(&self, row: &UnopenedRow) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached(
                "INSERT INTO unopened (sender, message_id, tries, asked, at)
                 VALUES (?1, ?2, ?3, 0, ?4)",
            )?
            .execute(params![
                row.sender.as_str(),
                row.id.to_string(),
                row.tries.max(1),
                to_sql(row.at),
            ])?;
        Ok(())
    }
}
