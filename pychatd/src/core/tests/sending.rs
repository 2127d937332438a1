//! `send`, `cancel`, expiry: what is kept, what is told and when.

use super::world::{World, text};
use crate::core::{Limits, send::KEY_CHARS_MAX};
use pychat_control::{ErrorCode, EventKind, Failure, Request, SendParams, Sent, State};
use pychat_proto::chat::TEXT_BYTES_MAX;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

#[test]
fn each_state_is_told_once_it_is_true_and_in_order() {
    let mut world = World::connected(2);
    let wait = |world: &mut World, wait| {
        world.request::<Sent>(0, Request::Send(text("bob", "hello", wait))).unwrap().state
    };
    assert_eq!(wait(&mut world, State::Queued), State::Queued);
    assert_eq!(wait(&mut world, State::Accepted), State::Accepted);
    assert_eq!(wait(&mut world, State::Delivered), State::Delivered);
    let token = world.ask(0, Request::Send(text("bob", "last", State::Read)));
    world.until("all four", |world| world.server.texts.len() == 4);
    assert_eq!(world.received(1), ["hello", "hello", "hello", "last"]);
    assert!(world.answer(0, token).is_none(), "nobody has read it");
    let last = world.inbox(1).pop().unwrap().id;
    let _: pychat_control::Empty =
        world.request(1, Request::MarkRead { ids: vec![last.clone()] }).unwrap();
    world.until("the receipt", |world| {
        world.daemons[0].events.iter().any(|event| {
            matches!(&event.what, EventKind::State { id, state: State::Read, .. } if *id == last)
        })
    });
    assert!(world.answer(0, token).unwrap().is_ok());
    assert_eq!(world.life(0, &last), ["queued", "sent", "accepted", "delivered", "read"]);
    assert_eq!(world.life(1, &last), ["received", "read"]);
    assert_eq!(world.received(1).len(), 3);
}

#[test]
fn a_message_to_oneself_is_like_any_other() {
    let mut world = World::connected(1);
    let sent: Sent =
        world.request(0, Request::Send(text("alice", "note", State::Delivered))).unwrap();
    assert_eq!(world.received(0), ["note"]);
    let token = world.ask(0, Request::MarkRead { ids: vec![sent.id.clone()] });
    world.until("the answer", |world| world.daemons[0].answers_to(token));
    world.until("the receipt", |world| {
        world.daemons[0]
            .events
            .iter()
            .any(|event| matches!(&event.what, EventKind::State { state: State::Read, .. }))
    });
    let history = world.history(0);
    assert_eq!(history.len(), 1, "it is there once");
    assert_eq!((history[0].state, history[0].received_at.is_none()), (State::Read, true));
}

#[test]
fn the_same_key_is_the_same_message() {
    let mut world = World::connected(2);
    let keyed = |body: &str| SendParams {
        key: Some("job-7".to_owned()),
        ..text("bob", body, State::Accepted)
    };
    let first: Sent = world.request(0, Request::Send(keyed("once"))).unwrap();
    let again: Sent = world.request(0, Request::Send(keyed("once"))).unwrap();
    assert_eq!(first.id, again.id);
    world.restart(0);
    let again: Sent = world.request(0, Request::Send(keyed("once"))).unwrap();
    assert_eq!(first.id, again.id);
    assert_eq!(world.stored_texts(), ["once"]);
    let other = world.request::<Sent>(0, Request::Send(keyed("another"))).unwrap_err();
    assert_eq!(other.code, ErrorCode::Usage);
    assert_eq!(world.life(0, "job-7")[0], "queued", "the key names the message");
}

#[test]
fn keys_and_texts_are_bounded_exactly() {
    let mut world = World::connected(2);
    let mut send = |body: usize, key: usize| {
        let key = Some("k".repeat(key));
        let params = SendParams { key, ..text("bob", &"x".repeat(body), State::Queued) };
        world.request::<Sent>(0, Request::Send(params)).map_err(|failure| failure.code)
    };
    assert!(send(TEXT_BYTES_MAX, 1).is_ok());
    assert_eq!(send(TEXT_BYTES_MAX + 1, 2), Err(ErrorCode::Usage));
    assert_eq!(send(0, 3), Err(ErrorCode::Usage));
    assert!(send(1, KEY_CHARS_MAX).is_ok());
    assert_eq!(send(1, KEY_CHARS_MAX + 1), Err(ErrorCode::Usage));
    assert_eq!(send(1, 0), Err(ErrorCode::Usage));
    world.until("the long text", |world| world.server.texts.len() == 2);
    assert_eq!(world.stored_texts()[0].len(), TEXT_BYTES_MAX);
}

#[test]
fn the_outbox_is_full_exactly_at_its_bound() {
    let mut world = World::connected(2);
    world.limit(0, Limits { outbox_texts: 3, ..Limits::default() });
    world.online = false;
    for _ in 0..3 {
        world.queue(0, "bob", "waits");
    }
    let failure = world
        .request::<Sent>(0, Request::Send(text("bob", "too much", State::Queued)))
        .unwrap_err();
    assert_eq!(failure.code, ErrorCode::LimitReached);
    assert_eq!(world.status(0).queued, 3);
    world.online = true;
    world.until("room", |world| world.server.texts.len() == 3);
    world.send(0, "bob", "fits again").unwrap();
    assert_eq!(world.status(0).queued, 0);
}

