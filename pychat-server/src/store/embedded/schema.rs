//! The file's layout: tables, versions, and the pragmas that every connection needs.

use super::OpenError;
use rusqlite::{Connection, ErrorCode, ffi};

/// Marks a file as ours in SQLite's header: "PYCM", PyChat mailboxes.
const APPLICATION_ID: i32 = 0x5059_434d;

/// One step per schema version; a file's `user_version` says how many were taken. Steps are
/// appended, never changed.
///
/// Entries lie in the order of their arrival (`seq` is the rowid) without a secondary index, because
/// that is three to eight times faster to write than any order by mailbox; the index by mailbox
/// lives in memory. Old rows move, sorted, to `archive`, which is keyed by mailbox.
///
/// `entries.stream` and `entries.last` carry the sender's position, so that an append writes nothing
/// else; `streams.position` is brought up to date before such a row goes.
const MIGRATIONS: [&str; 4] = [
    "
    CREATE TABLE users(
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        reserved INTEGER NOT NULL,          -- no cursor above it was ever handed out
        archived INTEGER NOT NULL,          -- highest cursor in archive, 0 for none
        archived_entries INTEGER NOT NULL,  -- of those, how many count against the quota
        archived_bytes INTEGER NOT NULL,
        key BLOB,                           -- the account; NULL while nobody claimed the name
        display TEXT,
        since INTEGER
    ) STRICT;
    CREATE TABLE streams(
        id INTEGER PRIMARY KEY,
        user INTEGER NOT NULL,
        stream BLOB NOT NULL,
        position INTEGER NOT NULL,          -- at least this; rows of entries may know more
        used INTEGER NOT NULL               -- entries.seq when it was last moved
    ) STRICT;
    CREATE TABLE entries(
        seq INTEGER PRIMARY KEY,
        mailbox INTEGER NOT NULL,
        cursor INTEGER NOT NULL,
        stream INTEGER,                     -- NULL: from the server, beyond the quota
        last INTEGER,
        entry BLOB NOT NULL
    ) STRICT;
    CREATE TABLE archive(
        mailbox INTEGER NOT NULL,
        cursor INTEGER NOT NULL,
        counted INTEGER NOT NULL,
        entry BLOB NOT NULL,
        PRIMARY KEY(mailbox, cursor)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Users are loaded one by one. Moving a stream does not touch it.
    CREATE INDEX streams_by_user ON streams(user);
",
    "
    CREATE TABLE keys(
        user INTEGER PRIMARY KEY,
        device BLOB NOT NULL,               -- as published last
        fallback BLOB NOT NULL,
        next INTEGER NOT NULL,              -- the lowest number that a new one-time key may have
        prekeys BLOB NOT NULL               -- one-time keys that are left, each behind its length (a byte)
    ) STRICT;
",
    "
    ALTER TABLE users ADD COLUMN display_set INTEGER NOT NULL DEFAULT 0; -- by the operator: logins do not change it
    ALTER TABLE users ADD COLUMN purged INTEGER NOT NULL DEFAULT 0;      -- entries up to this cursor are gone for good
    CREATE TABLE bans(
        name TEXT PRIMARY KEY,
        reason TEXT NOT NULL,               -- what the user is told
        since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE invites(
        code TEXT PRIMARY KEY,
        uses INTEGER,                       -- how many more may use it, NULL for any number
        expires_at INTEGER,
        note TEXT NOT NULL,                 -- for the operator
        made_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
];

/// How long a commit waits for another program that holds the file, an operator's `sqlite3` say.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

/// SQLite's page cache.
const CACHE_KIB: i64 = 4 * 1024;

/// More than the engine has statements, so that each is prepared once.
const STATEMENTS_CACHED: usize = 32;

/// Checks that the file is ours and of a version that we know, and brings it up to date. A file that
/// is refused was not written to.
pub(super) fn prepare(connection: &Connection) -> Result<(), OpenError> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(refused)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    let found = check(connection)?;
    set_pragmas(connection)?;
    migrate(connection, found).map_err(refused)
}

/// Checks that the file is ours, that there is something in it, and that we know its version.
/// Nothing is written.
pub(super) fn check_ours(connection: &Connection) -> Result<(), OpenError> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(refused)?;
    match check(connection)? {
        0 => Err(OpenError::Damaged("there is nothing in it".into())),
        _ => Ok(()),
    }
}

/// As [`check_ours`], and that the file is of today's version.
pub(super) fn check_current(connection: &Connection) -> Result<(), OpenError> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(refused)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    match check(connection)? {
        0 => Err(OpenError::Damaged("there is nothing in it".into())),
        found if found == MIGRATIONS.len() => Ok(()),
        found => Err(OpenError::Older { found: found as i64, known: MIGRATIONS.len() as i64 }),
    }
}

/// How many migrations the file has seen.
fn check(connection: &Connection) -> Result<usize, OpenError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(refused);
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_master")?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != i64::from(APPLICATION_ID) {
        return Err(OpenError::Foreign);
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(OpenError::Newer { found: version, known: MIGRATIONS.len() as i64 }),
    }
}

fn set_pragmas(connection: &Connection) -> Result<(), OpenError> {
    let journal: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(refused)?;
    if !matches!(journal.as_str(), "wal" | "memory") {
        return Err(OpenError::NoWal);
    }
    // FULL: a commit is on disk when it returns. The two `fullfsync` mean something on macOS only,
    // where fsync alone stops at the drive's cache.
    for (pragma, value) in [
        ("synchronous", synchronous()),
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
        ("temp_store", 2),
        ("cache_size", -CACHE_KIB),
        // SQLite's own checkpoints, until a thread takes them over.
        ("wal_autocheckpoint", 1000),
    ] {
        connection.pragma_update(None, pragma, value).map_err(refused)?;
    }
    Ok(())
}

/// FULL.
#[cfg(not(feature = "sabotage"))]
const fn synchronous() -> i64 {
    2
}

/// FULL, or OFF.
#[cfg(feature = "sabotage")]
fn synchronous() -> i64 {
    use pychat_proto::sabotage::{Sabotage, is_broken};
    if is_broken(Sabotage::CommitBeforeSync) { 0 } else { 2 }
}

fn migrate(connection: &Connection, found: usize) -> rusqlite::Result<()> {
    if found == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    for step in &MIGRATIONS[found..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()
}

/// A file as the first so many migrations made it.
#[cfg(test)]
pub(super) fn of_version(version: usize) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    MIGRATIONS[..version].iter().for_each(|step| connection.execute_batch(step).unwrap());
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", version as i64).unwrap();
    connection
}

/// How many migrations there are.
#[cfg(test)]
pub(super) const VERSIONS: usize = MIGRATIONS.len();

/// Why SQLite did not open the file.
pub(super) fn refused(error: rusqlite::Error) -> OpenError {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    if extended == Some(ffi::SQLITE_IOERR_SHORT_READ) {
        // Not the disk failed, but the file ends too early.
        return OpenError::Damaged(format!("it is cut off: {error}"));
    }
    if let rusqlite::Error::SqlInputError { .. } = error {
        // Our statements are right: where they make no sense, the file's tables are to blame.
        return OpenError::Damaged(error.to_string());
    }
    match error.sqlite_error_code() {
        // `Unknown` is SQLite's plain ERROR: a statement of ours, which is right, makes no sense in
        // this file.
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
            OpenError::Damaged(error.to_string())
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse,
        _ => OpenError::Sqlite(error),
    }
}
