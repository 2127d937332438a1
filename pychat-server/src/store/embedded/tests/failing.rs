//! Disks that are full, commits that fail.

use super::Embedded;
use crate::store::{
    Appended, MailboxStore, StoreError,
    contract::words::{
        ALL, LAPTOP, ROOMY, advance, append, bodies, claim, claim_prekey, entries, page, position,
        publish, publish_device, raise, receipt, records, text, trim,
    },
};
use pychat_proto::StreamId;

fn set_pages_max(store: &Embedded, pages: i64) {
    store.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
}

#[test]
fn a_full_disk_writes_nothing_and_recovers() {
    let mut store = Embedded::in_memory(ROOMY).unwrap();
    store.commit(&[claim("bob"), text("ann", 1, "bob", b"1")]).unwrap();
    set_pages_max(&store, 20);
    let large = vec![7; 30 * 1024];
    let batch =
        [text("ann", 2, "bob", b"2"), text("ann", 3, "bob", &large), text("ann", 4, "bob", &large)];
    for _ in 0..3 {
        let refused = store.commit(&batch);
        assert!(matches!(refused, Err(StoreError::NotWritten(_))), "{refused:?}");
        assert_eq!(bodies(&page(&mut store, "bob", 0, ALL)), [b"1"]);
        assert_eq!(position(&mut store, "ann", LAPTOP), 1);
    }
    set_pages_max(&store, 1000);
    assert!(
        append(&mut store, &batch)
            .iter()
            .all(|appended| matches!(appended, Appended::Stored { .. }))
    );
}

#[test]
fn what_was_trimmed_makes_room_on_a_full_disk() {
    let mut store = Embedded::in_memory(ROOMY).unwrap();
    store.commit(&[claim("bob")]).unwrap();
    set_pages_max(&store, 20);
    let large = vec![7; 20 * 1024];
    store.commit(&[receipt("bob", &large)]).unwrap();
    let another = [receipt("bob", &large)];
    while store.commit(&another).is_ok() {}
    store.commit(&[trim("bob", u64::MAX)]).unwrap();
    // The first try finds the disk full still, and removes what was put off.
    assert!(matches!(store.commit(&another), Err(StoreError::NotWritten(_))));
    store.commit(&another).unwrap();
}

#[test]
fn a_failed_commit_leaves_memory_as_it_was() {
    let mut store = Embedded::in_memory(ROOMY).unwrap();
    store
        .commit(&[claim("bob"), text("ann", 1, "bob", b"1"), text("ann", 2, "bob", b"2")])
        .unwrap();
    for n in 10..17 {
        store.commit(&[records("ann", StreamId([n; 16]), 1, 1, "bob", b"")]).unwrap();
    }
    store.flush().unwrap();
    let before = entries(&mut store, "bob");
    store.connection.commit_hook(Some(|| true)).unwrap();
    // Every way to change memory.
    let batch = [
        claim("cyd"),
        claim("ann"),
        trim("bob", 1),
        text("ann", 3, "bob", b"3"),
        text("cyd", 1, "cyd", b""),
        text("eve", 1, "bob", b""),
        records("ann", StreamId([99; 16]), 1, 1, "bob", b""),
        advance("ann", StreamId([98; 16]), 5),
        advance("ann", LAPTOP, 9),
        raise("bob", 1 << 30),
        trim("bob", 2),
        receipt("ann", b""),
        publish_device("bob", 1, 100),
        publish("bob", 0, 3),
        claim_prekey("bob"),
    ];
    let memory = format!("{:?}", sorted(&store));
    assert!(matches!(store.commit(&batch), Err(StoreError::NotWritten(_))));
    assert_eq!(format!("{:?}", sorted(&store)), memory);
    store.connection.commit_hook(None::<fn() -> bool>).unwrap();
    assert_eq!(entries(&mut store, "bob"), before);
    store.commit(&batch).unwrap();
    let mut store = Embedded::from_connection(store.into_connection(), ROOMY).unwrap();
    assert_eq!(position(&mut store, "ann", LAPTOP), 9);
}

/// What memory holds, apart from counters that may skip.
fn sorted(store: &Embedded) -> impl std::fmt::Debug + '_ {
    let memory = &store.memory;
    let names: std::collections::BTreeMap<_, _> = memory.names.iter().collect();
    let users: std::collections::BTreeMap<_, _> = memory.users.iter().collect();
    (names, users, memory.next_user, memory.recent, memory.journal.len(), &store.late)
}

#[test]
fn after_a_fatal_failure_every_call_fails_until_the_store_is_opened_anew() {
    let mut store = Embedded::in_memory(ROOMY).unwrap();
    store.commit(&[claim("bob"), receipt("bob", b"")]).unwrap();
    // A row in the way of the next entry: memory and disk disagree.
    let intruder = "INSERT INTO entries VALUES(2, 0, 2, NULL, NULL, x'')";
    store.connection.execute_batch(intruder).unwrap();
    assert!(matches!(store.commit(&[receipt("bob", b"")]), Err(StoreError::Fatal(_))));
    let bob = pychat_proto::UserName::parse("bob").unwrap();
    assert!(matches!(store.commit(&[]), Err(StoreError::Fatal(_))));
    assert!(matches!(store.read(&bob, pychat_proto::Cursor(0), ALL), Err(StoreError::Fatal(_))));
    assert!(matches!(store.account(&bob), Err(StoreError::Fatal(_))));
    assert!(matches!(store.accounts(None, 1), Err(StoreError::Fatal(_))));
    assert!(matches!(store.position(&bob, LAPTOP), Err(StoreError::Fatal(_))));
    assert!(matches!(store.keys(&bob), Err(StoreError::Fatal(_))));
    assert!(matches!(store.flush(), Err(StoreError::Fatal(_))));
    let mut store = Embedded::from_connection(store.into_connection(), ROOMY).unwrap();
    store.commit(&[receipt("bob", b"")]).unwrap();
}
