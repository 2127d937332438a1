//! Files of earlier versions are brought up to date, and lose nothing.

use super::super::schema;
use super::Embedded;
use crate::store::{
    Ban, Command, Decision, MailboxStore, Note,
    contract::words::{
        ALL, LAPTOP, ROOMY, account, bodies, own_keys, page, position, publish, publish_device,
        store_one, text, user,
    },
};

/// What every version's tables take: two users, a stream, an entry and an archived one.
const ROWS: &str = "
    INSERT INTO users(id, name, reserved, archived, archived_entries, archived_bytes, key, display, since)
    VALUES(0, 'ann', 0, 0, 0, 0, x'0101010101010101010101010101010101010101010101010101010101010101', 'Ann', 1),
          (1, 'bob', 1024, 3, 1, 3, x'0202020202020202020202020202020202020202020202020202020202020202', 'Bob', 2);
    INSERT INTO streams(id, user, stream, position, used)
    VALUES(1, 0, x'01010101010101010101010101010101', 7, 1);
    INSERT INTO archive(mailbox, cursor, counted, entry) VALUES(1, 3, 1, x'6f6c64');
    INSERT INTO entries(seq, mailbox, cursor, stream, last, entry) VALUES(1, 1, 4, 1, 8, x'6e6577');
";

#[test]
fn a_file_of_each_version_keeps_what_it_holds_and_takes_what_is_new() {
    for version in 1..=schema::VERSIONS {
        let connection = schema::of_version(version);
        connection.execute_batch(ROWS).unwrap();
        let mut store = Embedded::from_connection(connection, ROOMY).unwrap();
        let store = &mut store;
        assert_eq!(store.account(&user("ann")), Ok(Some(account("ann", 1, "Ann", 1))), "{version}");
        assert_eq!(position(store, "ann", LAPTOP), 8, "{version}");
        let found = page(store, "bob", 0, ALL);
        assert_eq!(bodies(&found), [b"old", b"new"], "{version}");
        assert_eq!(store.size().unwrap().accounts, 2, "{version}");
        let ban = Ban { reason: Note::parse("spam").unwrap(), since: 3 };
        let decision = Decision::Ban { user: user("eve"), ban: ban.clone() };
        let new = [publish_device("bob", 1, 100), publish("bob", 0, 3), Command::Decide(decision)];
        store.commit(&new).unwrap();
        assert_eq!(own_keys(store, "bob").unwrap().next, 3, "{version}");
        assert_eq!(store.ban(&user("eve")), Ok(Some(ban)), "{version}");
        assert!(store_one(store, text("ann", 9, "bob", b"later")) > 1024, "{version}");
    }
}
