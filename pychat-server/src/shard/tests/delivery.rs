//! Texts arrive once, in order, and their senders are told.

use super::{Options, World, person::Reading};
use pychat_proto::{
    Lane, RECORD_WINDOW,
    chat::{self, Call, Presence, Reply, SEALED_BYTES_MAX, ToClient, ToServer},
};
use std::time::Duration;

#[test]
fn a_text_arrives_and_its_sender_hears_of_it() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let id = world.write(alice, "bob", "hello");
    world.settle();
    let (_, entry) = &world.person(bob).inbox[0];
    let ToClient::Text { id: arrived, from, name, accepted_at, body } = entry.clone() else {
        panic!("{entry:?}")
    };
    assert_eq!((arrived, from.as_str(), name.as_str()), (id, "alice", "ALICE"));
    assert_eq!(body, b"hello");
    assert!(accepted_at > 1_700_000_000_000);
    assert_eq!(world.person(alice).delivered(), [id]);
    let last = world.person(alice).last();
    assert_eq!(world.person(alice).committed, last);
}

#[test]
fn many_texts_in_both_directions_arrive_once_and_in_order() {
    for shards in [1, 3] {
        let options = Options { shards, ..Options::default() };
        let (mut world, [alice, bob]) = World::with_people(options, ["alice", "bob"]);
        let bodies: Vec<String> = (0..1_000).map(|number| format!("text {number}")).collect();
        let mut ids = Vec::new();
        for body in &bodies {
            ids.push(world.write(alice, "bob", body));
            world.write(bob, "alice", body);
        }
        world.run(Duration::from_secs(60));
        assert_eq!(world.person(bob).texts(), bodies);
        assert_eq!(world.person(alice).texts(), bodies);
        assert_eq!(world.person(alice).delivered(), ids);
    }
}

#[test]
fn the_longest_text_arrives() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let longest = "x".repeat(SEALED_BYTES_MAX);
    for _ in 0..20 {
        world.write(alice, "bob", &longest);
    }
    world.run(Duration::from_secs(60));
    assert_eq!(world.person(bob).texts(), vec![longest.as_str(); 20]);
}

#[test]
fn a_text_to_oneself_arrives() {
    let (mut world, [alice]) = World::with_people(Options::default(), ["alice"]);
    let id = world.write(alice, "alice", "note to self");
    world.settle();
    assert_eq!(world.person(alice).texts(), ["note to self"]);
    assert_eq!(world.person(alice).delivered(), [id]);
}

#[test]
fn what_came_while_away_is_delivered_at_the_next_login() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.leave(bob);
    let bodies: Vec<String> = (0..600).map(|number| format!("text {number}")).collect();
    let ids: Vec<_> = bodies.iter().map(|body| world.write(alice, "bob", body)).collect();
    world.run(Duration::from_secs(30));
    assert_eq!(world.person(alice).delivered(), []);
    world.come_back(bob);
    world.run(Duration::from_secs(30));
    assert_eq!(world.person(bob).texts(), bodies);
    assert_eq!(world.person(alice).delivered(), ids);
}

#[test]
fn a_slow_reader_gets_no_more_than_the_window_and_then_the_rest() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.person(bob).reading = Reading::Slow;
    let bodies: Vec<String> = (0..700).map(|number| format!("text {number}")).collect();
    world.write_all(alice, "bob", &bodies);
    world.run(Duration::from_secs(30));
    assert_eq!(world.person(bob).texts().len() as u64, RECORD_WINDOW);
    assert_eq!(world.person(alice).delivered(), []);
    let now = world.now().mono;
    world.person(bob).catch_up(now);
    world.run(Duration::from_secs(30));
    assert_eq!(world.person(bob).texts(), bodies);
    assert_eq!(world.person(alice).delivered().len(), 700);
}

#[test]
fn what_was_stored_but_not_committed_is_receipted_at_the_next_login_and_not_sent_again() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.person(bob).reading = Reading::Slow;
    let id = world.write(alice, "bob", "hello");
    world.settle();
    assert_eq!(world.person(alice).delivered(), []);
    // Bob's device has it on disk, and the server process ends before it hears so.
    let (cursor, _) = world.person(bob).inbox[0];
    world.person(bob).client.set_cursor(cursor);
    world.restart();
    world.run(Duration::from_secs(120));
    assert_eq!(world.person(bob).texts(), ["hello"]);
    assert_eq!(world.person(alice).delivered(), [id]);
}

#[test]
fn receipts_of_a_busy_recipient_are_gathered() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.person(bob).reading = Reading::Slow;
    let ids: Vec<_> = (0..200).map(|_| world.write(alice, "bob", "hello")).collect();
    world.settle();
    let now = world.now().mono;
    world.person(bob).catch_up(now);
    world.settle();
    assert_eq!(world.person(alice).delivered(), ids);
    assert!(world.person(alice).inbox.len() <= 5, "{}", world.person(alice).inbox.len());
}

#[test]
fn a_read_receipt_reaches_the_author() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let id = world.write(alice, "bob", "hello");
    world.settle();
    let read = ToServer::Read { to: world.person(alice).user, ids: vec![id] };
    let now = world.now().mono;
    world.person(bob).push(now, &chat::encode(&read));
    world.settle();
    let (_, entry) = world.person(alice).inbox.last().unwrap();
    let ToClient::Read { by, ids, .. } = entry else { panic!("{entry:?}") };
    assert_eq!((by.as_str(), ids.as_slice()), ("bob", [id].as_slice()));
}

#[test]
fn a_server_that_starts_anew_goes_on_where_it_stood() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let mut bodies = Vec::new();
    for round in 0..4 {
        for number in 0..50 {
            let body = format!("{round}.{number}");
            world.write(alice, "bob", &body);
            bodies.push(body);
        }
        world.run(Duration::from_millis(3 * round));
        world.restart();
        world.run(Duration::from_secs(120));
    }
    assert_eq!(world.person(bob).texts(), bodies);
    let last = world.person(alice).last();
    assert_eq!(world.person(alice).committed, last);
    assert!(world.person(alice).connected > 4);
}

#[test]
fn users_are_seen_coming_and_going() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let bob_name = world.person(bob).user;
    let presence = |world: &mut World| {
        let now = world.now().mono;
        world.person(alice).ask(now, &Call::User { name: bob_name });
        world.settle();
        match world.person(alice).replies.pop() {
            Some(Reply::User(Some(state))) => (state.name.to_string(), state.presence),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(presence(&mut world), ("BOB".to_owned(), Presence::Online));
    world.leave(bob);
    assert_eq!(presence(&mut world), ("BOB".to_owned(), Presence::Offline));
    world.come_back(bob);
    assert_eq!(presence(&mut world), ("BOB".to_owned(), Presence::Online));

    let now = world.now().mono;
    world.person(alice).ask(now, &Call::Users { after: None, offline_too: false });
    world.settle();
    let Some(Reply::Users { users, more: false }) = world.person(alice).replies.pop() else {
        panic!("no page of users")
    };
    let users: Vec<&str> = users.iter().map(|state| state.user.as_str()).collect();
    assert_eq!(users, ["alice", "bob"]);
}

#[test]
fn an_idle_session_keeps_nothing_hot() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.write(alice, "bob", "hello");
    world.write(bob, "alice", "hello");
    world.settle();
    for shard in &world.shards {
        assert!(shard.sessions.values().all(|session| session.hot.is_none()));
        assert_eq!(shard.jobs_under_way(), 0);
    }
    assert_eq!(world.person(alice).client.room(Lane::CHAT), RECORD_WINDOW);
}
