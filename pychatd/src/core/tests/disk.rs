//! A full disk: nothing is told as done, nothing is lost, and it heals by itself.

use super::world::{World, text};
use crate::{core::answer, db::DatabaseError};
use pychat_control::{ErrorCode, Link, Request, Sent, State};
use std::time::Duration;

/// From now on, transactions of this daemon fail, or not.
fn fail(world: &mut World, index: usize, fails: bool) {
    world.daemons[index].core.database.on_commit(move || fails);
}

#[test]
fn a_send_that_was_not_kept_says_so() {
    let mut world = World::connected(2);
    fail(&mut world, 0, true);
    let failure = world.send(0, "bob", "lost").unwrap_err();
    assert!(failure.message.contains("not kept"), "{failure}");
    assert!(failure.sent.is_none());
    let status = world.status(0);
    assert_eq!(status.queued, 0);
    assert!(status.last_error.is_some());
    fail(&mut world, 0, false);
    world.send(0, "bob", "kept").unwrap();
    assert_eq!(world.status(0).last_error, None);
    assert_eq!(world.stored_texts(), ["kept"]);
    assert_eq!(world.history(0).len(), 1);
}

#[test]
fn a_full_disk_is_told_as_full() {
    let mut world = World::connected(2);
    world.daemons[0].core.database.bound_pages(1);
    let big = "x".repeat(30_000);
    let failure = world.send(0, "bob", &big).unwrap_err();
    assert_eq!(failure.code, ErrorCode::LimitReached);
    assert!(failure.message.contains("full"), "{failure}");
    world.daemons[0].core.database.bound_pages(1 << 20);
    world.send(0, "bob", &big).unwrap();
}

#[test]
fn what_arrives_is_acknowledged_only_once_it_is_on_disk() {
    let mut world = World::connected(2);
    fail(&mut world, 1, true);
    let failure = world
        .request::<Sent>(0, Request::Send(text("bob", "hold on", State::Delivered)))
        .unwrap_err();
    assert_eq!(failure.sent.unwrap().state, State::Accepted);
    assert!(world.received(1).is_empty());
    assert!(world.daemons[1].events.iter().all(|event| event.cursor.is_none()));
    fail(&mut world, 1, false);
    world.until("the text", |world| world.daemons[1].core.backlog.is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.received(1), ["hold on"]);
    assert_eq!(world.history(0)[0].state, State::Delivered);
}

#[test]
fn a_login_counts_only_once_it_is_on_disk() {
    let mut world = World::connected(2);
    world.restart(0);
    fail(&mut world, 0, true);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.status(0).link, Link::Connecting);
    fail(&mut world, 0, false);
    world.link(0, Link::Connected);
}

#[test]
fn a_failing_disk_is_tried_again_with_growing_pauses() {
    let mut world = World::connected(2);
    let tries = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&tries);
    world.daemons[0].core.database.on_commit(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        true
    });
    world.send(1, "alice", "hello").unwrap();
    world.pass(Duration::from_secs(600));
    let tries = tries.load(std::sync::atomic::Ordering::Relaxed);
    assert!((10..=20).contains(&tries), "1, 2, 4 .. 60 s: {tries}");
}

#[test]
fn a_server_that_cannot_store_is_told_as_the_reason_until_it_can() {
    let mut world = World::connected(2);
    world.server.holds = true;
    let now = world.now;
    world.server.complain(now);
    let failure = world
        .request::<Sent>(0, Request::Send(text("bob", "hold on", State::Accepted)))
        .unwrap_err();
    assert_eq!(failure.code, ErrorCode::TimedOut);
    assert!(failure.message.contains("the message is queued"), "{failure}");
    assert!(failure.message.contains("the server cannot store"), "{failure}");
    assert_eq!(failure.sent.unwrap().state, State::Queued);
    assert!(world.status(0).last_error.unwrap().contains("the server cannot store"));
    world.server.holds = false;
    world.pass(Duration::from_secs(10));
    assert_eq!(world.status(0).last_error, None);
    assert_eq!(world.received(1), ["hold on"]);
}

#[test]
fn a_server_that_could_not_store_is_forgotten_with_its_session() {
    let mut world = World::connected(2);
    let now = world.now;
    world.server.complain(now);
    world.pass(Duration::from_secs(1));
    assert!(world.status(0).last_error.unwrap().contains("the server cannot store"));
    world.server = world.server.restarted(1);
    // The client is told so in answer to what it sends next.
    world.send(0, "bob", "hello").unwrap();
    assert_eq!(world.status(0).last_error, None);
    let now = world.now;
    world.server.complain(now);
    world.pass(Duration::from_secs(1));
    assert!(world.status(0).last_error.is_some());
    world.server = world.server.restarted(1);
    world.until("the end of the session", |world| !world.daemons[0].core.server_stuck);
    assert_eq!(world.status(0).last_error, None);
}

#[test]
fn a_disk_that_fails_is_not_said_to_have_kept_nothing_for_sure() {
    let failed = |code| {
        let failure = rusqlite::ffi::Error::new(code);
        let error = DatabaseError::from(rusqlite::Error::SqliteFailure(failure, None));
        answer::unwritten(&error, "the message was not kept").message
    };
    let fsync = failed(rusqlite::ffi::SQLITE_IOERR_FSYNC);
    assert!(fsync.ends_with("; most likely the message was not kept"), "{fsync}");
    let full = failed(rusqlite::ffi::SQLITE_FULL);
    assert_eq!(full, "the disk is full; the message was not kept");
}
