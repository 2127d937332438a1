//! Inbox, history, unread, kept events: paging and bounds.

use super::world::World;
use crate::core::{Limits, reading::LIST_ITEMS_MAX};
use pychat_control::{
    Empty, ErrorCode, EventKind, HistoryParams, InboxParams, LINE_BYTES_MAX, List, Message,
    Request, State, Unread,
};
use pychat_proto::chat::TEXT_BYTES_MAX;
use std::time::Duration;

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Bob with ten messages of alice, "0" to "9".
fn ten() -> World {
    let mut world = World::connected(2);
    for n in numbers(0..10) {
        world.send(0, "bob", &n).unwrap();
    }
    world.until("all", |world| world.daemons[0].core.stored.queued == 0);
    world
}

fn inbox(world: &mut World, params: InboxParams) -> List<Message> {
    world.request(1, Request::Inbox(params)).unwrap()
}

fn bodies(list: &List<Message>) -> Vec<&str> {
    list.items.iter().map(|message| message.body.as_str()).collect()
}

#[test]
fn the_inbox_is_paged_from_the_oldest_on() {
    let mut world = ten();
    let params = InboxParams { limit: 4, ..InboxParams::default() };
    let first = inbox(&mut world, params.clone());
    assert_eq!(bodies(&first), ["0", "1", "2", "3"]);
    let second = inbox(&mut world, InboxParams { next: first.next, ..params.clone() });
    assert_eq!(bodies(&second), ["4", "5", "6", "7"]);
    let third = inbox(&mut world, InboxParams { next: second.next, ..params.clone() });
    assert_eq!((bodies(&third), third.next.as_ref()), (vec!["8", "9"], None));
    let nobodys = inbox(&mut world, InboxParams { from: Some("carol".into()), ..params.clone() });
    assert!(nobodys.items.is_empty());
    let since = third.items[0].received_at.clone();
    let latest = inbox(&mut world, InboxParams { since, ..params });
    assert!(latest.items.iter().all(|message| message.body == "9"));
}

#[test]
fn history_is_paged_from_the_newest_back() {
    let mut world = ten();
    let mut params =
        HistoryParams { limit: 4, peer: Some("alice".into()), ..HistoryParams::default() };
    let mut pages = Vec::new();
    loop {
        let list: List<Message> = world.request(1, Request::History(params.clone())).unwrap();
        pages.push(list.items.into_iter().map(|message| message.body).collect::<Vec<_>>());
        params.next = list.next;
        if params.next.is_none() {
            break;
        }
    }
    assert_eq!(pages, [numbers(6..10), numbers(2..6), numbers(0..2)]);
}

#[test]
fn limits_of_lists_are_exact() {
    let mut world = ten();
    for (limit, fine) in
        [(0, false), (1, true), (LIST_ITEMS_MAX, true), (LIST_ITEMS_MAX + 1, false)]
    {
        let params = InboxParams { limit, ..InboxParams::default() };
        let result = world.request::<List<Message>>(1, Request::Inbox(params));
        assert_eq!(result.is_ok(), fine, "{limit}");
    }
    let params = InboxParams { limit: 1, next: Some("x".into()), ..InboxParams::default() };
    let failure = world.request::<List<Message>>(1, Request::Inbox(params)).unwrap_err();
    assert_eq!(failure.code, ErrorCode::Usage);
}

#[test]
fn a_list_always_fits_a_line() {
    let mut world = World::connected(2);
    // The worst that JSON makes of a text: six bytes for one.
    let ugly = "\u{1}".repeat(TEXT_BYTES_MAX);
    for _ in 0..12 {
        world.send(0, "bob", &ugly).unwrap();
    }
    world.until("all", |world| world.server.mailboxes.values().all(|m| m.entries.is_empty()));
    let mut params = InboxParams { limit: 1000, ..InboxParams::default() };
    let (mut count, mut pages) = (0, 0);
    loop {
        let list = inbox(&mut world, params.clone());
        assert!(serde_json::to_vec(&list).unwrap().len() < LINE_BYTES_MAX);
        (count, pages) = (count + list.items.len(), pages + 1);
        params.next = list.next;
        if params.next.is_none() {
            break;
        }
    }
    assert_eq!((count, pages), (12, 3));
}

#[test]
fn what_was_shown_is_told_once_and_survives() {
    let mut world = ten();
    let ids: Vec<String> = world.inbox(1).into_iter().map(|message| message.id).take(7).collect();
    for _ in 0..2 {
        world.request::<Empty>(1, Request::MarkRead { ids: ids.clone() }).unwrap();
    }
    world.restart(1);
    let unread: Unread = world.request(1, Request::Unread {}).unwrap();
    assert_eq!((unread.total, unread.items[0].user.as_str()), (3, "alice"));
    world.pass(Duration::from_secs(2));
    let read = |event: &&pychat_control::Event| {
        matches!(event.what, EventKind::State { state: State::Read, .. })
    };
    assert_eq!(world.daemons[0].events.iter().filter(read).count(), 7);
    let bad = Request::MarkRead { ids: vec!["nonsense".to_owned()] };
    assert_eq!(world.request::<Empty>(1, bad).unwrap_err().code, ErrorCode::Usage);
}

#[test]
fn kept_events_are_those_that_were_told() {
    let mut world = ten();
    world.pass(Duration::from_secs(1));
    for index in [0, 1] {
        let told: Vec<_> = world.daemons[index]
            .events
            .iter()
            .filter(|event| event.cursor.is_some())
            .cloned()
            .collect();
        let core = &world.daemons[index].core;
        assert_eq!(core.events_after(0, 1000).unwrap(), told);
        let middle = told[3].cursor.unwrap();
        assert_eq!(core.events_after(middle, 2).unwrap(), told[4..6]);
        let end = core.event_cursor().unwrap();
        assert!(core.events_after(end, 10).unwrap().is_empty());
    }
}

#[test]
fn old_events_are_pruned_and_their_loss_is_told() {
    let mut world = ten();
    world.limit(0, Limits { events: 5, ..Limits::default() });
    world.pass(Duration::from_secs(1));
    let core = &world.daemons[0].core;
    let last = core.event_cursor().unwrap();
    let failure = core.events_after(last - 6, 10).unwrap_err();
    assert_eq!(failure.code, ErrorCode::LimitReached);
    assert!(core.events_after(last - 5, 10).is_ok());
    assert!(core.events_after(0, 10).is_ok(), "zero asks for what is kept");
}
