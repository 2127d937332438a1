//! The daemon's memory across restarts: one SQLite file that can be inspected with `sqlite3`.
//!
//! [`Database::write`] runs a closure as one transaction: it is done entirely, and survives a power
//! cut, or it left no trace. [`Database::read`] looks. All SQL of the daemon stands in this module;
//! nothing outside of it sees a row.

mod archive;
mod aside;
mod check;
mod error;
mod events;
pub mod identity;
mod keys;
mod messages;
mod outbox;
mod readers;
mod removal;
mod schema;
mod search;
mod settings;
#[cfg(test)]
mod tests;
mod waiting;

pub use archive::{Kept, Snapshot, UnopenedRow, Waits};
pub use aside::{SET_ASIDE_MAX, SetAside, set_aside_last};
pub use error::{DatabaseError, OpenError};
pub use events::{EventRow, What};
pub use keys::{Contact, DeviceRow, SESSIONS_PER_CONTACT_MAX, SessionRow};
pub use messages::{
    ConversationRow, Direction, Incoming, MessageRow, Outgoing, RowId, Slice, Stretch, UnreadOf,
};
pub use outbox::{Kind, OutboxRow, Queued};
pub use readers::ReaderRow;
pub use removal::{Doomed, REMOVED_MAX, RemovedKey};
pub use search::Wanted;
pub use settings::{Account, Settings, Stored};
pub use waiting::{TAKEN_MAX, UNOPENED_MAX, Waiting};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{fmt, ops::Deref, path::Path, time::Duration};

/// How long to wait for another program (`sqlite3`, a backup) that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Most memory for pages of the file, in KiB: a quarter of what SQLite keeps of what it once read if nobody says. What
/// falls out is in the system's cache of files. docs/PERFORMANCE.md, "Memory of the daemon".
const PAGES_KIB_MAX: i64 = 512;

/// The daemon's database, opened.
pub struct Database {
    connection: Connection,
}

/// A look at the database.
#[derive(Clone, Copy)]
pub struct Reader<'c> {
    connection: &'c Connection,
}

/// A transaction under way. Reads see what it wrote.
pub struct Tx<'c> {
    reader: Reader<'c>,
}

impl Database {
    /// Opens the database at `path`, or makes a new one there. A file that cannot be used is left
    /// as it is, and so is its log.
    ///
    /// # Errors
    /// Says why the file cannot be used, and what to do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::of(path, error);
        if !aside::exists(path) {
            Self::create(path, None)?;
        }
        let connection = Connection::open(path).map_err(failed)?;
        check::write_at_close(&connection, false).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let words = check::check(&connection, path)?;
        let database = Self::prepare(connection, path)?;
        if words == check::Words::Damaged {
            tracing::warn!("the index of words is damaged; it is made anew");
            search::begin_index_anew(&database.connection)
                .map_err(|error| OpenError::unreadable(path, error))?;
        }
        pychat_sqlite::resync_log(&database.connection, path)
            .map_err(|error| OpenError::unsynced(path, error))?;
        check::write_at_close(&database.connection, true).map_err(failed)?;
        Ok(database)
    }

    /// A database that ends with this value, for tests and simulations.
    ///
    /// # Errors
    /// There is no memory.
    pub fn in_memory() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let connection =
            Connection::open_in_memory().map_err(|error| OpenError::of(path, error))?;
        Self::prepare(connection, path)
    }

    /// Goes on with a connection that a former value was made of ([`Self::into_connection`]).
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn from_connection(connection: Connection) -> Result<Self, OpenError> {
        Self::prepare(connection, Path::new("the given connection"))
    }

    /// The connection, for one who keeps it over a simulated crash.
    #[must_use]
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// Looks at what is on disk.
    #[must_use]
    pub fn read(&self) -> Reader<'_> {
        Reader { connection: &self.connection }
    }

    /// Runs `work` as one transaction. `Ok` means that all of it survives a power cut; `Err`, of
    /// `work` or of the disk, that none of it happened.
    ///
    /// # Errors
    /// What `work` returned, or the disk's failure.
    pub fn write<T>(
        &mut self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        self.try_write(work)
    }

    /// As [`Self::write`], for work that can fail for reasons of its own.
    ///
    /// # Errors
    /// What `work` returned, or the disk's failure.
    pub fn try_write<T, E: From<DatabaseError>>(
        &mut self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)
            .map_err(DatabaseError::from)?;
        let done = work(&Tx { reader: Reader { connection: &transaction } })?;
        transaction.commit().map_err(DatabaseError::from)?;
        Ok(done)
    }

    /// Runs `fails` at each commit that writes; one that it fails is rolled back.
    #[cfg(test)]
    pub(crate) fn on_commit(&mut self, fails: impl FnMut() -> bool + Send + 'static) {
        self.connection.commit_hook(Some(fails)).expect("the connection is open");
    }

    /// The disk has room for so many pages, at least those that are used.
    #[cfg(test)]
    pub(crate) fn bound_pages(&mut self, pages: u32) {
        let set = self.connection.pragma_update(None, "max_page_count", pages);
        set.expect("the connection is open");
    }

    fn prepare(mut connection: Connection, path: &Path) -> Result<Self, OpenError> {
        let prepared = connection
            .busy_timeout(BUSY_TIMEOUT)
            .and_then(|()| connection.pragma_update(None, "journal_mode", "WAL"))
            .and_then(|()| connection.pragma_update(None, "synchronous", synchronous()))
            .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
            // A negative number is one of KiB.
            .and_then(|()| connection.pragma_update(None, "cache_size", -PAGES_KIB_MAX))
            .and_then(|()| pychat_sqlite::keep_plans(&connection));
        prepared.map_err(|error| OpenError::of(path, error))?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut connection, path)?;
        let database = Self { connection };
        // What cannot be read at all is told now, not at the first message.
        database.read().stored().map_err(|error| OpenError::unreadable(path, error))?;
        Ok(database)
    }
}

/// A commit is on disk when it returns.
#[cfg(not(feature = "sabotage"))]
const fn synchronous() -> &'static str {
    "FULL"
}

/// A commit is on disk when it returns, or not.
#[cfg(feature = "sabotage")]
fn synchronous() -> &'static str {
    use pychat_proto::sabotage::{Sabotage, is_broken};
    if is_broken(Sabotage::CommitBeforeSync) { "OFF" } else { "FULL" }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database(..)")
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c>;
    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

/// A number as SQLite holds it; what is beyond its range (no real time or count is) becomes the
/// greatest one.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number from SQLite; we write no negative ones.
fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
