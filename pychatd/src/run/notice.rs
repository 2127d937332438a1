//! A notice for the person, kept until `pychatctl` has shown it.

use crate::db::SetAside;
use pychat_control::NOTICE_FILE;
use std::{fs, path::Path};

/// Says that a damaged database was set aside: in the log, and to the next command that a person
/// runs.
pub(super) fn tell(state_dir: &Path, damaged: &SetAside) {
    let SetAside { path, damage, kept_account } = damaged;
    let path = path.display();
    tracing::error!(%path, damage, kept_account, "the database is damaged and was set aside");
    if let Err(error) = fs::write(state_dir.join(NOTICE_FILE), text(damaged)) {
        // `status` tells it too, as long as the file is there.
        tracing::warn!(%error, "a notice cannot be written");
    }
}

fn text(damaged: &SetAside) -> String {
    let SetAside { path, damage, kept_account } = damaged;
    let path = path.display();
    let next = if *kept_account {
        "user, server and the server's key were taken over: nothing needs to be done"
    } else {
        "user and server could not be taken over: run pychatctl connect USER NAME --server LINK"
    };
    format!(
        "the database of this profile was damaged ({damage}) and was set aside as {path}; a new, empty \
         one took its place. The history, and texts that were not sent yet, are in that file alone\n\
         hint: {next}; if you have a backup, run pychatctl daemon stop, put it in the place of the \
         new one, and start again\n"
    )
}
