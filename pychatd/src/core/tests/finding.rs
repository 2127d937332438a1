//! Conversations, search and names.

use super::world::World;
use pychat_control::{
    Conversation, ConversationsParams, ErrorCode, Found, HistoryParams, KnownName, List, Message,
    NamesParams, Presence, Request, SearchParams, User, UsersParams,
};
use std::time::Duration;

fn search(world: &mut World, params: SearchParams) -> Found {
    world.request(1, Request::Search(SearchParams { limit: 10, ..params })).unwrap()
}

fn found(world: &mut World, words: &str) -> Vec<String> {
    let params = SearchParams { words: words.into(), ..SearchParams::default() };
    search(world, params).items.into_iter().map(|hit| hit.message.body).collect()
}

/// Bob, who wrote with alice and carol.
fn three() -> World {
    let mut world = World::connected(3);
    for (from, to, text) in [
        (0, "bob", "The ferry leaves at noon"),
        (1, "alice", "which Férry?"),
        (2, "bob", "noon is late, say we meet 東京駅で"),
        (0, "bob", "ferries to the north"),
    ] {
        world.send(from, to, text).unwrap();
    }
    world.until("all", |world| world.daemons.iter().all(|d| d.core.stored.queued == 0));
    world
        .until("texts", |world| world.daemons[1].core.database.read().unread_count().unwrap() == 3);
    world
}

#[test]
fn words_are_found_in_both_directions_the_newest_first() {
    let mut world = three();
    assert_eq!(found(&mut world, "ferry"), ["which Férry?", "The ferry leaves at noon"]);
    assert_eq!(found(&mut world, "ferr* nor*"), ["ferries to the north"]);
    assert_eq!(found(&mut world, "\"at noon\""), ["The ferry leaves at noon"]);
    assert_eq!(found(&mut world, "京駅"), ["noon is late, say we meet 東京駅で"]);
    assert_eq!(found(&mut world, "nothing"), [""; 0]);
}

#[test]
fn hits_say_what_matched_and_what_stands_around_in_their_conversation() {
    let mut world = three();
    let words = "which".to_owned();
    let found = search(&mut world, SearchParams { words, context: 2, ..SearchParams::default() });
    let hit = &found.items[0];
    let bodies = |messages: &[Message]| {
        messages.iter().map(|message| message.body.clone()).collect::<Vec<_>>()
    };
    assert_eq!(hit.matches, [(0, 5)]);
    assert_eq!(bodies(&hit.before), ["The ferry leaves at noon"]);
    assert_eq!(bodies(&hit.after), ["ferries to the north"], "not what carol wrote in between");
}

#[test]
fn a_search_is_narrowed_by_people_and_times_and_goes_on_page_by_page() {
    let mut world = three();
    let noon = |rest| SearchParams { words: "noon".into(), ..rest };
    let rest = SearchParams::default;
    let of = |found: Found| -> Vec<String> {
        found.items.into_iter().map(|hit| hit.message.from).collect()
    };
    let carols = noon(SearchParams { peer: Some("carol".into()), ..rest() });
    assert_eq!(of(search(&mut world, carols)), ["carol"]);
    let alices = noon(SearchParams { from: Some("alice".into()), ..rest() });
    assert_eq!(of(search(&mut world, alices)), ["alice"]);
    let all = search(&mut world, noon(rest()));
    let last = all.items[0].message.received_at.clone();
    let earlier = noon(SearchParams { until: last.clone(), ..rest() });
    assert_eq!(of(search(&mut world, earlier)), ["alice"]);
    let later = noon(SearchParams { since: last, ..rest() });
    assert_eq!(of(search(&mut world, later)), ["carol"]);
    let one = Request::Search(SearchParams { limit: 1, ..noon(rest()) });
    let first: Found = world.request(1, one).unwrap();
    let next = SearchParams { limit: 1, next: first.next.clone(), ..noon(rest()) };
    let second: Found = world.request(1, Request::Search(next)).unwrap();
    assert_eq!(
        (of(first), of(second.clone()), second.next),
        (vec!["carol".into()], vec!["alice".into()], None)
    );
}

#[test]
fn a_search_that_makes_no_sense_is_refused() {
    let mut world = World::connected(2);
    for params in [
        SearchParams { words: "?!".into(), limit: 1, ..SearchParams::default() },
        SearchParams { words: "x".into(), limit: 0, ..SearchParams::default() },
        SearchParams { words: "x".into(), limit: 1, context: 21, ..SearchParams::default() },
        SearchParams {
            words: "x".into(),
            limit: 1,
            since: Some("soon".into()),
            ..SearchParams::default()
        },
    ] {
        let refused = world.request::<Found>(1, Request::Search(params)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Usage, "{}", refused.message);
    }
}

#[test]
fn a_damaged_index_is_made_anew_and_nothing_is_missed() {
    let mut world = three();
    assert_eq!(found(&mut world, "ferry").len(), 2);
    world.sql(1, "UPDATE search_data SET block = x'0102030405060708'");
    let _ = found(&mut world, "ferry");
    assert_eq!(found(&mut world, "ferry").len(), 2);
    world.pass(Duration::from_secs(60));
    assert_eq!(found(&mut world, "leaves").len(), 1);
    assert_eq!(world.status(1).unindexed, 0);
}

