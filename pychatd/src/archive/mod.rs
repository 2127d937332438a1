//! A profile in one file, for backup and for a move to another machine: `pychatctl profile export` and
//! `profile import`.
//!
//! The file is JSON Lines within an encrypted file (`age`): `age -d FILE | jq` shows all of it. `line` is
//! the form of a line, `Lines` reads them, [`write()`] makes them of a database, [`unpack()`] a database
//! of them. Everything is streamed: a long history takes no more memory than a short one.
//!
//! What belongs to a machine and not to a person stays behind: the device's end-to-end keys and ratchets,
//! the outbox's records (its texts go along, and are sealed anew), events and the mailbox's cursor. The
//! server gives all that it still holds to the new machine; ids tell what is there already, and what was
//! sealed for the old machine's keys is asked for anew.

pub mod age;
mod error;
mod line;
mod lines;
mod unpack;
mod write;

#[cfg(test)]
mod tests;

pub use error::{ImportError, ReadError, WriteError};
pub use lines::{Entry, Limits, Lines};
pub(crate) use unpack::sync_dir;
pub use unpack::{Step, unpack};
pub use write::{Content, write};

/// The form of the lines; a later one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// What the first line says that it is.
const FORMAT: &str = "pychat-profile";
