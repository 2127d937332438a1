//! What can go wrong with the database: at opening it, and later.

use rusqlite::{Error, ErrorCode};
use std::path::{Path, PathBuf};

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
    /// A column holds what was never written to it.
    pub(super) fn column(name: &str) -> Self {
        Self::Damaged(format!("the column {name} holds what it cannot hold"))
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(
            error,
            Error::InvalidColumnType(..)
                | Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
        )
}
