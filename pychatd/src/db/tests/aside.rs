//! Damaged databases: noticed, set aside, begun anew.

use crate::db::{
    Account, Contact, Database, OpenError, SET_ASIDE_MAX, aside::with, set_aside_last,
};
use pychat_proto::{DisplayName, JoinLink, PublicKey, StreamId, UserName};
use rusqlite::Connection;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// 2023-11-14, 22:13:20 UTC.
const NOW: u64 = 1_700_000_000_000;

const STREAM: StreamId = StreamId([0xab; 16]);

fn account() -> Account {
    Account {
        user: UserName::parse("alice").unwrap(),
        name: DisplayName::parse("Alice").unwrap(),
        server: JoinLink::to_place("h:7".parse().unwrap(), Some(PublicKey([9; 32]))),
        stream: StreamId([1; 16]),
        logged_in: true,
    }
}

/// Somebody whose key was compared.
fn contact() -> Contact {
    Contact {
        user: UserName::parse("bob").unwrap(),
        login: PublicKey([7; 32]),
        since: 3,
        offered: None,
        changed_at: None,
        verified_at: Some(5),
        pinned_at: 4,
    }
}

/// A database with an account and a contact, far along, and closed.
fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("pychat.db");
    let mut database = Database::open(&path).unwrap();
    let mut settings = database.read().stored().unwrap().settings;
    settings.account = Some(account());
    settings.cursor = pychat_proto::Cursor(99);
    settings.next_seq = pychat_proto::Seq(77);
    let written = database.write(|tx| {
        tx.save_contact(&PublicKey([9; 32]), &contact())?;
        tx.save_settings(&settings)
    });
    written.unwrap();
    (directory, path)
}

/// Damages a page of the table or index of that name.
fn damage(path: &Path, name: &str) -> Vec<u8> {
    let connection = Connection::open(path).unwrap();
    let page: usize = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [name], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap()
        .try_into()
        .unwrap();
    drop(connection);
    let mut bytes = fs::read(path).unwrap();
    bytes[(page - 1) * 4096..page * 4096].fill(0xa5);
    fs::write(path, &bytes).unwrap();
    bytes
}

fn begin_anew(path: &Path) -> Result<(Database, Option<crate::db::SetAside>), OpenError> {
    Database::open_or_begin_anew(path, NOW, STREAM)
}

#[test]
fn a_whole_database_stays_where_it_is() {
    let (_directory, path) = place();
    let (database, aside) = begin_anew(&path).unwrap();
    assert_eq!(aside, None);
    assert_eq!(database.read().stored().unwrap().settings.account, Some(account()));
    assert_eq!(set_aside_last(&path), None);
}

#[test]
fn damage_is_noticed_where_nothing_is_read_at_the_start() {
    for table in ["messages", "events", "messages_of_peer"] {
        let (_directory, path) = place();
        let bytes = damage(&path, table);
        let refused = Database::open(&path).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{table}: {refused}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{table}");
    }
}

#[test]
fn account_and_pinned_keys_are_taken_over_and_nothing_else() {
    let (_directory, path) = place();
    damage(&path, "outbox");
    damage(&path, "events");
    let bytes = damage(&path, "messages");
    let (database, aside) = begin_anew(&path).unwrap();
    let aside = aside.unwrap();
    assert!(aside.kept_account);
    assert_eq!(aside.path, with(&path, ".damaged-20231114T221320Z"));
    assert_eq!(fs::read(&aside.path).unwrap(), bytes);
    assert_eq!(set_aside_last(&path), Some(aside.path));
    let settings = database.read().stored().unwrap().settings;
    assert_eq!(settings.account, Some(Account { stream: STREAM, ..account() }));
    assert_eq!((settings.cursor.0, settings.next_seq.0), (0, 1), "both directions begin anew");
    assert!(settings.wants_link);
    assert_eq!(database.read().contacts(&PublicKey([9; 32]), 9).unwrap(), [contact()]);
    drop(database);
    assert_eq!(begin_anew(&path).unwrap().1, None, "once is enough");
}

