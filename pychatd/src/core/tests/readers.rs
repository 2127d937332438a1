//! Readers: each message once, whatever is read elsewhere.

use super::world::World;
use crate::core::readers::READERS_MAX;
use pychat_control::{
    Empty, ErrorCode, InboxParams, List, MarkReaderParams, Message, ReaderState, Request,
};

fn waiting(world: &mut World, reader: &str) -> Vec<Message> {
    let params = InboxParams { limit: 100, reader: Some(reader.into()), ..InboxParams::default() };
    world.request::<List<Message>>(1, Request::Inbox(params)).unwrap().items
}

fn mark(world: &mut World, reader: &str, place: u64) -> Result<Empty, ErrorCode> {
    let params = MarkReaderParams { reader: reader.into(), place };
    world.request(1, Request::MarkReader(params)).map_err(|failure| failure.code)
}

fn arrive(world: &mut World, body: &str) {
    world.send(0, "bob", body).unwrap();
    let body = body.to_owned();
    world.until("it came", |world| {
        let read = world.daemons[1].core.database.read();
        let rows = read.incoming_after(crate::db::RowId(0), 1000).unwrap();
        rows.last().is_some_and(|row| row.body == body)
    });
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

#[test]
fn a_reader_begins_with_what_is_unread_and_takes_each_message_once() {
    let mut world = World::connected(2);
    arrive(&mut world, "seen");
    let ids = world.inbox(1).into_iter().map(|message| message.id).collect();
    let _: Empty = world.request(1, Request::MarkRead { ids }).unwrap();
    arrive(&mut world, "one");
    let first = waiting(&mut world, "bot");
    assert_eq!(bodies(&first), ["one"]);
    assert_eq!(bodies(&waiting(&mut world, "bot")), ["one"], "until it says that it is done");
    mark(&mut world, "bot", first[0].place.unwrap()).unwrap();
    arrive(&mut world, "two");
    let ids = world.inbox(1).into_iter().map(|message| message.id).collect();
    let _: Empty = world.request(1, Request::MarkRead { ids }).unwrap();
    assert_eq!(bodies(&waiting(&mut world, "bot")), ["two"], "though a person saw it");
    mark(&mut world, "bot", first[0].place.unwrap()).unwrap();
    assert_eq!(bodies(&waiting(&mut world, "bot")), ["two"], "it never goes back");
}

#[test]
fn a_reader_that_came_before_any_message_gets_the_first_one() {
    let mut world = World::connected(2);
    assert!(waiting(&mut world, "bot").is_empty());
    arrive(&mut world, "first");
    let ids = world.inbox(1).into_iter().map(|message| message.id).collect();
    let _: Empty = world.request(1, Request::MarkRead { ids }).unwrap();
    assert_eq!(bodies(&waiting(&mut world, "bot")), ["first"]);
}

#[test]
fn readers_are_listed_and_removed_and_bounded() {
    let mut world = World::connected(2);
    for number in 0..READERS_MAX {
        waiting(&mut world, &format!("r{number}"));
    }
    let params = InboxParams { limit: 1, reader: Some("late".into()), ..InboxParams::default() };
    let full = world.request::<List<Message>>(1, Request::Inbox(params)).unwrap_err();
    assert_eq!(full.code, ErrorCode::LimitReached);
    arrive(&mut world, "x");
    let list: List<ReaderState> = world.request(1, Request::Readers {}).unwrap();
    assert_eq!((list.items.len(), list.items[0].waiting), (READERS_MAX, 1));
    let remove = |reader: &str| Request::RemoveReader { reader: reader.into() };
    let _: Empty = world.request(1, remove("r7")).unwrap();
    assert_eq!(world.request::<Empty>(1, remove("r7")).unwrap_err().code, ErrorCode::Usage);
    waiting(&mut world, "late");
}

#[test]
fn names_and_places_that_make_no_sense_are_refused() {
    let mut world = World::connected(2);
    assert_eq!(mark(&mut world, "a b", 0), Err(ErrorCode::Usage));
    assert_eq!(mark(&mut world, "bot", 7), Err(ErrorCode::Usage), "nothing is there yet");
    let from = Some("alice".into());
    let reader = Some("bot".into());
    let params = InboxParams { limit: 1, reader, from, ..InboxParams::default() };
    let refused = world.request::<List<Message>>(1, Request::Inbox(params)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Usage);
}
