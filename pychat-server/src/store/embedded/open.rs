//! Opening a store: the lock, the file, the index.

use super::{
    Embedded, Plan, check,
    checkpoint::Checkpointer,
    load,
    log_room::LogRoom,
    marks, schema,
    tidy::{Bounds, Late},
};
use crate::store::Quota;
use pychat_sqlite::{DATABASE_BYTES_MIN, ResyncError};
use rusqlite::{Connection, OpenFlags};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// Why a store was not opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server has it open, or another program holds it.
    #[error("the mailbox store is in use by another process; stop that one first")]
    InUse,
    /// It was written by a later version.
    #[error(
        "the mailbox store has schema {found}, this program knows up to {known}; install the newer version again"
    )]
    Newer {
        /// The file's schema.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// It is an SQLite file of another program.
    #[error("the file is a database of another program, not a mailbox store")]
    Foreign,
    /// It cannot be read, or what it says makes no sense.
    #[error("the mailbox store is damaged: {0}")]
    Damaged(String),
    /// The file system has no shared memory, which the write-ahead log needs.
    #[error("the file system cannot hold a write-ahead log; put the mailbox store on a local disk")]
    NoWal,
    /// A file could not be opened.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was not brought up to date by a server of this version, and may not be changed here.
    #[error(
        "the mailbox store has schema {found}, and is moved with schema {known} only; start this version of \
         pychat-server on it once, which brings it up to date"
    )]
    Older {
        /// The file's schema.
        found: i64,
        /// The one of today.
        known: i64,
    },
    /// What moves there is not all there yet.
    #[error(
        "mailboxes are being moved here, and not all of them are: {}\n\
         hint: run the same `pychat-server migrate` again, which goes on where it was; to give it up, remove that file", .0.display()
    )]
    Unfinished(PathBuf),
    /// What was there is elsewhere now, and goes on there.
    #[error(
        "its mailboxes were moved to {to}, and what came since then is there\n\
         hint: serve from there (--store for a cluster, --data for a directory). To serve from here all the same, without \
         what came since: `pychat-server migrate --reopen` with this place; {} says that it was moved", mark.display()
    )]
    Moved {
        /// Where to.
        to: String,
        /// The file that says so.
        mark: PathBuf,
    },
    /// Anything else that SQLite said.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
}

impl Embedded {
    /// Opens the store at `path` and makes it if there is none; its directory must exist. Holds a
    /// lock on `path` with `.lock` appended, so that no second server opens it.
    ///
    /// # Errors
    /// See [`OpenError`]; the file was not changed.
    pub fn open(path: &Path, quota: Quota) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        marks::refuse_marked(path)?;
        create_if_missing(path)?;
        let bytes = fs::metadata(path).map_err(|source| failed(path, source))?.len();
        refuse_damaged(path, bytes)?;
        let connection = connect(path)?;
        check::write_at_close(&connection, false)?;
        schema::check_ours(&connection)?;
        check::check(&connection, bytes)?;
        let mut store = Self::from_connection(connection, quota)?;
        pychat_sqlite::resync_log(&store.connection, path).map_err(|error| match error {
            ResyncError::Sqlite(error) => schema::refused(error),
            ResyncError::Log { path, source } => OpenError::File { path, source },
        })?;
        check::write_at_close(&store.connection, true)?;
        let checkpointer = Checkpointer::start(path, &mut store.connection);
        store.checkpointer = Some(checkpointer.map_err(schema::refused)?);
        // Without it commits take longer, which is nothing to fail for.
        store.log_room = LogRoom::open(path).ok();
        store._lock = Some(lock);
        Ok(store)
    }

    /// A store that ends with this value.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn in_memory(quota: Quota) -> Result<Self, OpenError> {
        Self::from_connection(Connection::open_in_memory().map_err(schema::refused)?, quota)
    }

    /// Opens the store that a connection leads to. There is no lock and no checkpoint thread; SQLite
    /// checkpoints within a commit.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn from_connection(connection: Connection, quota: Quota) -> Result<Self, OpenError> {
        pychat_sqlite::keep_plans(&connection).map_err(schema::refused)?;
        schema::prepare(&connection)?;
        let bounds = Bounds::default();
        let mut memory = load::load(&connection, bounds.clean_users_max)?;
        let mut late = Late::default();
        for row in std::mem::take(&mut memory.stale_rows) {
            late.add_row(row, &bounds);
        }
        Ok(Self {
            checkpointer: None,
            log_room: None,
            connection,
            memory,
            plan: Plan::default(),
            late,
            bounds,
            quota,
            broken: None,
            _lock: None,
        })
    }

    /// Keeps at most so many users in memory about whom the file says everything. The simulation sets a
    /// small number, so that users come and go all the time.
    pub fn set_clean_users_max(&mut self, max: usize) {
        self.bounds.clean_users_max = max;
    }

    /// The connection, as a crash would leave the file: what was put off is lost. A simulated crash
    /// opens it anew with [`Self::from_connection`].
    #[must_use]
    pub fn into_connection(self) -> Connection {
        self.connection
    }
}

/// Refuses a file of so many bytes of which SQLite would not say that it lost something.
pub(super) fn refuse_damaged(path: &Path, bytes: u64) -> Result<(), OpenError> {
    // A store comes into being under another name: what is empty lost what it held.
    if bytes < DATABASE_BYTES_MIN {
        return Err(OpenError::Damaged(format!("the file has {bytes} bytes")));
    }
    if let Some(frame) = pychat_sqlite::log_damage(path).map_err(|e| failed(path, e))? {
        let text = format!("its log is damaged at frame {frame}, and goes on after it");
        return Err(OpenError::Damaged(text));
    }
    Ok(())
}

pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let path = with(path, ".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| OpenError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path, source }),
    }
}

/// Opens a file that is there.
pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(schema::refused)
}

/// Makes a store that only its owner reads, if there is none: under another name first, so that it
/// is there entirely or not at all. Then a file that is empty has lost what it held.
fn create_if_missing(path: &Path) -> Result<(), OpenError> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    refuse_lone_log(path)?;
    let new = with(path, ".new");
    create(&new)?;
    let connection = connect(&new)?;
    schema::prepare(&connection)?;
    // Closed, it has no log beside it.
    connection.close().map_err(|(_, error)| schema::refused(error))?;
    fs::rename(&new, path).map_err(|source| failed(path, source))?;
    sync_directory(path)
}

/// Refuses a log whose store is gone: SQLite would take it for the log of a new store.
pub(super) fn refuse_lone_log(path: &Path) -> Result<(), OpenError> {
    let log = with(path, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let log = log.display();
        return Err(OpenError::Damaged(format!("its log {log} is there, and it is not")));
    }
    Ok(())
}

/// Makes an empty file that only its owner reads, instead of what was left there.
pub(super) fn create(new: &Path) -> Result<(), OpenError> {
    for leftover in [new.to_owned(), with(new, "-wal"), with(new, "-shm")] {
        match fs::remove_file(&leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&leftover, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(new).map(drop).map_err(|source| failed(new, source))
}

/// Has the disk know which files are beside this one.
#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> Result<(), OpenError> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| failed(directory, source))
}

#[cfg(not(unix))]
pub(super) fn sync_directory(_path: &Path) -> Result<(), OpenError> {
    Ok(())
}

/// The name with `end` appended.
pub(super) fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

pub(super) fn failed(path: &Path, source: io::Error) -> OpenError {
    OpenError::File { path: path.to_owned(), source }
}