#[test]
fn a_send_that_times_out_stays_queued_and_goes_out_later() {
    let mut world = World::connected(2);
    world.online = false;
    let failure = world.send(0, "bob", "patient").unwrap_err();
    assert_eq!(failure.code, ErrorCode::TimedOut);
    assert_eq!(failure.sent.unwrap().state, State::Queued);
    world.online = true;
    world.until("the text", |world| world.stored_texts() == ["patient"]);
    world.until("its arrival", |world| {
        world.daemons[1].events.iter().any(|event| event.cursor.is_some())
    });
    world.pass(Duration::from_secs(1));
    assert_eq!(world.status(0).queued, 0);
    assert_eq!(world.received(1), ["patient"]);
}

#[test]
fn only_what_was_never_handed_over_can_be_cancelled() {
    let mut world = World::connected(2);
    world.server.holds = true;
    let handed = world.queue(0, "bob", "on its way");
    let late = world.request::<Sent>(0, Request::Cancel { id: handed.id.clone() }).unwrap_err();
    assert_eq!((late.code, late.sent.unwrap().state), (ErrorCode::Other, State::Queued));

    world.request::<pychat_control::Empty>(0, Request::Disconnect {}).unwrap();
    let doomed = world.queue(0, "bob", "never sent");
    world.queue(0, "bob", "after it");
    for _ in 0..2 {
        let cancelled: Sent = world.request(0, Request::Cancel { id: doomed.id.clone() }).unwrap();
        assert_eq!(cancelled.state, State::Cancelled);
    }
    world.server.holds = false;
    world.connect(0, "alice").unwrap();
    world.until("the others", |world| world.daemons[0].core.stored.queued == 0);
    assert_eq!(world.stored_texts(), ["on its way", "after it"]);
    assert_eq!(world.life(0, &doomed.id), ["queued", "cancelled"]);
    let unknown = world.request::<Sent>(0, Request::Cancel { id: "what".to_owned() }).unwrap_err();
    assert_eq!(unknown.code, ErrorCode::Usage);
}

#[test]
fn what_expires_was_never_sent_and_what_was_sent_never_expires() {
    let mut world = World::connected(2);
    let expiring = |body: &str| SendParams {
        expire_ms: Some(2_000),
        timeout_ms: 60_000,
        ..text("bob", body, State::Accepted)
    };
    world.server.holds = true;
    let handed = world.ask(0, Request::Send(expiring("handed over")));
    world.pass(Duration::from_secs(3));
    world.request::<pychat_control::Empty>(0, Request::Disconnect {}).unwrap();
    let started = world.now.unix_ms;
    let failure = world.request::<Sent>(0, Request::Send(expiring("too late"))).unwrap_err();
    assert_eq!(failure.sent.unwrap().state, State::Expired);
    assert_eq!(world.now.unix_ms - started, 2_000);
    world.server.holds = false;
    world.connect(0, "alice").unwrap();
    world.until("the first", |world| world.stored_texts() == ["handed over"]);
    assert!(world.answer(0, handed).unwrap().is_ok());
}

#[test]
fn a_refused_message_is_told_with_its_reason_and_blocks_nothing() {
    let mut world = World::connected(2);
    world.server.full = Some("bob".parse().unwrap());
    let tokens: Vec<u64> = [("nobody", "a"), ("alice", "b"), ("bob", "c"), ("alice", "d")]
        .into_iter()
        .map(|(to, body)| world.ask(0, Request::Send(text(to, body, State::Accepted))))
        .collect();
    world.until("the last", |world| world.stored_texts() == ["b", "d"]);
    world.pass(Duration::from_secs(1));
    let answers: Vec<Result<_, Failure>> =
        tokens.into_iter().map(|token| world.answer(0, token).unwrap()).collect();
    let codes: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().err().map(|f| f.code)).collect();
    let expected = [Some(ErrorCode::NoSuchUser), None, Some(ErrorCode::LimitReached), None];
    assert_eq!(codes, expected);
    assert_eq!(world.status(0).queued, 0);
    let refused = world.history(0).remove(0);
    assert_eq!(refused.state, State::Refused);
    assert_eq!(refused.reason.as_deref(), Some("no such user"));
}

#[test]
fn a_refusal_outlives_a_crash_before_its_skip() {
    let mut world = World::connected(2);
    world.server.holds = true;
    world.queue(0, "nobody", "a");
    world.queue(0, "bob", "b");
    world.restart(0);
    world.link(0, pychat_control::Link::Connected);
    // The refusal is on disk, the skip was lost.
    world.sql(0, "UPDATE outbox SET given_up = 1, payload = x'' WHERE first_seq = 1;");
    world.server.holds = false;
    world.until("the second", |world| world.stored_texts() == ["b"]);
}

#[test]
fn many_sends_of_one_wake_up_cost_one_flush() {
    let mut world = World::connected(2);
    world.online = false;
    let flushes = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&flushes);
    world.crash(0, Limits::default(), |connection| connection);
    let connection = &mut world.daemons[0].core.database;
    connection.on_commit(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    });
    world.pass(Duration::from_millis(1));
    flushes.store(0, Ordering::Relaxed);
    let tokens: Vec<u64> = (0..100)
        .map(|n| world.ask(0, Request::Send(text("bob", &n.to_string(), State::Queued))))
        .collect();
    world.until("the last", |world| world.daemons[0].answers_to(*tokens.last().unwrap()));
    assert_eq!(flushes.load(Ordering::Relaxed), 1);
    world.online = true;
    world.until("all", |world| world.server.texts.len() == 100);
    let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(world.stored_texts(), expected);
}
