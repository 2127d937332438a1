//! `connect` and `disconnect`: keys, names, and what becomes of the queue.

use super::{
    server::Server,
    world::{World, connect, text},
};
use crate::core::connect::WAITERS_MAX;
use pychat_control::{
    ConnectParams, Connected, Empty, ErrorCode, Failure, Link, Request, Sent, State,
};
use pychat_proto::Cursor;
use std::time::Duration;

#[test]
fn the_first_contact_pins_the_key_on_disk() {
    let mut world = World::new(1);
    let connected = world.connect(0, "alice").unwrap();
    assert!(connected.first_contact);
    assert_eq!(connected.server, format!("pychat://server:7420#{}", world.server.key));
    assert_eq!(connected.fingerprint, world.server.key.fingerprint());
    world.restart(0);
    let pinned = world.daemons[0].core.stored.settings.account.as_ref().unwrap().server.key;
    assert_eq!(pinned, Some(world.server.key));
    world.link(0, Link::Connected);
    let again = world.connect(0, "alice").unwrap();
    assert!(!again.first_contact);
}

#[test]
fn a_link_with_another_key_is_not_trusted_without_being_told_to() {
    let mut world = World::connected(2);
    world.request::<Empty>(0, Request::Disconnect {}).unwrap();
    world.queue(0, "bob", "for the new one");
    let mut new = Server::new(9);
    let link = format!("pychat://server#{}", new.key);
    let params = ConnectParams { server: Some(link), ..connect("alice") };
    let failure: Failure =
        world.request::<Connected>(0, Request::Connect(params.clone())).unwrap_err();
    assert_eq!(failure.code, ErrorCode::KeyChanged);
    assert!(failure.message.contains(&world.server.key.fingerprint()), "{failure}");
    assert!(failure.message.contains(&new.key.fingerprint()), "{failure}");
    let hint = failure.hint.unwrap();
    assert!(hint.contains(&format!("--trust-key {}", new.key)), "{hint}");

    let accounts = world.server.accounts.clone();
    new.accounts = accounts;
    new.keys = world.server.keys.clone();
    world.server = new;
    let trust_key = Some(world.server.key.to_string());
    let trusting = ConnectParams { trust_key, ..params };
    world.request::<Connected>(0, Request::Connect(trusting)).unwrap();
    world.until("what was queued", |world| world.stored_texts() == ["for the new one"]);
}

#[test]
fn a_server_whose_key_changed_is_told_from_one_that_is_silent() {
    let mut world = World::connected(1);
    world.server = Server::new(9);
    world.restart(0);
    let patient = ConnectParams { timeout_ms: 120_000, ..connect("alice") };
    let failure = world.request::<Connected>(0, Request::Connect(patient)).unwrap_err();
    assert_eq!(failure.code, ErrorCode::KeyChanged, "{failure}");
    assert!(world.status(0).last_error.unwrap().contains("changed"));
}

/// A server whose disk failed at the very moment of the claim answered "I do not know you" and ended;
/// the daemon took any answer for a yes, and texts to this user were refused as "no such user".
#[test]
fn a_connect_waits_until_the_server_says_that_it_knows_the_user() {
    let mut world = World::new(1);
    world.server.try_later = 3;
    let started = world.now.mono;
    world.connect(0, "alice").unwrap();
    assert!(world.now.mono.since(started) >= Duration::from_millis(1500));
    assert_eq!(world.server.try_later, 0);
}

#[test]
fn a_name_of_another_key_is_refused() {
    let mut world = World::connected(2);
    world.server.accounts.insert("mallory".parse().unwrap(), world.server.key);
    let failure = world.connect(0, "mallory").unwrap_err();
    assert_eq!(failure.code, ErrorCode::Refused);
    assert_eq!(world.status(0).link, Link::Refused);
    let failure = world.send(0, "bob", "into the void").unwrap_err();
    assert_eq!(failure.code, ErrorCode::Refused);
    assert!(world.history(0).is_empty(), "it was not kept");
    world.connect(0, "alice").unwrap();
}

#[test]
fn without_an_answer_it_times_out_and_goes_on() {
    let mut world = World::new(1);
    world.online = false;
    let started = world.now.mono;
    let failure = world.connect(0, "alice").unwrap_err();
    assert_eq!(failure.code, ErrorCode::TimedOut);
    assert_eq!(world.now.mono.since(started), Duration::from_secs(10));
    assert_eq!(world.status(0).link, Link::Connecting);
    world.online = true;
    world.link(0, Link::Connected);
}

#[test]
fn a_host_that_does_not_resolve_is_asked_for_again() {
    let mut world = World::new(1);
    let params = ConnectParams { server: Some("nowhere".to_owned()), ..connect("alice") };
    let failure = world.request::<Connected>(0, Request::Connect(params)).unwrap_err();
    assert!(failure.message.contains("no such host"), "{failure}");
    let before = world.daemons[0].resolves;
    assert!((3..=5).contains(&before), "1, 2, 4 s: {before}");
    world.pass(Duration::from_secs(60));
    assert!((2..=4).contains(&(world.daemons[0].resolves - before)), "30 s at most");
}

