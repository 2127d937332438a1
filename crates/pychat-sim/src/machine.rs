//! What daemons' machines and the server's have in common: how a start can end.

use crate::disk::Disk;

/// What became of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It runs.
    Up,
    /// The machine went down while it started.
    Crashed,
    /// It said why it does not run, because the disk is not well; it is started again later.
    Refused(String),
}

impl Start {
    /// A start that found its database unusable.
    ///
    /// # Panics
    /// Nothing is wrong with the disk: the database was not to be trusted with a crash.
    pub(crate) fn failed(disk: &Disk, why: String) -> Self {
        if disk.is_pulled() {
            return Self::Crashed;
        }
        assert!(disk.has_failed(), "a database does not open on a disk that is well: {why}");
        Self::Refused(why)
    }
}
