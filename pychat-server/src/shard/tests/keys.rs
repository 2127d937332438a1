//! End-to-end keys: published by their user, and handed out once.

use super::{Options, World, person::Device, store::Mood};
use crate::{committer::home, shard::CLAIMS_PER_MINUTE_MAX};
use pychat_proto::{
    UserName,
    chat::{Call, OwnKeys, PREKEYS_PER_CALL_MAX, Prekey, Reply, UserKeys},
};
use std::{collections::BTreeSet, time::Duration};

const DEVICE: &[u8] = b"device";
const FALLBACK: &[u8] = b"fallback";

fn publish_device() -> Call {
    Call::PublishDevice { device: DEVICE.into(), fallback: FALLBACK.into() }
}

fn publish(first: u64, count: u64) -> Call {
    let key = |number: u64| Prekey(number.to_be_bytes().to_vec());
    Call::PublishPrekeys { first, keys: (first..first + count).map(key).collect() }
}

fn keys_of(user: &str, claim: bool) -> Call {
    Call::UserKeys { user: UserName::parse(user).unwrap(), claim }
}

fn own(unused: u32, next: u64) -> Reply {
    let (device, fallback) = (DEVICE.to_vec(), FALLBACK.to_vec());
    Reply::OwnKeys(OwnKeys { device, fallback, unused, next })
}

fn with(prekey: &[u8]) -> Reply {
    Reply::UserKeys(Some(UserKeys { device: DEVICE.into(), prekey: prekey.into() }))
}

fn numbered(number: u64) -> Reply {
    with(&number.to_be_bytes())
}

impl World {
    /// What a person is answered.
    fn answer(&mut self, who: usize, call: &Call) -> Reply {
        self.ask(who, call);
        // No time passes on this network.
        self.run(Duration::from_millis(1));
        self.person(who).replies.pop().expect("an answer")
    }

    fn ask(&mut self, who: usize, call: &Call) {
        let now = self.now().mono;
        self.person(who).ask(now, call);
    }

    /// Somebody who has published so many one-time keys.
    fn with_keys<const N: usize>(names: [&str; N], count: u64) -> (Self, [usize; N]) {
        let (mut world, people) = Self::with_people(Options::default(), names);
        assert_eq!(world.answer(people[0], &publish_device()), own(0, 0));
        for first in (0..count).step_by(PREKEYS_PER_CALL_MAX) {
            let some = (count - first).min(PREKEYS_PER_CALL_MAX as u64);
            world.answer(people[0], &publish(first, some));
        }
        (world, people)
    }
}

#[test]
fn what_is_published_is_handed_out_and_then_the_fallback() {
    let (mut world, [bob, ann]) = World::with_keys(["bob", "ann"], 2);
    assert_eq!(world.answer(bob, &Call::OwnKeys), own(2, 2));
    let questions: u64 = world.shards.iter().map(|shard| shard.counters().calls).sum();
    assert_eq!(questions, 3, "each is counted once");
    assert_eq!(world.answer(ann, &keys_of("bob", false)), with(b""));
    assert_eq!(world.answer(ann, &keys_of("bob", true)), numbered(0));
    assert_eq!(world.answer(ann, &keys_of("bob", true)), numbered(1));
    assert_eq!(world.answer(ann, &keys_of("bob", true)), with(FALLBACK));
    assert_eq!(world.answer(bob, &Call::OwnKeys), own(0, 2));
    // Used numbers stay dead.
    assert_eq!(world.answer(bob, &publish(0, 3)), own(1, 3));
    assert_eq!(world.answer(ann, &keys_of("bob", true)), numbered(2));
}

#[test]
fn a_user_without_keys_is_told_from_nobody() {
    let (mut world, [ann, _bob]) = World::with_people(Options::default(), ["ann", "bob"]);
    let none = UserKeys { device: Vec::new(), prekey: Vec::new() };
    for claim in [false, true] {
        assert_eq!(world.answer(ann, &keys_of("eve", claim)), Reply::UserKeys(None));
        let bob = world.answer(ann, &keys_of("bob", claim));
        assert_eq!(bob, Reply::UserKeys(Some(none.clone())));
    }
    let empty = OwnKeys { device: Vec::new(), fallback: Vec::new(), unused: 0, next: 0 };
    assert_eq!(world.answer(ann, &Call::OwnKeys), Reply::OwnKeys(empty));
}

