//! Opening: new, old, newer and damaged files; the identity key.

use crate::db::{
    Database, OpenError,
    identity::{self, IdentityError},
    schema::MIGRATIONS,
};
use pychat_proto::SecretKey;
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
