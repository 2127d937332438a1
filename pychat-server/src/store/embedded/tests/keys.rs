//! Rows of end-to-end keys: nothing of them stays in memory, and a damaged one is noticed.

use super::Embedded;
use crate::store::{
    MailboxStore, StoreError,
    contract::words::{
        ROOMY, claim, claim_prekey, claimed_prekey, own_keys, prekey, publish, publish_device, user,
    },
};

fn with_bob() -> Embedded {
    let mut store = Embedded::in_memory(ROOMY).unwrap();
    store.commit(&[claim("bob"), publish_device("bob", 1, 100), publish("bob", 0, 3)]).unwrap();
    store
}

#[test]
fn a_claim_that_failed_took_nothing() {
    let mut store = with_bob();
    store.connection.commit_hook(Some(|| true)).unwrap();
    for _ in 0..3 {
        let refused = store.commit(&[claim_prekey("bob"), publish_device("bob", 2, 100)]);
        assert!(matches!(refused, Err(StoreError::NotWritten(_))), "{refused:?}");
    }
    store.connection.commit_hook(None::<fn() -> bool>).unwrap();
    let answers = store.commit(&[claim_prekey("bob")]).unwrap();
    assert_eq!(answers.into_iter().map(claimed_prekey).next(), Some(prekey(0)));
    assert_eq!(own_keys(&mut store, "bob").unwrap().device, [1; 32]);
}

#[test]
fn what_changes_nothing_is_not_written() {
    let mut store = with_bob();
    store.commit(&[claim_prekey("bob"), claim_prekey("bob"), claim_prekey("bob")]).unwrap();
    // Nothing can be written, and nothing has to.
    store.connection.commit_hook(Some(|| true)).unwrap();
    let same = [publish_device("bob", 1, 100), publish("bob", 0, 3), claim_prekey("bob")];
    assert_eq!(store.commit(&same).map(|answers| answers.len()), Ok(3));
}

#[test]
fn a_damaged_row_stops_the_store() {
    for damage in [
        "device = x''",
        "device = zeroblob(257)",
        "fallback = zeroblob(129)",
        "next = -1",
        "prekeys = x'02ff'",
        "prekeys = x'00'",
    ] {
        let read = |store: &mut Embedded| store.keys(&user("bob")).map(|_| ());
        let write = |store: &mut Embedded| store.commit(&[claim_prekey("bob")]).map(|_| ());
        for ask in [&read as &dyn Fn(&mut Embedded) -> _, &write] {
            let mut store = with_bob();
            store.connection.execute_batch(&format!("UPDATE keys SET {damage}")).unwrap();
            assert!(matches!(ask(&mut store), Err(StoreError::Fatal(_))), "{damage}");
            assert!(matches!(store.commit(&[]), Err(StoreError::Fatal(_))), "{damage}");
        }
    }
}

#[test]
fn a_name_that_was_freed_by_hand_comes_without_keys() {
    let connection = with_bob().into_connection();
    connection.execute_batch("UPDATE users SET key = NULL, display = NULL, since = NULL").unwrap();
    let mut store = Embedded::from_connection(connection, ROOMY).unwrap();
    assert_eq!(own_keys(&mut store, "bob"), None);
    store.commit(&[claim("bob")]).unwrap();
    let mut store = Embedded::from_connection(store.into_connection(), ROOMY).unwrap();
    let keys = own_keys(&mut store, "bob").unwrap();
    assert_eq!((keys.device, keys.unused, keys.next), (Vec::new(), 0, 0));
}
