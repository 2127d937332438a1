//! What [`MailboxStore`] promises of end-to-end keys.

use super::{
    Engine,
    words::{
        claim, claim_prekey, claimed_prekey, own_keys, prekey, publish, publish_device,
        publish_one, user,
    },
};
use crate::store::{Answer, Command, MailboxStore, PREKEY_NUMBER_MAX};
use pychat_proto::chat::{OwnKeys, PREKEYS_MAX};

/// A bound that a count of tests goes up to.
const MOST: u64 = PREKEYS_MAX as u64;

/// A store in which bob has a device, `1`, its fallback key, `100`, and so many one-time keys.
fn with_bob(engine: &mut impl Engine, prekeys: u64) -> &mut dyn MailboxStore {
    let store = engine.store();
    store
        .commit(&[claim("bob"), publish_device("bob", 1, 100), publish("bob", 0, prekeys)])
        .unwrap();
    store
}

pub(in crate::store) fn keys_survive_a_crash(engine: &mut impl Engine) {
    with_bob(engine, 3);
    let expected = OwnKeys { device: vec![1; 32], fallback: vec![100; 32], unused: 3, next: 3 };
    assert_eq!(own_keys(engine.store(), "bob"), Some(expected.clone()));
    engine.crash();
    assert_eq!(own_keys(engine.store(), "bob"), Some(expected));
}

pub(in crate::store) fn nobody_has_no_keys(engine: &mut impl Engine) {
    let store = engine.store();
    let batch =
        [publish_device("bob", 1, 100), publish("bob", 0, 2), claim_prekey("bob"), claim("bob")];
    let answers = store.commit(&batch).unwrap();
    assert_eq!(answers[..3], [Answer::Keys(None), Answer::Keys(None), Answer::Prekey(None)]);
    assert_eq!(own_keys(store, "eve"), None);
    let none = OwnKeys { device: Vec::new(), fallback: Vec::new(), unused: 0, next: 0 };
    assert_eq!(own_keys(store, "bob"), Some(none));
}

pub(in crate::store) fn a_prekey_is_handed_out_once_and_the_oldest_first(engine: &mut impl Engine) {
    with_bob(engine, 6);
    let store = engine.store();
    let answers = store.commit(&[claim_prekey("bob"), claim_prekey("bob")]).unwrap();
    let taken: Vec<_> = answers.into_iter().map(claimed_prekey).collect();
    assert_eq!(taken, [prekey(0), prekey(1)]);
    engine.crash();
    let one = |engine: &mut dyn MailboxStore| {
        claimed_prekey(engine.commit(&[claim_prekey("bob")]).unwrap().remove(0))
    };
    assert_eq!(one(engine.store()), prekey(2));
    engine.store().flush().unwrap();
    assert_eq!(one(engine.store()), prekey(3));
    engine.crash();
    assert_eq!(one(engine.store()), prekey(4));
    assert_eq!(own_keys(engine.store(), "bob").unwrap().unused, 1);
}

pub(in crate::store) fn a_prekey_number_is_never_taken_again(engine: &mut impl Engine) {
    with_bob(engine, 3);
    let before = own_keys(engine.store(), "bob");
    engine.store().commit(&[publish("bob", 0, 3)]).unwrap();
    assert_eq!(own_keys(engine.store(), "bob"), before);
    engine.store().commit(&[claim_prekey("bob"), publish("bob", 0, 2)]).unwrap();
    engine.crash();
    engine.store().commit(&[publish("bob", 0, 3)]).unwrap();
    let after = own_keys(engine.store(), "bob").unwrap();
    assert_eq!((after.unused, after.next), (2, 3));
    // Of a batch that is new in part the new part is taken, and a gap is never filled.
    engine
        .store()
        .commit(&[publish("bob", 1, 4), publish("bob", 9, 1), publish("bob", 7, 2)])
        .unwrap();
    let after = own_keys(engine.store(), "bob").unwrap();
    assert_eq!((after.unused, after.next), (5, 10));
}

