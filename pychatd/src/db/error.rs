//! What can go wrong with the database: at opening it, and later.

use pychat_sqlite::ResyncError;
use rusqlite::{Error, ErrorCode, ffi};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why the database cannot be opened. The file is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was written by a later version of PyChat.
    #[error(
        "{path} was written by a newer version of PyChat (its schema is {found}, this version knows \
         up to {known}); install that version again, or use another profile"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// An earlier version of PyChat has it open.
    #[error(
        "{path} is of an earlier version of PyChat (its schema is {found}, this version's {known}), and \
         its daemon runs; bring it up to date first: pychatctl daemon restart"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It is no database, or a broken one.
    #[error(
        "the database {path} is damaged ({text}); it was left untouched. Move it away together with \
         the -wal and -shm files beside it, then start again: either with a backup of it in its \
         place, or with an empty history"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
    /// It is damaged, and so were others before it.
    #[error(
        "the database {path} is damaged, and {count} damaged ones were set aside before it: the disk \
         may be failing. Check the disk, move the files {path}.damaged-* elsewhere, then start again"
    )]
    TooManySetAside {
        /// The file.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// It is damaged, and cannot be moved out of the way.
    #[error(
        "the database {path} is damaged and cannot be set aside ({source}); move it away together \
         with the -wal and -shm files beside it, then start again"
    )]
    NotSetAside {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its log cannot be read.
    #[error("the log of the database {path} cannot be read")]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is none, and none can be made.
    #[error("the database {path} cannot be made")]
    Uncreated {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A killed daemon left a log, and the disk does not take it.
    #[error(
        "{path} cannot be written ({source}), so what a daemon that was killed left in it is not safe; \
         make room or check the disk, then start again"
    )]
    Unsynced {
        /// The log.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The operating system does not let us.
    #[error("the database {path} cannot be opened")]
    Failed {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Error,
    },
}

impl OpenError {
    pub(super) fn of(path: &Path, source: Error) -> Self {
        let path = path.to_owned();
        if is_damage(&source) {
            Self::Damaged { path, text: source.to_string() }
        } else {
            Self::Failed { path, source }
        }
    }

    /// What its log says cannot be made durable.
    pub(super) fn unsynced(path: &Path, error: ResyncError) -> Self {
        match error {
            ResyncError::Sqlite(source) => Self::of(path, source),
            ResyncError::Log { path, source } => Self::Unsynced { path, source },
        }
    }

    /// What is read at opening cannot be read.
    pub(super) fn unreadable(path: &Path, error: DatabaseError) -> Self {
        match error {
            DatabaseError::Damaged(text) => Self::Damaged { path: path.to_owned(), text },
            DatabaseError::Full(source) | DatabaseError::Failed(source) => Self::of(path, source),
        }
    }
}

/// Why the database could not be read or written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is no room on the disk.
    #[error("the disk is full")]
    Full(#[source] Error),
    /// The file is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Anything else, such as an I/O error.
    #[error("the database failed: {0}")]
    Failed(#[source] Error),
}

impl From<Error> for DatabaseError {
    fn from(error: Error) -> Self {
        if is_damage(&error) {
            return Self::Damaged(error.to_string());
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            _ => Self::Failed(error),
        }
    }
}

impl DatabaseError {
    /// Whether a crash might find written what failed: the disk itself did.
    pub(crate) fn is_uncertain(&self) -> bool {
        match self {
            Self::Failed(error) => error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure),
            Self::Full(_) | Self::Damaged(_) => false,
        }
    }

    /// A column holds what was never written to it.
    pub(super) fn column(name: &str) -> Self {
        Self::Damaged(format!("the column {name} holds what it cannot hold"))
    }
}

fn is_damage(error: &Error) -> bool {
    match error {
        Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                // Not the disk failed, but the file ends too early.
                || failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ
        }
        // Our own statements are right: where they make no sense, the file's tables are to blame.
        Error::SqlInputError { .. }
        | Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => true,
        _ => false,
    }
}