#[test]
fn sessions_that_claim_at_once_on_several_shards_never_get_the_same_key() {
    let names = ["bob", "ann", "cyd", "dan", "gus"];
    let (mut world, people) = World::with_keys(names, 20);
    let shards: BTreeSet<u8> =
        names[1..].iter().map(|name| home(&UserName::parse(name).unwrap(), 2)).collect();
    assert_eq!(shards.len(), 2);
    for _ in 0..6 {
        people[1..].iter().for_each(|who| world.ask(*who, &keys_of("bob", true)));
    }
    world.run(Duration::from_secs(1));
    let mut taken = Vec::new();
    for who in &people[1..] {
        taken.append(&mut world.person(*who).replies);
    }
    assert_eq!(taken.len(), 24);
    let fallbacks = taken.iter().filter(|reply| **reply == with(FALLBACK)).count();
    assert_eq!(fallbacks, 4);
    assert!((0..20).all(|number| taken.contains(&numbered(number))));
}

#[test]
fn what_cannot_be_written_is_not_done_and_the_key_is_still_there() {
    let (mut world, [bob, ann]) = World::with_keys(["bob", "ann"], 2);
    world.set_mood(Mood::WritesNothing);
    for call in [keys_of("bob", true), keys_of("bob", true)] {
        assert_eq!(world.answer(ann, &call), Reply::TryLater);
    }
    assert_eq!(world.answer(bob, &publish(2, 1)), Reply::TryLater);
    assert_eq!(world.answer(bob, &publish_device()), Reply::TryLater);
    assert_eq!(world.answer(bob, &Call::OwnKeys), own(2, 2), "it can still be read");
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(10));
    assert_eq!(world.answer(ann, &keys_of("bob", true)), numbered(0));
}

#[test]
fn what_was_taken_in_secret_is_not_handed_out_again() {
    let (mut world, [_bob, ann]) = World::with_keys(["bob", "ann"], 2);
    world.set_mood(Mood::WritesInSecret);
    assert_eq!(world.answer(ann, &keys_of("bob", true)), Reply::TryLater);
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(10));
    assert_eq!(world.answer(ann, &keys_of("bob", true)), numbered(1));
}

#[test]
fn keys_outlive_the_servers_process() {
    let (mut world, [bob, ann]) = World::with_keys(["bob", "ann"], 2);
    world.answer(ann, &keys_of("bob", true));
    world.restart();
    world.run(Duration::from_secs(120));
    assert_eq!(world.answer(bob, &Call::OwnKeys), own(1, 2));
    assert_eq!(world.answer(ann, &keys_of("bob", true)), numbered(1));
}

#[test]
fn who_has_no_name_yet_changes_no_keys() {
    let mut world = World::new(Options::default());
    world.set_mood(Mood::WritesNothing);
    let bob = world.join_as("bob");
    world.settle();
    // The claim of the name has failed, and is not tried again before a pause.
    assert_eq!(world.answer(bob, &publish_device()), Reply::TryLater);
    world.set_mood(Mood::Works);
    assert_eq!(world.answer(bob, &publish_device()), Reply::TryLater);
    world.run(Duration::from_secs(10));
    assert_eq!(world.answer(bob, &publish_device()), own(0, 0));
}

#[test]
fn of_two_who_want_a_name_at_once_the_one_who_loses_it_publishes_nothing() {
    let mut world = World::new(Options::default());
    world.set_mood(Mood::WritesNothing);
    let both = [1, 2].map(|number| world.join(Device::new("bob", number)));
    world.settle();
    // Both are in. Their claims of the name are with the store, which has not answered.
    world.is_busy = true;
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(10));
    both.iter().for_each(|who| world.ask(*who, &publish_device()));
    world.run(Duration::from_secs(1));
    for who in both {
        assert!(world.person(who).client.is_connected());
        assert_eq!(world.person(who).replies, [Reply::TryLater]);
    }
    world.is_busy = false;
    world.run(Duration::from_secs(1));
    let mut connected = both.iter().filter(|who| world.person(**who).client.is_connected());
    let winner = *connected.next().expect("one has the name");
    let Reply::OwnKeys(keys) = world.answer(winner, &Call::OwnKeys) else { panic!("no keys") };
    assert!(keys.device.is_empty());
}

#[test]
fn a_session_claims_so_often_a_minute() {
    let (mut world, [_bob, ann, cyd]) = World::with_keys(["bob", "ann", "cyd"], 1);
    for _ in 0..CLAIMS_PER_MINUTE_MAX {
        let reply = world.answer(ann, &keys_of("bob", true));
        assert!(matches!(reply, Reply::UserKeys(Some(_))), "{reply:?}");
    }
    assert_eq!(world.answer(ann, &keys_of("bob", true)), Reply::TryLater);
    assert_eq!(world.answer(ann, &keys_of("bob", false)), with(b""), "to look costs nobody a key");
    assert_eq!(world.answer(cyd, &keys_of("bob", true)), with(FALLBACK));
    world.run(Duration::from_secs(61));
    assert_eq!(world.answer(ann, &keys_of("bob", true)), with(FALLBACK));
}
