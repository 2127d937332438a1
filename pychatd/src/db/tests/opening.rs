//! Opening: new, old, newer and damaged files; the identity key.

use crate::db::{
    Database, Incoming, OpenError,
    identity::{self, IdentityError},
    schema::MIGRATIONS,
};
use pychat_proto::{DisplayName, MessageId, SecretKey};
use rusqlite::Connection;
use std::fs;

#[test]
fn a_file_keeps_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pychat.db");
    let mut database = Database::open(&path).unwrap();
    let mut settings = database.read().stored().unwrap().settings;
    settings.wants_link = true;
    settings.cursor = pychat_proto::Cursor(7);
    database.write(|tx| tx.save_settings(&settings)).unwrap();
    drop(database);
    let database = Database::open(&path).unwrap();
    assert_eq!(database.read().stored().unwrap().settings, settings);
}

#[test]
fn the_disk_is_flushed_at_each_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(&directory.path().join("pychat.db")).unwrap();
    let pragma = |name: &str| {
        let value = database
            .connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{:?}", value.unwrap())
    };
    assert_eq!(pragma("journal_mode"), r#"Text("wal")"#);
    assert_eq!(pragma("synchronous"), "Integer(2)", "FULL");
    assert_eq!(pragma("foreign_keys"), "Integer(1)");
}

#[test]
fn every_table_is_strict_and_the_version_counts_the_migrations() {
    let database = Database::in_memory().unwrap();
    let loose: i64 = database
        .connection
        .query_one(
            "SELECT count(*) FROM pragma_table_list
             WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' AND strict = 0",
            (),
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(loose, 0);
    let version: i64 =
        database.connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, MIGRATIONS.len() as i64);
}

#[test]
fn a_newer_schema_is_left_alone() {
    let connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "user_version", MIGRATIONS.len() as i64 + 1).unwrap();
    let error = Database::from_connection(connection).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("install that version again"), "{error}");
}

#[test]
fn a_migration_that_fails_leaves_nothing_behind() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE outbox (mine)").unwrap();
    let path = std::path::Path::new("x");
    let mut connection = connection;
    crate::db::schema::migrate(&mut connection, path).unwrap_err();
    let tables: i64 = connection
        .query_one("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", (), |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "only the one that was in the way");
}

#[test]
fn a_damaged_file_is_left_as_it_is_and_the_error_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pychat.db");
    let garbage = vec![0x5a; 8192];
    fs::write(&path, &garbage).unwrap();
    let error = Database::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("Move it away"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), garbage);
}

#[test]
fn a_damaged_index_of_words_is_made_anew_and_costs_no_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pychat.db");
    let mut database = Database::open(&path).unwrap();
    let (sender, recipient) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let name = DisplayName::parse("").unwrap();
    let text = Incoming {
        id: MessageId::from_bytes([1; 16]),
        sender: &sender,
        sender_name: &name,
        recipient: &recipient,
        body: "hello there",
        sent_at: 1,
        received_at: 2,
        trust: None,
    };
    database.write(|tx| tx.insert_incoming(&text)).unwrap();
    database.write(|tx| tx.index_messages(10)).unwrap();
    let damage = "UPDATE search_data SET block = x'0102030405060708'";
    database.connection.execute_batch(damage).unwrap();
    drop(database);
    let mut database = Database::open(&path).unwrap();
    assert_eq!(database.read().unread_count().unwrap(), 1);
    assert_eq!(database.read().unindexed().unwrap(), 1);
    assert_eq!(database.write(|tx| tx.index_messages(10)).unwrap(), 1);
}