#[test]
fn a_restart_keeps_the_wish_to_be_connected_or_not() {
    let mut world = World::connected(1);
    world.restart(0);
    world.link(0, Link::Connected);
    world.request::<Empty>(0, Request::Disconnect {}).unwrap();
    world.restart(0);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.status(0).link, Link::Disconnected);
    assert_eq!(world.daemons[0].resolves, 0);
}

#[test]
fn another_user_is_not_let_in_while_messages_wait() {
    let mut world = World::connected(2);
    world.request::<Empty>(0, Request::Disconnect {}).unwrap();
    let queued = world.queue(0, "bob", "wait");
    let failure = world.connect(0, "alice2").unwrap_err();
    assert_eq!(failure.code, ErrorCode::Other);
    assert!(failure.message.contains("1 messages of alice"), "{failure}");
    world.request::<Sent>(0, Request::Cancel { id: queued.id }).unwrap();
    let before = world.daemons[0].core.stored.settings.clone();
    world.connect(0, "alice2").unwrap();
    let after = world.daemons[0].core.stored.settings.clone();
    assert_ne!(before.account.unwrap().stream, after.account.unwrap().stream);
    assert_eq!(after.cursor, Cursor::NONE);
}

#[test]
fn what_was_queued_before_any_login_goes_out_under_the_name_that_got_in() {
    let mut world = World::connected(2);
    world.server.accounts.insert("taken".parse().unwrap(), world.server.key);
    let mut fresh = World::new(1);
    std::mem::swap(&mut fresh.server, &mut world.server);
    fresh.online = false;
    fresh.connect(0, "taken").unwrap_err();
    fresh.queue(0, "bob", "hello");
    fresh.online = true;
    fresh.link(0, Link::Refused);
    fresh.connect(0, "free").unwrap();
    fresh.until("the text", |world| world.stored_texts() == ["hello"]);
    assert_eq!(fresh.history(0)[0].from, "free");
}

#[test]
fn a_new_display_name_logs_in_again_and_keeps_the_stream() {
    let mut world = World::connected(2);
    world.send(0, "bob", "one").unwrap();
    let stream = world.daemons[0].core.stored.settings.account.clone().unwrap().stream;
    let params = ConnectParams { name: "Alice the Second".to_owned(), ..connect("alice") };
    let connected: Connected = world.request(0, Request::Connect(params)).unwrap();
    assert_eq!(connected.name, "Alice the Second");
    assert_eq!(world.daemons[0].core.stored.settings.account.clone().unwrap().stream, stream);
    world.send(0, "bob", "two").unwrap();
    assert_eq!(world.stored_texts(), ["one", "two"]);
}

#[test]
fn requests_before_any_connect_say_what_to_do() {
    let mut world = World::new(1);
    let send = Request::Send(text("bob", "x", State::Queued));
    assert_eq!(world.request::<Sent>(0, send).unwrap_err().code, ErrorCode::NotConnected);
    let params = ConnectParams { server: None, ..connect("alice") };
    let failure = world.request::<Connected>(0, Request::Connect(params)).unwrap_err();
    assert_eq!(failure.code, ErrorCode::Usage);
    let params = ConnectParams { user: "Alice".to_owned(), ..connect("alice") };
    let failure = world.request::<Connected>(0, Request::Connect(params)).unwrap_err();
    assert_eq!(failure.code, ErrorCode::Usage);
    assert_eq!(world.status(0).user, None);
}

#[test]
fn a_shutdown_answers_everybody_and_says_goodbye() {
    let mut world = World::connected(2);
    world.server.holds = true;
    let waiting = world.ask(0, Request::Send(text("bob", "x", State::Accepted)));
    world.pass(Duration::from_secs(1));
    world.request::<Empty>(0, Request::Shutdown {}).unwrap();
    assert!(world.daemons[0].shut_down);
    let failure = world.answer(0, waiting).unwrap().unwrap_err();
    assert_eq!((failure.code, failure.sent.unwrap().state), (ErrorCode::TimedOut, State::Queued));
    world.pass(Duration::from_millis(100));
    assert_eq!(world.server.endpoint.sessions(), 1, "only bob is left");
}

#[test]
fn connects_that_wait_are_bounded_exactly() {
    let mut world = World::new(1);
    world.online = false;
    let tokens: Vec<u64> =
        (0..=WAITERS_MAX).map(|_| world.ask(0, Request::Connect(connect("alice")))).collect();
    world.pass(Duration::from_millis(1));
    let refused = world.answer(0, tokens[WAITERS_MAX]).unwrap().unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitReached);
    world.online = true;
    world.link(0, Link::Connected);
    for token in &tokens[..WAITERS_MAX] {
        assert!(world.answer(0, *token).unwrap().is_ok());
    }
}
