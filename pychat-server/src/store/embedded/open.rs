//! Opening a store: the lock, the file, the index.

use super::{
    Embedded, Plan,
    checkpoint::Checkpointer,
    load, schema,
    tidy::{Bounds, Late},
};
use crate::store::Quota;
use rusqlite::{Connection, OpenFlags};
use std::{
    fs::{File, OpenOptions, TryLockError},
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
    #[error(
        "the mailbox store is damaged ({0}); restore a backup, or move the file away to begin anew"
    )]
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
        make_private(path)?;
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(schema::refused)?;
        let mut store = Self::from_connection(connection, quota)?;
        let checkpointer = Checkpointer::start(path, &mut store.connection);
        store.checkpointer = Some(checkpointer.map_err(schema::refused)?);
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
        schema::prepare(&connection)?;
        let memory = load::load(&connection)?;
        Ok(Self {
            checkpointer: None,
            connection,
            memory,
            plan: Plan::default(),
            late: Late::default(),
            bounds: Bounds::default(),
            quota,
            broken: None,
            _lock: None,
        })
    }

    /// The connection, as a crash would leave the file: what was put off is lost. A simulated crash
    /// opens it anew with [`Self::from_connection`].
    #[must_use]
    pub fn into_connection(self) -> Connection {
        self.connection
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| OpenError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path, source }),
    }
}

/// Makes an empty file that only its owner reads, if there is none, and makes its name durable.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => file.sync_all().map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    }
    Ok(())
}
