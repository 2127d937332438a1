//! A backup of a running server: one file with the store as of one moment, and the keys.

use crate::identity::{self, DataError, STORE_FILE};
use pychat_proto::{SecretKey, ServerSecrets};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// Pages copied at a time; between two such portions others may have the processor.
const PAGES_PER_STEP: i32 = 256;

/// Where the keys are in a backup. The server's own store has no such table.
const KEYS_TABLE: &str =
    "CREATE TABLE backup_keys(identity BLOB NOT NULL, reset BLOB NOT NULL) STRICT";

/// Why there is no backup, or why it was not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store cannot be read, or the copy not written.
    #[error("copying the store to {}: {source}", path.display())]
    Copy {
        /// Where to or from.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The copy is not what it should be.
    #[error("{} is damaged: {found}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// Not made by `admin backup`.
    #[error("{} is no backup of a pychat-server", .0.display())]
    Foreign(PathBuf),
    /// There is a server in the directory already.
    #[error("{} is not empty: a backup is restored only into an empty directory", .0.display())]
    NotEmpty(PathBuf),
    /// The keys cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl BackupError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Exists(_) => "name a new file; nothing is overwritten",
            Self::File { .. } | Self::Copy { .. } => {
                "the server's user must be able to write there: with the systemd unit, \
                 /var/lib/pychat-server is such a place; see to the room on the disk, too"
            }
            Self::Damaged { .. } => "take another backup; see to the disk",
            Self::Foreign(_) => "name a file that pychat-server admin backup has made",
            Self::NotEmpty(_) => "name another directory with --data, or move that one away",
            Self::Data(_) => "see the directory's permissions",
        }
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |source| BackupError::File { path: path.to_owned(), source }
}

fn copying(path: &Path) -> impl Fn(rusqlite::Error) -> BackupError {
    move |source| BackupError::Copy { path: path.to_owned(), source }
}

/// Copies the store in `data`, which its server may have open, and the keys into a new file, which is
/// complete and checked once it is there. Answers its bytes.
///
/// # Errors
/// See [`BackupError`]; nothing is left behind.
pub fn make(data: &Path, file: &Path) -> Result<u64, BackupError> {
    let secrets = identity::read(data)?;
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let unfinished = with(file, ".unfinished");
    // For its owner alone before anything is in it.
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    identity::owner_only(&mut options);
    match options.open(&unfinished) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists(unfinished));
        }
        opened => drop(opened.map_err(at(&unfinished))?),
    }
    let made = fill(&data.join(STORE_FILE), &unfinished, &secrets)
        .and_then(|()| finish(&unfinished, file));
    if made.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    made
}

fn fill(store: &Path, to: &Path, secrets: &ServerSecrets) -> Result<(), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(store, flags).map_err(copying(store))?;
    // One moment: what is committed meanwhile is not in it, and the copy need not begin anew.
    let snapshot = from.unchecked_transaction().map_err(copying(store))?;
    let read = snapshot.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0));
    read.map_err(copying(store))?;
    let mut copy = Connection::open(to).map_err(copying(to))?;
    {
        let backup = rusqlite::backup::Backup::new(&snapshot, &mut copy).map_err(copying(to))?;
        let pause = std::time::Duration::ZERO;
        backup.run_to_completion(PAGES_PER_STEP, pause, None).map_err(copying(to))?;
    }
    // A backup is one file.
    copy.pragma_update(None, "journal_mode", "DELETE").map_err(copying(to))?;
    copy.execute_batch(KEYS_TABLE).map_err(copying(to))?;
    copy.execute(
        "INSERT INTO backup_keys VALUES(?1, ?2)",
        [secrets.identity.as_bytes().as_slice(), secrets.reset.as_bytes().as_slice()],
    )
    .map_err(copying(to))?;
    check(&copy, to)
}

fn check(connection: &Connection, path: &Path) -> Result<(), BackupError> {
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(copying(path))?;
    if found == "ok" {
        return Ok(());
    }
    let found = pychat_sqlite::one_line(&found);
    Err(BackupError::Damaged { path: path.to_owned(), found })
}

/// On the disk, and then under its name.
fn finish(unfinished: &Path, file: &Path) -> Result<u64, BackupError> {
    let written = File::open(unfinished).map_err(at(unfinished))?;
    written.sync_all().map_err(at(unfinished))?;
    let bytes = written.metadata().map_err(at(unfinished))?.len();
    // Unlike a rename, this overwrites nothing.
    fs::hard_link(unfinished, file).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(file.to_owned()),
        _ => at(file)(error),
    })?;
    fs::remove_file(unfinished).map_err(at(unfinished))?;
    sync_directory(file)?;
    Ok(bytes)
}

fn sync_directory(file: &Path) -> Result<(), BackupError> {
    #[cfg(unix)]
    {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(at(parent))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Makes `data`, which is empty or not there, the data directory of the server that a backup was made
/// of. What the backup does not know, its clients' outboxes and cursors put right.
///
/// # Errors
/// See [`BackupError`]; a directory that was half filled is told by the missing `identity.key`.
pub fn restore(file: &Path, data: &Path) -> Result<(), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    fs::metadata(file).map_err(at(file))?;
    let backup = Connection::open_with_flags(file, flags).map_err(copying(file))?;
    let secrets = keys_of(&backup, file)?;
    check(&backup, file)?;
    identity::create(data)?;
    if fs::read_dir(data).map_err(at(data))?.next().is_some() {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }
    let store = data.join(STORE_FILE);
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    identity::owner_only(&mut options);
    drop(options.open(&store).map_err(at(&store))?);
    let mut copy = Connection::open(&store).map_err(copying(&store))?;
    {
        let running = rusqlite::backup::Backup::new(&backup, &mut copy).map_err(copying(&store))?;
        let pause = std::time::Duration::ZERO;
        running.run_to_completion(PAGES_PER_STEP, pause, None).map_err(copying(&store))?;
    }
    copy.execute_batch("DROP TABLE backup_keys").map_err(copying(&store))?;
    drop(copy);
    File::open(&store).and_then(|file| file.sync_all()).map_err(at(&store))?;
    identity::write(data, &secrets)?;
    sync_directory(&store)
}

fn keys_of(backup: &Connection, file: &Path) -> Result<ServerSecrets, BackupError> {
    let select = "SELECT identity, reset FROM backup_keys";
    let keys = backup.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).optional();
    match keys {
        Ok(Some((identity, reset))) => Ok(ServerSecrets {
            identity: SecretKey::from_bytes(identity),
            reset: SecretKey::from_bytes(reset),
        }),
        Ok(None)
        | Err(rusqlite::Error::SqliteFailure(..) | rusqlite::Error::SqlInputError { .. }) => {
            Err(BackupError::Foreign(file.to_owned()))
        }
        Err(error) => Err(copying(file)(error)),
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
