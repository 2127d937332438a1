//! What can go wrong with an archive. Nothing here says what is in it: it may be secret.

use super::{FORMAT_VERSION, age::DecryptError};
use crate::db::{DatabaseError, OpenError, identity::IdentityError};
use std::io;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What it is encrypted with.
    #[error("{0}")]
    Decrypt(#[from] DecryptError),
    /// What is in it is something else.
    #[error("it opens, but it holds no PyChat profile")]
    OtherContent,
    /// A later version of PyChat made it.
    #[error(
        "it was made by a newer version of PyChat (its form is {found}, this version knows up to \
         {FORMAT_VERSION})"
    )]
    Newer {
        /// Its version.
        found: u32,
    },
    /// Some of it is not what was sealed, or its end is missing.
    #[error("it is damaged or was cut off: {0}")]
    Broken(&'static str),
    /// It opens, and a line makes no sense.
    #[error("it is damaged: line {line} {what}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is more in it than is read.
    #[error("it has more than {0} lines, which is more than is read")]
    TooLong(u64),
    /// The file itself.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl ReadError {
    /// A failed read, or damage that was noticed in it.
    pub(super) fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Broken("a part of it is not what was written"),
            io::ErrorKind::UnexpectedEof => Self::Broken("its end is not what was written"),
            _ => Self::Io(error),
        }
    }
}

/// Why a profile cannot be made of an archive.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The archive.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The new database cannot be made.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The new database cannot be written.
    #[error("{0}")]
    Database(#[from] DatabaseError),
    /// The identity cannot be written.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// What was written does not reach the disk.
    #[error("it cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Why an archive cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is nobody in the database.
    #[error("the profile has no user yet, so there is nothing to export")]
    NoAccount,
    /// The database cannot be read.
    #[error("{0}")]
    Database(#[from] DatabaseError),
    /// The archive cannot be written.
    #[error("it cannot be written: {0}")]
    Io(#[from] io::Error),
}
