//! The write-ahead log that a killed program left behind.

use rusqlite::Connection;
use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, Write},
    path::{Path, PathBuf},
};

/// Bytes rewritten at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Why the log may not be durable. Nothing that it says must be told to anybody.
#[derive(Debug, thiserror::Error)]
pub enum ResyncError {
    /// SQLite does not let us write.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The log's file could not be written again.
    #[error("{path}: {source}", path = path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes durable what the log of the database at `path` says. To be called once after opening,
/// before anything that was read is told to anybody.
///
/// A program that was killed between writing to the log and syncing it leaves a transaction that the
/// next program reads as committed, though a power cut can still take it away; and after a failed
/// sync, Linux shows what never reached the disk and calls the next sync a success. So each byte is
/// written again, and synced. No other program writes meanwhile: this takes SQLite's write lock.
///
/// # Errors
/// See [`ResyncError`].
pub fn resync_log(connection: &Connection, path: &Path) -> Result<(), ResyncError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    let path = PathBuf::from(name);
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let rewritten = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(mut log) => rewrite(&mut log).and_then(|()| log.sync_all()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    connection.execute_batch("ROLLBACK")?;
    rewritten.map_err(|source| ResyncError::Log { path, source })
}

/// Writes what is there over itself.
fn rewrite(log: &mut File) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let at = log.stream_position()?;
        let count = match log.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        log.seek(io::SeekFrom::Start(at))?;
        log.write_all(&chunk[..count])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection
    }

    #[test]
    fn a_log_is_the_same_afterwards_and_the_database_works() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let connection = open(&path);
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(b)").unwrap();
        // More than a chunk, and not a multiple of one.
        for _ in 0..3 {
            connection.execute("INSERT INTO t VALUES (zeroblob(150001))", []).unwrap();
        }
        let log = directory.path().join("test.db-wal");
        let before = fs::read(&log).unwrap();
        assert!(before.len() > CHUNK_BYTES && !before.len().is_multiple_of(CHUNK_BYTES));
        resync_log(&connection, &path).unwrap();
        assert_eq!(fs::read(&log).unwrap(), before);
        connection.execute("INSERT INTO t VALUES (1)", []).unwrap();
        let count: i64 = connection.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap();
        assert_eq!(count, 4);
    }

    #[test]
    fn without_a_log_there_is_nothing_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE t(b)").unwrap();
        resync_log(&connection, &path).unwrap();
    }

    #[test]
    fn while_another_program_writes_it_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let (one, other) = (open(&path), open(&path));
        one.execute_batch("CREATE TABLE t(b); BEGIN IMMEDIATE").unwrap();
        other.busy_timeout(std::time::Duration::ZERO).unwrap();
        let error = resync_log(&other, &path).expect_err("another one holds the lock");
        assert!(matches!(error, ResyncError::Sqlite(_)), "{error}");
    }

    #[test]
    fn a_log_that_cannot_be_written_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let connection = open(&path);
        connection.execute_batch("CREATE TABLE t(b)").unwrap();
        let log = directory.path().join("elsewhere.db-wal");
        fs::create_dir(&log).unwrap();
        let error = resync_log(&connection, &directory.path().join("elsewhere.db"));
        let error = error.expect_err("a directory is no log").to_string();
        assert!(error.contains("elsewhere.db-wal"), "{error}");
    }
}