#[test]
fn pinned_keys_on_a_damaged_page_are_not_believed() {
    let (_directory, path) = place();
    damage(&path, "contacts");
    let (database, aside) = begin_anew(&path).unwrap();
    assert!(aside.unwrap().kept_account);
    assert_eq!(database.read().contacts(&PublicKey([9; 32]), 9).unwrap(), []);
}

#[test]
fn an_account_on_a_damaged_page_is_not_believed() {
    let (_directory, path) = place();
    damage(&path, "settings");
    let (database, aside) = begin_anew(&path).unwrap();
    assert!(!aside.unwrap().kept_account);
    assert_eq!(database.read().stored().unwrap().settings.account, None);
}

#[test]
fn a_file_that_lost_all_it_held_is_damaged() {
    // SQLite takes one byte for none.
    for left in ["", "S", "SQLite format 3"] {
        let (_directory, path) = place();
        fs::write(&path, left).unwrap();
        // SQLite deletes the log of an empty database; here it may be all that is left.
        fs::write(with(&path, "-wal"), b"what is left").unwrap();
        assert!(matches!(Database::open(&path), Err(OpenError::Damaged { .. })));
        let (_database, aside) = begin_anew(&path).unwrap();
        let aside = aside.unwrap().path;
        assert_eq!(fs::read_to_string(&aside).unwrap(), left);
        assert_eq!(fs::read(with(&aside, "-wal")).unwrap(), b"what is left");
    }
}

#[test]
fn a_newer_file_and_one_that_cannot_be_opened_are_never_set_aside() {
    let (directory, path) = place();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(begin_anew(&path), Err(OpenError::Newer { found: 99, .. })));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let refused = begin_anew(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Failed { .. }), "{refused}");
    assert_eq!(set_aside_last(&path), None);
    assert!(directory.path().join("pychat.db").is_dir());
}

#[test]
fn a_copy_that_is_there_is_never_overwritten_and_there_is_a_bound() {
    let (_directory, path) = place();
    for count in 0..SET_ASIDE_MAX {
        assert_eq!(begin_anew(&path).unwrap().1.is_some(), count > 0);
        fs::write(&path, format!("garbage {count}")).unwrap();
    }
    begin_anew(&path).unwrap();
    fs::write(&path, b"garbage").unwrap();
    let refused = begin_anew(&path).unwrap_err();
    let all = matches!(refused, OpenError::TooManySetAside { count: SET_ASIDE_MAX, .. });
    assert!(all, "{refused}");
    assert_eq!(fs::read(&path).unwrap(), b"garbage", "it stays");
    let mut kept: Vec<Vec<u8>> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".damaged-"))
        .map(|path| fs::read(path).unwrap())
        .collect();
    kept.sort();
    let expected: Vec<Vec<u8>> =
        (0..SET_ASIDE_MAX).map(|count| format!("garbage {count}").into_bytes()).collect();
    assert_eq!(kept, expected);
}

#[test]
fn a_log_without_its_database_is_not_taken_for_a_new_ones() {
    let (_directory, path) = place();
    fs::remove_file(&path).unwrap();
    fs::write(with(&path, "-wal"), b"somebody's log").unwrap();
    let (_database, aside) = begin_anew(&path).unwrap();
    let aside = aside.unwrap();
    assert_eq!(fs::read(with(&aside.path, "-wal")).unwrap(), b"somebody's log");
}

#[test]
fn one_who_was_stopped_while_setting_aside_finishes_it() {
    let (_directory, path) = place();
    let aside = with(&path, ".damaged-20230101T000000Z");
    fs::rename(&path, &aside).unwrap();
    fs::write(with(&path, "-wal"), b"its log").unwrap();
    let (_database, again) = begin_anew(&path).unwrap();
    assert_eq!(again, None, "it was damaged once");
    assert_eq!(fs::read(with(&aside, "-wal")).unwrap(), b"its log");
}