#[test]
fn conversations_are_listed_with_their_latest_message_and_what_is_unread() {
    let mut world = three();
    let params = ConversationsParams { limit: 10, next: None };
    let list: List<Conversation> = world.request(1, Request::Conversations(params)).unwrap();
    let told: Vec<_> = list
        .items
        .iter()
        .map(|of| (of.peer.as_str(), of.unread, of.last.body.as_str(), of.first_unread.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            ("alice", 2, "ferries to the north", true),
            ("carol", 1, "noon is late, say we meet 東京駅で", true),
        ]
    );
    let first_unread = list.items[0].first_unread.unwrap();
    let after = Some(first_unread - 1);
    let params =
        HistoryParams { peer: Some("alice".into()), after, limit: 2, ..HistoryParams::default() };
    let page: List<Message> = world.request(1, Request::History(params)).unwrap();
    let bodies: Vec<&str> = page.items.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["The ferry leaves at noon", "which Férry?"], "from there on");
    let one = Request::Conversations(ConversationsParams { limit: 1, next: None });
    let first: List<Conversation> = world.request(1, one).unwrap();
    let next = ConversationsParams { limit: 1, next: first.next };
    let second: List<Conversation> = world.request(1, Request::Conversations(next)).unwrap();
    assert_eq!((second.items[0].peer.as_str(), second.next), ("carol", None));
}

#[test]
fn history_goes_both_ways_from_a_place_and_is_narrowed_by_sender_and_time() {
    let mut world = three();
    let mut ask = |params: HistoryParams| -> Vec<Message> {
        let list: List<Message> =
            world.request(1, Request::History(HistoryParams { limit: 10, ..params })).unwrap();
        list.items
    };
    let rest = HistoryParams::default;
    let all = ask(rest());
    let (first, third) = (all[0].place.unwrap(), all[2].place.unwrap());
    let before = ask(HistoryParams { before: Some(third), ..rest() });
    assert_eq!(before, all[..2]);
    let after = ask(HistoryParams { after: Some(first), before: Some(third), ..rest() });
    assert_eq!(after, all[1..2]);
    let alices = ask(HistoryParams { from: Some("alice".into()), ..rest() });
    assert_eq!(alices, [all[0].clone(), all[3].clone()]);
    let since = all[2].received_at.clone();
    assert_eq!(ask(HistoryParams { since: since.clone(), ..rest() }), all[2..]);
    assert_eq!(ask(HistoryParams { until: since, ..rest() }), all[..2]);
}

#[test]
fn newer_pages_go_on_where_the_one_before_ended() {
    let mut world = three();
    let params = HistoryParams { after: Some(0), limit: 3, ..HistoryParams::default() };
    let first: List<Message> = world.request(1, Request::History(params.clone())).unwrap();
    let next = HistoryParams { next: first.next.clone(), ..params };
    let second: List<Message> = world.request(1, Request::History(next)).unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (3, 1, None));
    assert_eq!(second.items[0].body, "ferries to the north");
}

#[test]
fn names_are_known_of_conversations_contacts_and_what_the_server_told() {
    let mut world = three();
    let names = |world: &mut World, prefix: &str| -> Vec<KnownName> {
        let params = NamesParams { prefix: prefix.into(), limit: 10 };
        world.request::<List<KnownName>>(1, Request::Names(params)).unwrap().items
    };
    let users = |known: &[KnownName]| known.iter().map(|k| k.user.clone()).collect::<Vec<_>>();
    assert_eq!(users(&names(&mut world, "")), ["alice", "carol"]);
    assert_eq!(users(&names(&mut world, "ca")), ["carol"]);
    assert_eq!(users(&names(&mut world, "b")), [""; 0], "nobody writes to himself by accident");
    let params = UsersParams { all: true, timeout_ms: 1000 };
    let _: List<User> = world.request(1, Request::Users(params)).unwrap();
    assert_eq!(names(&mut world, "al")[0].status, Some(Presence::Online));
    world.online = false;
    world.until("silence", |world| world.daemons[1].core.session.is_none());
    assert_eq!(names(&mut world, "al")[0].status, None, "who is there is not known any more");
}

#[test]
fn whom_every_message_was_refused_to_is_no_name() {
    let mut world = three();
    world.send(1, "bbo", "hi").unwrap_err();
    let params = NamesParams { prefix: String::new(), limit: 10 };
    let list: List<KnownName> = world.request(1, Request::Names(params)).unwrap();
    assert!(list.items.iter().all(|known| known.user != "bbo"), "{list:?}");
}

#[test]
fn what_is_written_comes_into_the_index_by_itself() {
    let mut world = World::connected(2);
    world.send(0, "bob", "quiet words").unwrap();
    world.until("it arrived", |world| {
        world.daemons[1].core.database.read().unread_count().unwrap() == 1
    });
    assert_eq!(world.status(1).unindexed, 1);
    world.until("it is in the index", |world| {
        world.daemons[1].core.database.read().unindexed().unwrap() == 0
    });
    assert!(world.daemons[1].core.index_deadline().is_none(), "no timer is left");
}