pub(in crate::store) fn another_device_begins_anew(engine: &mut impl Engine) {
    let store = with_bob(engine, 3);
    store.commit(&[publish_device("bob", 2, 101)]).unwrap();
    let anew = OwnKeys { device: vec![2; 32], fallback: vec![101; 32], unused: 0, next: 0 };
    assert_eq!(own_keys(store, "bob"), Some(anew.clone()));
    store.commit(&[publish("bob", 0, 1)]).unwrap();
    engine.crash();
    assert_eq!(own_keys(engine.store(), "bob"), Some(OwnKeys { unused: 1, next: 1, ..anew }));
}

pub(in crate::store) fn the_same_device_with_another_fallback_changes_that_alone(
    engine: &mut impl Engine,
) {
    let store = with_bob(engine, 3);
    store.commit(&[publish_device("bob", 1, 101)]).unwrap();
    let expected = OwnKeys { device: vec![1; 32], fallback: vec![101; 32], unused: 3, next: 3 };
    assert_eq!(own_keys(store, "bob"), Some(expected));
}

pub(in crate::store) fn prekeys_beyond_the_most_are_passed_over_and_may_come_again(
    engine: &mut impl Engine,
) {
    let store = with_bob(engine, MOST - 1);
    let answers = store.commit(&[publish("bob", MOST - 1, 3)]).unwrap();
    let Answer::Keys(Some(keys)) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!((u64::from(keys.unused), keys.next), (MOST, MOST));
    store.commit(&[claim_prekey("bob"), publish("bob", MOST - 1, 3)]).unwrap();
    let keys = own_keys(store, "bob").unwrap();
    assert_eq!((u64::from(keys.unused), keys.next), (MOST, MOST + 1));
}

pub(in crate::store) fn the_fallback_is_handed_out_when_no_prekey_is_left(
    engine: &mut impl Engine,
) {
    with_bob(engine, 1);
    let batch = [claim_prekey("bob"), claim_prekey("bob"), claim_prekey("bob")];
    let answers = engine.store().commit(&batch).unwrap();
    let taken: Vec<_> = answers.into_iter().map(claimed_prekey).collect();
    assert_eq!(taken, [prekey(0), vec![100; 32], vec![100; 32]]);
    engine.crash();
    let answers = engine.store().commit(&[publish("bob", 1, 1), claim_prekey("bob")]).unwrap();
    assert_eq!(answers.into_iter().map(claimed_prekey).next_back(), Some(prekey(1)));
}

pub(in crate::store) fn a_user_without_a_device_has_no_prekeys(engine: &mut impl Engine) {
    let store = engine.store();
    let batch = [claim("bob"), publish("bob", 0, 2), claim_prekey("bob")];
    let answers = store.commit(&batch).unwrap();
    let Answer::Prekey(Some(keys)) = &answers[2] else { panic!("{answers:?}") };
    assert!(keys.device.is_empty() && keys.prekey.is_empty());
    assert_eq!(own_keys(store, "bob").unwrap().next, 0);
}

pub(in crate::store) fn prekey_numbers_end_at_their_bound(engine: &mut impl Engine) {
    let store = with_bob(engine, 0);
    let last = |first: u64| Command::PublishPrekeys {
        user: user("bob"),
        first,
        keys: [1, 2].map(publish_one).to_vec(),
    };
    store.commit(&[last(PREKEY_NUMBER_MAX), last(PREKEY_NUMBER_MAX + 1), last(u64::MAX)]).unwrap();
    engine.crash();
    let keys = own_keys(engine.store(), "bob").unwrap();
    assert_eq!((keys.unused, keys.next), (1, PREKEY_NUMBER_MAX + 1));
}

pub(in crate::store) fn keys_of_users_do_not_mix(engine: &mut impl Engine) {
    with_bob(engine, 2);
    let store = engine.store();
    store.commit(&[claim("ann"), publish_device("ann", 9, 200), claim_prekey("ann")]).unwrap();
    assert_eq!(own_keys(store, "bob").unwrap().unused, 2);
    assert_eq!(own_keys(store, "ann").unwrap().device, [9; 32]);
}
