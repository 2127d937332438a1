//! What is removed is gone, what must stay stays, and nothing comes back.

use super::world::{World, text};
use crate::core::Limits;
use pychat_control::{
    ErrorCode, Found, Message, RemoveParams, Removed, Request, SearchParams, SendParams, Sent,
    State, Trace,
};
use pychat_proto::Seq;
use std::time::Duration;

fn remove(world: &mut World, index: usize, params: RemoveParams) -> Removed {
    world.request(index, Request::Remove(params)).unwrap()
}

fn bodies(world: &mut World, index: usize) -> Vec<String> {
    world.history(index).into_iter().map(|message| message.body).collect()
}

fn show_all(world: &mut World, index: usize) {
    let ids = world.inbox(index).into_iter().map(|message| message.id).collect();
    let _: pychat_control::Empty = world.request(index, Request::MarkRead { ids }).unwrap();
}

/// Bob, with three messages of alice, shown, and one of his own.
fn three() -> World {
    let mut world = World::connected(2);
    for body in ["one", "two", "three"] {
        world.send(0, "bob", body).unwrap();
        world.pass(Duration::from_secs(1));
    }
    world.until("all", |world| world.daemons[1].core.database.read().unread_count().unwrap() == 3);
    show_all(&mut world, 1);
    world.send(1, "alice", "four").unwrap();
    world
}

const ALL: fn() -> RemoveParams = || RemoveParams { all: true, ..RemoveParams::default() };

#[test]
fn what_is_removed_is_neither_in_the_history_nor_found() {
    let mut world = three();
    let words = SearchParams { words: "two".into(), limit: 9, ..SearchParams::default() };
    let found: Found = world.request(1, Request::Search(words.clone())).unwrap();
    let id = found.items[0].message.id.clone();
    let ids = Some(vec![id.clone()]);
    let dry = remove(
        &mut world,
        1,
        RemoveParams { ids: ids.clone(), dry_run: true, ..RemoveParams::default() },
    );
    assert_eq!((dry.removed, dry.kept, bodies(&mut world, 1).len()), (1, 0, 4), "only counted");
    let removed = remove(&mut world, 1, RemoveParams { ids, ..RemoveParams::default() });
    assert_eq!(removed, Removed { removed: 1, kept: 0, more: false });
    assert_eq!(bodies(&mut world, 1), ["one", "three", "four"]);
    let found: Found = world.request(1, Request::Search(words)).unwrap();
    assert!(found.items.is_empty());
    world.request::<Trace>(1, Request::Trace { id }).unwrap_err();
    assert_eq!(world.history(0).len(), 4, "only here");
}

#[test]
fn unread_and_queued_messages_stay_unless_it_is_said() {
    let mut world = three();
    world.send(0, "bob", "unseen").unwrap();
    world.until("it came", |world| {
        world.daemons[1].core.database.read().unread_count().unwrap() == 1
    });
    world.online = false;
    world.queue(1, "alice", "on its way");
    assert_eq!(remove(&mut world, 1, ALL()), Removed { removed: 4, kept: 2, more: false });
    assert_eq!(bodies(&mut world, 1), ["unseen", "on its way"]);
    let removed = remove(&mut world, 1, RemoveParams { unread_too: true, ..ALL() });
    assert_eq!(removed, Removed { removed: 1, kept: 1, more: false });
    world.online = true;
    world.until("it arrives", |world| world.daemons[1].core.stored.queued == 0);
}

#[test]
fn conversations_and_times_narrow_it_and_nothing_named_is_refused() {
    let mut world = three();
    world
        .request::<Removed>(1, Request::Remove(RemoveParams::default()))
        .map_err(|f| f.code)
        .expect_err("nothing is named");
    let until = world.history(1)[2].received_at.clone();
    let old = RemoveParams { peer: Some("alice".into()), until, ..RemoveParams::default() };
    assert_eq!(remove(&mut world, 1, old).removed, 2);
    let others = RemoveParams { peer: Some("carol".into()), ..RemoveParams::default() };
    assert_eq!(remove(&mut world, 1, others).removed, 0);
    assert_eq!(bodies(&mut world, 1), ["three", "four"]);
    let bad = RemoveParams { ids: Some(vec!["x".into()]), ..RemoveParams::default() };
    let refused = world.request::<Removed>(1, Request::Remove(bad)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Usage);
}