#[test]
fn settings_that_make_no_sense_are_damage() {
    let connection = Database::in_memory().unwrap().into_connection();
    connection
        .execute_batch(
            "UPDATE settings SET user = 'NOT A NAME', name = '', host = 'h', port = 1, stream = x'00'",
        )
        .unwrap();
    let error = Database::from_connection(connection).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn an_identity_is_made_once_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("identity.key");
    let load = |fresh| identity::load_or_create(&path, SecretKey::from_bytes([fresh; 32]));
    assert_eq!(load(1).unwrap().as_bytes(), &[1; 32]);
    assert_eq!(load(2).unwrap().as_bytes(), &[1; 32]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(3), Err(IdentityError::Exposed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    for length in [0, 31, 33] {
        fs::write(&path, vec![1; length]).unwrap();
        assert!(matches!(load(4), Err(IdentityError::Damaged(_))), "{length}");
        assert_eq!(fs::read(&path).unwrap().len(), length, "it is not overwritten");
    }
}

#[test]
fn what_an_earlier_version_had_not_sent_waits_for_keys() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(MIGRATIONS[0]).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection
        .execute_batch(
            "INSERT INTO messages (id, direction, message_id, sender, recipient, peer, sender_name, body,
                                   sent_at, state)
             VALUES (1, 'out', '01A', 'alice', 'bob', 'bob', '', 'taken', 1, 'accepted'),
                    (2, 'out', '01B', 'alice', 'bob', 'bob', '', 'on its way', 1, 'queued'),
                    (3, 'out', '01C', 'alice', 'bob', 'bob', '', 'cancelled', 1, 'cancelled'),
                    (4, 'out', '01D', 'alice', 'eve', 'eve', '', 'for later', 1, 'queued');
             INSERT INTO outbox (first_seq, last_seq, message, kind, payload, tried, given_up, expires_at,
                                 committed_at)
             VALUES (1, 1, 1, 'text', x'01', 1, 0, NULL, 5), (2, 2, 2, 'text', x'02', 1, 0, NULL, NULL),
                    (3, 3, 3, 'text', x'', 0, 1, NULL, NULL), (4, 4, NULL, 'receipt', x'04', 1, 0, NULL, NULL),
                    (5, 6, 4, 'text', x'05', 0, 0, 99, NULL);",
        )
        .unwrap();
    let database = Database::from_connection(connection).unwrap();
    let read = database.read();
    let stored = read.stored().unwrap();
    assert_eq!((stored.queued, read.count_waiting().unwrap()), (2, 2));
    let rows = read.outbox_after(pychat_proto::Seq(0), 9).unwrap();
    let given_up: Vec<bool> = rows.iter().map(|row| row.given_up).collect();
    assert_eq!(given_up, [false, true, true, false, true], "their numbers stay used");
    assert_eq!(read.next_expiry().unwrap(), Some(99));
}

#[test]
fn an_earlier_versions_server_has_the_one_host_that_it_had() {
    let connection = Connection::open_in_memory().unwrap();
    for (index, migration) in MIGRATIONS[..3].iter().enumerate() {
        connection.execute_batch(migration).unwrap();
        connection.pragma_update(None, "user_version", index as i64 + 1).unwrap();
    }
    connection
        .execute_batch(
            "UPDATE settings SET user = 'alice', name = '', host = 'h', port = 7421,
                    stream = x'00000000000000000000000000000000'",
        )
        .unwrap();
    let database = Database::from_connection(connection).unwrap();
    let settings = database.read().stored().unwrap().settings;
    assert_eq!(settings.account.unwrap().server.to_string(), "pychat://h:7421");
    assert_eq!(settings.nodes, []);
}

#[test]
fn hosts_and_nodes_are_what_they_were_after_a_restart() {
    let mut database = Database::in_memory().unwrap();
    let mut settings = database.read().stored().unwrap().settings;
    let server: pychat_proto::JoinLink = "pychat://a:1,[::1]:2,c:3".parse().unwrap();
    settings.account = Some(crate::db::Account {
        user: "alice".parse().unwrap(),
        name: DisplayName::parse("").unwrap(),
        server,
        stream: pychat_proto::StreamId([1; 16]),
        logged_in: true,
    });
    settings.nodes = vec!["[2001:db8::1]:7420".parse().unwrap(), "d".parse().unwrap()];
    database.write(|tx| tx.save_settings(&settings)).unwrap();
    assert_eq!(database.read().stored().unwrap().settings, settings);
    database.connection.execute_batch("UPDATE settings SET nodes = 'a b'").unwrap();
    assert!(database.read().stored().is_err(), "damage is told");
}
