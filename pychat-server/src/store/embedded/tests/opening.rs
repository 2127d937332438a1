//! Which files are opened, and which are left as they are.

use super::Embedded;
use crate::store::{
    MailboxStore,
    contract::words::{ROOMY, claim, receipt},
    embedded::OpenError,
};
use rusqlite::Connection;
use std::{fs, path::PathBuf};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mail.db");
    (directory, path)
}

#[test]
fn a_second_server_is_refused_until_the_first_is_gone() {
    let (_directory, path) = place();
    let first = Embedded::open(&path, ROOMY).unwrap();
    assert!(matches!(Embedded::open(&path, ROOMY), Err(OpenError::InUse)));
    drop(first);
    Embedded::open(&path, ROOMY).unwrap();
}

#[test]
fn a_newer_schema_is_refused_and_kept() {
    let (_directory, path) = place();
    drop(Embedded::open(&path, ROOMY).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = Embedded::open(&path, ROOMY);
    assert!(matches!(refused, Err(OpenError::Newer { found: 99, known: 4 })), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let (_directory, path) = place();
    let content = b"Dear diary, ".repeat(1000);
    fs::write(&path, &content).unwrap();
    let refused = Embedded::open(&path, ROOMY);
    assert!(matches!(refused, Err(OpenError::Damaged(_))), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn a_database_of_another_program_is_refused_and_kept() {
    let (_directory, path) = place();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs(x)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(Embedded::open(&path, ROOMY), Err(OpenError::Foreign)));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn rows_that_make_no_sense_are_damage() {
    for damage in [
        "UPDATE entries SET mailbox = 77",
        "UPDATE entries SET cursor = 1 << 40",
        "UPDATE users SET name = 'BAD NAME'",
        "UPDATE users SET key = x'00'",
        "UPDATE users SET id = id + 5",
    ] {
        let mut store = Embedded::in_memory(ROOMY).unwrap();
        store.commit(&[claim("bob"), receipt("bob", b"")]).unwrap();
        let connection = store.into_connection();
        connection.execute_batch(damage).unwrap();
        let refused = Embedded::from_connection(connection, ROOMY);
        assert!(matches!(refused, Err(OpenError::Damaged(_))), "{damage}: {refused:?}");
    }
}

#[test]
fn torn_pages_are_damage() {
    let (_directory, path) = place();
    let mut store = Embedded::open(&path, ROOMY).unwrap();
    store.commit(&[claim("bob"), receipt("bob", b"1")]).unwrap();
    drop(store);
    let mut content = fs::read(&path).unwrap();
    // The first page tells the layout; all that follows is rows.
    content[4096..].fill(0xa5);
    fs::write(&path, &content).unwrap();
    let refused = Embedded::open(&path, ROOMY);
    assert!(matches!(refused, Err(OpenError::Damaged(_))), "{refused:?}");
}

#[test]
fn a_file_that_lost_all_it_held_is_damage_and_its_log_stays() {
    // SQLite takes one byte for none, and deletes the log of an empty file.
    for left in ["", "S"] {
        let (directory, path) = place();
        fs::write(&path, left).unwrap();
        let log = directory.path().join("mail.db-wal");
        fs::write(&log, b"what is left").unwrap();
        let refused = Embedded::open(&path, ROOMY);
        assert!(matches!(refused, Err(OpenError::Damaged(_))), "{refused:?}");
        assert_eq!(fs::read(&log).unwrap(), b"what is left");
        fs::remove_file(&path).unwrap();
        let refused = Embedded::open(&path, ROOMY);
        assert!(matches!(refused, Err(OpenError::Damaged(_))), "a log alone: {refused:?}");
    }
}

#[test]
fn damage_where_nothing_is_read_at_the_start_is_noticed_and_nothing_is_written() {
    let (directory, path) = place();
    let mut store = Embedded::open(&path, ROOMY).unwrap();
    store.commit(&[claim("bob"), receipt("bob", b"1")]).unwrap();
    drop(store);
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'archive'";
    let root: i64 = Connection::open(&path).unwrap().query_row(root, [], |row| row.get(0)).unwrap();
    let page = (root as usize - 1) * 4096;
    let mut content = fs::read(&path).unwrap();
    content[page..page + 4096].fill(0xa5);
    fs::write(&path, &content).unwrap();
    let refused = Embedded::open(&path, ROOMY);
    assert!(matches!(refused, Err(OpenError::Damaged(_))), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), content);
    assert!(!directory.path().join("mail.db.damaged").exists(), "that is for a person to do");
}

#[test]
fn a_missing_directory_is_named() {
    let (directory, _) = place();
    let path = directory.path().join("nowhere/mail.db");
    let error = Embedded::open(&path, ROOMY).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = place();
    let mut store = Embedded::open(&path, ROOMY).unwrap();
    store.commit(&[claim("bob")]).unwrap();
    for name in ["mail.db", "mail.db-wal"] {
        let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}