#[test]
fn a_removed_text_that_comes_again_stays_away() {
    let mut world = three();
    remove(&mut world, 1, ALL());
    // The server lost its memory, and alice's daemon sends what it has kept.
    world.server.positions.values_mut().for_each(|position| *position = Seq(0));
    world.server.texts.clear();
    world.server = world.server.restarted(1);
    world.until("all again", |world| world.server.texts.len() == 4);
    world.pass(Duration::from_secs(30));
    assert_eq!(bodies(&mut world, 1), [""; 0]);
}

#[test]
fn a_key_of_a_removed_message_sends_nothing_twice() {
    let mut world = World::connected(2);
    let keyed = SendParams { key: Some("k".into()), ..text("bob", "once", State::Delivered) };
    let first: Sent = world.request(0, Request::Send(keyed.clone())).unwrap();
    remove(&mut world, 0, ALL());
    let again: Sent = world.request(0, Request::Send(keyed)).unwrap();
    assert_eq!((again.id, again.state), (first.id, first.state));
    world.pass(Duration::from_secs(5));
    assert_eq!(world.received(1), ["once"]);
}

#[test]
fn receipts_for_removed_messages_do_no_harm() {
    let mut world = World::connected(2);
    world.send(0, "bob", "gone soon").unwrap();
    remove(&mut world, 0, ALL());
    world.until("it came", |world| {
        world.daemons[1].core.database.read().unread_count().unwrap() == 1
    });
    show_all(&mut world, 1);
    world.pass(Duration::from_secs(5));
    assert!(world.history(0).is_empty());
    assert_eq!(world.status(0).queued, 0);
}

fn limited(limits: Limits) -> World {
    let mut world = three();
    world.daemons[1].core.config.limits = limits;
    world
}

#[test]
fn what_is_older_than_wanted_goes_by_itself() {
    let history_for = Some(Duration::from_secs(24 * 3600));
    let mut world = limited(Limits { history_for, ..Limits::default() });
    world.pass(Duration::from_secs(23 * 3600));
    world.send(0, "bob", "today, unseen").unwrap();
    assert_eq!(bodies(&mut world, 1).len(), 5);
    world.pass(Duration::from_secs(3 * 3600));
    assert_eq!(bodies(&mut world, 1), ["today, unseen"]);
    world.pass(Duration::from_secs(48 * 3600));
    assert_eq!(bodies(&mut world, 1), ["today, unseen"], "nobody saw it");
}

#[test]
fn the_oldest_goes_where_the_database_is_larger_than_wanted() {
    let mut world = limited(Limits { history_bytes: Some(1), ..Limits::default() });
    world.send(0, "bob", "unseen").unwrap();
    world.pass(Duration::from_secs(2 * 3600));
    assert_eq!(bodies(&mut world, 1), ["unseen"]);
    let mut roomy = limited(Limits { history_bytes: Some(1 << 30), ..Limits::default() });
    roomy.pass(Duration::from_secs(2 * 3600));
    assert_eq!(bodies(&mut roomy, 1).len(), 4);
}

#[test]
fn a_long_removal_comes_in_parts() {
    let mut world = World::connected(2);
    for number in 0..1_001 {
        world.queue(0, "bob", &number.to_string());
    }
    world.until("all", |world| world.daemons[0].core.stored.queued == 0);
    let first = remove(&mut world, 0, ALL());
    assert_eq!((first.removed, first.more), (1000, true));
    let second = remove(&mut world, 0, ALL());
    assert_eq!((second.removed, second.more), (1, false));
    let left: Vec<Message> = world.history(0);
    assert!(left.is_empty());
}
