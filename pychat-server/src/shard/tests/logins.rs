//! Who comes in, and who has to go.

use super::{Options, World, person::Device, store::Mood};
use crate::shard::{CURSOR_MAX, Registration};
use pychat_proto::{
    CloseCode, Cursor, DisplayName, StreamId,
    chat::{Call, Reply},
};
use std::time::Duration;

#[test]
fn a_name_belongs_to_the_key_that_claimed_it_first() {
    let (mut world, [_alice]) = World::with_people(Options::default(), ["alice"]);
    let thief = world.join(Device::new("alice", 99));
    world.settle();
    let (code, reason) = world.person(thief).ended[0].clone();
    assert_eq!(code, CloseCode::NameTaken);
    assert!(reason.contains("alice belongs to another device"), "{reason}");
    assert_eq!(world.person(thief).connected, 0);
}

#[test]
fn of_two_who_claim_a_name_at_once_one_gets_it() {
    let (mut world, [bob]) = World::with_people(Options::default(), ["bob"]);
    let both = [11, 12].map(|number| world.join(Device::new("alice", number)));
    for person in both {
        world.write(person, "bob", &format!("from {person}"));
    }
    world.run(Duration::from_secs(30));
    let connected = both.map(|person| world.person(person).client.is_connected());
    assert_ne!(connected[0], connected[1]);
    let [winner, loser] = if connected[0] { both } else { [both[1], both[0]] };
    assert_eq!(world.person(bob).texts(), [format!("from {winner}")]);
    assert_eq!(world.person(loser).ended[0].0, CloseCode::NameTaken);
}

#[test]
fn a_device_that_logs_in_anew_replaces_its_older_session() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.write(bob, "alice", "one");
    world.settle();
    // A copy of the profile, on another address.
    let mut copy = Device::new("alice", 1);
    copy.login.cursor = world.person(alice).inbox[0].0;
    let copy = world.join(copy);
    world.run(Duration::from_millis(500));
    assert_eq!(world.person(alice).ended[0].0, CloseCode::Replaced);
    assert!(world.person(copy).client.is_connected());
    let now = world.now().mono;
    world.person(alice).client.close(now);
    world.write(bob, "alice", "two");
    world.run(Duration::from_secs(10));
    assert_eq!(world.person(copy).texts(), ["two"]);
    assert_eq!(world.shards.iter().map(super::super::Shard::sessions).sum::<usize>(), 2);
}

#[test]
fn a_new_display_name_is_seen_by_others() {
    let (mut world, [_alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.leave(bob);
    let mut device = Device::new("bob", 2);
    device.login.name = DisplayName::parse("Robert").unwrap();
    let robert = world.join(device);
    world.settle();
    world.leave(robert);
    let (now, user) = (world.now().mono, world.person(bob).user);
    world.person(0).ask(now, &Call::User { name: user });
    world.settle();
    let Some(Reply::User(Some(state))) = world.person(0).replies.pop() else { panic!("no bob") };
    assert_eq!(state.name.as_str(), "Robert");
}

#[test]
fn newcomers_need_a_code_where_codes_are_asked_for() {
    let registration = Registration::Invite(vec!["sesame".into()]);
    let mut world = World::new(Options { registration, ..Options::default() });
    for (number, invite, let_in) in
        [(1, None, false), (2, Some("salt"), false), (3, Some("sesame"), true)]
    {
        let mut device = Device::new(&format!("user{number}"), number);
        device.login.invite = invite.map(ToOwned::to_owned);
        let person = world.join(device);
        world.settle();
        assert_eq!(world.person(person).client.is_connected(), let_in, "{invite:?}");
        let ended = &world.person(person).ended;
        assert!(let_in || ended[0].0 == CloseCode::NotPermitted, "{ended:?}");
    }
}

#[test]
fn who_has_a_name_needs_no_code() {
    let registration = Registration::Invite(vec!["sesame".into()]);
    let mut world = World::new(Options { registration, ..Options::default() });
    let mut device = Device::new("alice", 1);
    device.login.invite = Some("sesame".into());
    let first = world.join(device.clone());
    world.settle();
    world.leave(first);
    device.login.invite = None;
    let again = world.join(device);
    world.settle();
    assert!(world.person(again).client.is_connected());
}

#[test]
fn a_closed_server_takes_nobody_new() {
    let registration = Registration::Closed;
    let mut world = World::new(Options { registration, ..Options::default() });
    let person = world.join_as("alice");
    world.settle();
    assert_eq!(world.person(person).ended[0].0, CloseCode::NotPermitted);
}

#[test]
fn a_cursor_that_makes_no_sense_is_refused_and_the_greatest_that_does_is_taken() {
    let mut world = World::new(Options::default());
    for (number, cursor, let_in) in [(1, CURSOR_MAX, true), (2, CURSOR_MAX.next(), false)] {
        let mut device = Device::new(&format!("user{number}"), number);
        device.login.cursor = cursor;
        let person = world.join(device);
        world.settle();
        assert_eq!(world.person(person).client.is_connected(), let_in);
        let ended = &world.person(person).ended;
        assert!(let_in || ended[0].0 == CloseCode::BadLogin, "{ended:?}");
    }
}

#[test]
fn entries_for_a_client_that_knows_more_than_the_server_come_after_its_cursor() {
    let (mut world, [_alice]) = World::with_people(Options::default(), ["alice"]);
    let mut device = Device::new("bob", 50);
    device.login.cursor = Cursor(5_000);
    let bob = world.join(device);
    world.settle();
    world.write(0, "bob", "hello");
    world.settle();
    let (cursor, _) = world.person(bob).inbox[0];
    assert!(cursor > Cursor(5_000), "{cursor}");
    assert_eq!(world.person(bob).texts(), ["hello"]);
}

#[test]
fn a_wiped_device_starts_a_stream_of_its_own() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.write(alice, "bob", "one");
    world.settle();
    world.leave(alice);
    let mut wiped = Device::new("alice", 1);
    wiped.login.stream = StreamId([77; 16]);
    let wiped = world.join(wiped);
    world.settle();
    world.write(wiped, "bob", "two");
    world.settle();
    assert_eq!(world.person(bob).texts(), ["one", "two"]);
}

#[test]
fn a_login_that_the_store_cannot_judge_is_told_to_come_back_and_does() {
    let mut world = World::new(Options::default());
    world.set_mood(Mood::Dead);
    let alice = world.join_as("alice");
    world.run(Duration::from_secs(3));
    assert_eq!(world.person(alice).ended[0].0, CloseCode::ServerFault);
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(60));
    assert!(world.person(alice).client.is_connected());
}

#[test]
fn a_stopping_server_says_when_to_come_back() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let now = world.now();
    for shard in &mut world.shards {
        shard.begin_shutdown(now, Duration::from_secs(10));
    }
    world.run(Duration::from_millis(200));
    for person in [alice, bob] {
        assert_eq!(world.person(person).ended[0].0, CloseCode::Restarting);
    }
    assert!(world.shards.iter().all(|shard| shard.sessions() == 0 && shard.jobs_under_way() == 0));
    let late = world.join_as("carol");
    world.settle();
    assert_eq!(world.person(late).ended[0].0, CloseCode::Restarting);
    world.restart();
    world.run(Duration::from_secs(30));
    for person in [alice, bob, late] {
        assert!(world.person(person).client.is_connected());
    }
}
