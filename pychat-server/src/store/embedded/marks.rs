//! What stands beside a store's file: that it is not complete, or that its mailboxes went elsewhere.

use super::{OpenError, open, schema};
use rusqlite::OptionalExtension;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Behind the store's name: what is not complete.
const UNFINISHED: &str = ".migrating";

/// Behind the store's name: a line that says where its mailboxes went.
const MOVED: &str = ".moved";

/// Where a file that is being filled says what it is filled from. A complete one has no such table.
pub(super) const FROM_TABLE: &str = "CREATE TABLE migration(source TEXT NOT NULL) STRICT";

/// What a store's file is called until it is complete.
pub(super) fn unfinished(store: &Path) -> PathBuf {
    open::with(store, UNFINISHED)
}

/// Refuses what a server may not use: a store that is not complete, or one whose mailboxes went elsewhere.
///
/// # Errors
/// [`OpenError::Unfinished`] or [`OpenError::Moved`].
pub(crate) fn refuse_marked(store: &Path) -> Result<(), OpenError> {
    let unfinished = unfinished(store);
    if fs::symlink_metadata(&unfinished).is_ok() {
        return Err(OpenError::Unfinished(unfinished));
    }
    match moved_to(store)? {
        Some(to) => Err(OpenError::Moved { to, mark: open::with(store, MOVED) }),
        None => Ok(()),
    }
}

/// Where a store's mailboxes went, if they did.
pub(crate) fn moved_to(store: &Path) -> Result<Option<String>, OpenError> {
    let mark = open::with(store, MOVED);
    match fs::read_to_string(&mark) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(open::failed(&mark, source)),
    }
}

/// Has a store say that its mailboxes went elsewhere, or that they did not.
pub(crate) fn set_moved(store: &Path, to: Option<&str>) -> Result<(), OpenError> {
    let mark = open::with(store, MOVED);
    let done = match to {
        // Whole or not at all.
        Some(to) => {
            let new = open::with(&mark, ".new");
            let written = File::create(&new).and_then(|mut file| {
                writeln!(file, "{to}")?;
                file.sync_all()
            });
            written.and_then(|()| fs::rename(&new, &mark))
        }
        None => match fs::remove_file(&mark) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        },
    };
    done.map_err(|source| open::failed(&mark, source))?;
    open::sync_directory(store)
}

/// What a half filled file is filled from. One that says nothing was left before anything was in it.
pub(super) fn from_of(unfinished: &Path) -> Result<Option<String>, OpenError> {
    if fs::symlink_metadata(unfinished).is_err() {
        return Ok(None);
    }
    let connection = open::connect(unfinished)?;
    let is_there = "SELECT count(*) FROM sqlite_master WHERE name = 'migration'";
    let is_there: i64 =
        connection.query_row(is_there, [], |row| row.get(0)).map_err(schema::refused)?;
    if is_there == 0 {
        return Ok(None);
    }
    let from = connection.query_row("SELECT source FROM migration", [], |row| row.get(0));
    from.optional().map_err(schema::refused)
}
