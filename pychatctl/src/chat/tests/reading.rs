//! What is shown of a conversation, and what is loaded of it.

use super::stage::{Stage, conversation, from_bob, many, to_bob, unread_from_bob};
use crate::chat::{
    input::{Answer, Ask, Beyond, Effect, Input, NoAnswer},
    model::{Focus, Item, Position, WINDOW_BYTES_MAX, WINDOW_MESSAGES_MAX, Window},
};
use pychat_control::{EventKind, Found, Hit, State};
use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode, MouseButton, MouseEventKind};

fn window(stage: &Stage) -> &Window {
    stage.chat.open.as_ref().unwrap().window.as_ref().unwrap()
}

fn asks(stage: &mut Stage) -> Vec<Ask> {
    let effects = stage.effects();
    let asks = effects.into_iter().filter_map(|effect| match effect {
        Effect::Ask(ask) => Some(ask),
        Effect::Suspend | Effect::Leave => None,
    });
    asks.collect()
}

fn arrives(stage: &mut Stage, place: u64) {
    let message = unread_from_bob(place, &format!("message {place}"));
    stage.event(EventKind::Message { message: message.clone() });
    stage.answer_page(vec![message], Beyond::Nothing, Beyond::Nothing);
}

#[test]
fn scrolling_up_loads_older_messages_and_drops_far_ones() {
    let mut stage = Stage::with(80, 24, vec![conversation("bob", 0, None)]);
    stage.answer_page(many(10_000..10_100), Beyond::More, Beyond::Nothing);
    let mut first = 10_000;
    let mut pages = 0;
    for _ in 0..500 {
        stage.effects();
        stage.key(KeyCode::PageUp);
        let older = Ask::Older { peer: "bob".into(), before: first };
        if asks(&mut stage).contains(&older) {
            pages += 1;
            stage.answer(
                older,
                Answer::Page(crate::chat::input::Page {
                    items: many(first - 100..first),
                    before: Beyond::More,
                    after: Beyond::Nothing,
                }),
            );
            first -= 100;
        }
        assert!(window(&stage).items().len() <= WINDOW_MESSAGES_MAX);
    }
    assert!(pages > 20, "{pages}");
    assert_eq!(window(&stage).after, Beyond::More);
    let expected: Vec<u64> = (first..first + WINDOW_MESSAGES_MAX as u64).collect();
    let places: Vec<u64> = window(&stage).items().map(|item| item.message.place.unwrap()).collect();
    assert_eq!(places, expected);
    // And down again to the end, page after page.
    let mut last = *places.last().unwrap();
    for _ in 0..1000 {
        stage.effects();
        stage.key(KeyCode::PageDown);
        let newer = Ask::Newer { peer: "bob".into(), after: last };
        if asks(&mut stage).contains(&newer) {
            let to = (last + 101).min(10_100);
            let after = if to == 10_100 { Beyond::Nothing } else { Beyond::More };
            let items = many(last + 1..to);
            stage.answer(
                newer,
                Answer::Page(crate::chat::input::Page { items, before: Beyond::Nothing, after }),
            );
            last = to - 1;
        }
    }
    assert_eq!(stage.chat.open.as_ref().unwrap().position, Position::Bottom);
    assert!(stage.picture().contains("message 10099"), "{}", stage.picture());
}

#[test]
fn large_texts_are_dropped_sooner() {
    let mut stage = Stage::with(80, 24, vec![conversation("bob", 0, None)]);
    let large = |places: std::ops::Range<u64>| -> Vec<_> {
        places.map(|place| from_bob(place, &"x".repeat(32 * 1024))).collect()
    };
    stage.answer_page(large(1000..1030), Beyond::More, Beyond::Nothing);
    for page in 1..20_u64 {
        stage.key(KeyCode::PageUp);
        let before = window(&stage).first_place().unwrap();
        let page = crate::chat::input::Page {
            items: large(1000 - 30 * page..1030 - 30 * page),
            before: Beyond::More,
            after: Beyond::Nothing,
        };
        stage.answer(Ask::Older { peer: "bob".into(), before }, Answer::Page(page));
        let bytes: usize = window(&stage).items().map(Item::bytes).sum();
        assert!(bytes <= WINDOW_BYTES_MAX, "{bytes}");
    }
    assert_eq!(window(&stage).after, Beyond::More);
}

#[test]
fn what_is_looked_at_stays_where_it_is_while_older_messages_are_loaded() {
    let mut stage = Stage::with(80, 24, vec![conversation("bob", 0, None)]);
    stage.answer_page(many(1000..1100), Beyond::More, Beyond::Nothing);
    for _ in 0..4 {
        stage.key(KeyCode::PageUp);
    }
    // The first row is a heading, which goes once it is known what stands above it.
    let below_head = |stage: &Stage| stage.picture().lines().skip(2).collect::<Vec<_>>().join("\n");
    let before = below_head(&stage);
    stage.answer_page(many(900..1000), Beyond::More, Beyond::Nothing);
    assert_eq!(below_head(&stage), before);
}

#[test]
fn the_end_is_a_key_away_however_far_it_is() {
    let mut stage = Stage::with(80, 24, vec![conversation("bob", 0, None)]);
    stage.answer_page(many(1000..1100), Beyond::More, Beyond::Nothing);
    stage.key(KeyCode::Home);
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Around { .. }));
    assert_eq!(ask, Ask::Around { peer: "bob".into(), place: 0 });
    stage.answer_page(many(1..101), Beyond::Nothing, Beyond::More);
    assert!(stage.picture().contains("message 1\n"), "{}", stage.picture());
    stage.key(KeyCode::End);
    stage.answer_page(many(1000..1100), Beyond::More, Beyond::Nothing);
    assert!(stage.picture().contains("message 1099"), "{}", stage.picture());
}

#[test]
fn a_late_answer_to_an_older_question_changes_nothing() {
    let mut stage =
        Stage::with(80, 24, vec![conversation("bob", 0, None), conversation("carol", 0, None)]);
    let late = stage.last_ask(|ask| matches!(ask, Ask::Latest { .. }));
    stage.alt(KeyCode::Down);
    let page = crate::chat::input::Page {
        items: many(1..5),
        before: Beyond::Nothing,
        after: Beyond::Nothing,
    };
    stage.answer(late, Answer::Page(page));
    assert_eq!(stage.chat.peer(), Some("carol"));
    assert!(stage.chat.open.as_ref().unwrap().window.is_none());
}

#[test]
fn a_conversation_opens_where_its_unread_messages_begin() {
    let mut stage = Stage::with(80, 24, vec![conversation("bob", 60, Some(50))]);
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Around { .. }));
    assert_eq!(ask, Ask::Around { peer: "bob".into(), place: 50 });
    let mut messages = many(20..50);
    messages.extend((50..110).map(|place| unread_from_bob(place, &format!("message {place}"))));
    stage.answer_page(messages, Beyond::More, Beyond::Nothing);
    let picture = stage.picture();
    let rows: Vec<&str> = picture.lines().collect();
    let line = rows.iter().position(|row| row.contains("unread ─")).expect("the line");
    assert!((3..10).contains(&line), "{picture}");
    assert!(rows[line + 2].contains("message 50"), "{picture}");
    // What was shown is marked, and nothing else.
    let marked = stage.marked();
    assert_eq!(marked.first().map(String::as_str), Some("m50"));
    assert!(marked.len() < 20, "{marked:?}");
    assert_eq!(stage.chat.open.as_ref().unwrap().unread_from, Some(50));
}

#[test]
fn messages_are_marked_only_while_the_person_looks_there() {
    let mut stage = Stage::with_bob(80, 24, vec![from_bob(1, "hi")]);
    stage.terminal(TerminalEvent::FocusLost);
    assert_eq!(stage.chat.focus, Focus::Elsewhere);
    stage.effects();
    arrives(&mut stage, 2);
    assert!(stage.picture().contains("message 2"));
    assert_eq!(stage.marked(), [""; 0]);
    assert!(stage.picture().contains("unread ─"), "{}", stage.picture());
    stage.terminal(TerminalEvent::FocusGained);
    assert_eq!(stage.marked(), ["m2"]);
    // While something is in front of them, they are not seen either.
    stage.key(KeyCode::F(1));
    stage.effects();
    arrives(&mut stage, 3);
    assert_eq!(stage.marked(), [""; 0]);
    stage.key(KeyCode::Esc);
    assert_eq!(stage.marked(), ["m3"]);
}

#[test]
fn marking_that_failed_is_tried_again() {
    let mut stage = Stage::with_bob(80, 24, vec![unread_from_bob(1, "hi")]);
    let ask = stage.last_ask(|ask| matches!(ask, Ask::MarkRead { .. }));
    stage.effects();
    stage.input(Input::Answered(ask, Err(NoAnswer::Gone)));
    assert_eq!(stage.marked(), [""; 0]);
    stage.wait(std::time::Duration::from_secs(1));
    assert_eq!(stage.marked(), ["m1"]);
}

#[test]
fn messages_out_of_sight_stay_unread() {
    let mut stage = Stage::with(80, 24, vec![conversation("bob", 0, None)]);
    stage.answer_page(many(1000..1100), Beyond::More, Beyond::Nothing);
    stage.key(KeyCode::PageUp);
    stage.effects();
    arrives(&mut stage, 1100);
    assert_eq!(stage.marked(), [""; 0]);
    stage.key(KeyCode::End);
    assert_eq!(stage.marked(), ["m1100"]);
}

#[test]
fn a_message_of_another_program_of_ours_is_loaded() {
    let mut stage = Stage::with_bob(80, 24, vec![from_bob(1, "hi")]);
    stage.effects();
    stage.state("m2", State::Accepted);
    assert!(asks(&mut stage).contains(&Ask::Newer { peer: "bob".into(), after: 1 }));
    let sent = vec![to_bob(2, "from elsewhere", State::Accepted)];
    stage.answer(
        Ask::Newer { peer: "bob".into(), after: 1 },
        Answer::Page(crate::chat::input::Page {
            items: sent,
            before: Beyond::Nothing,
            after: Beyond::Nothing,
        }),
    );
    assert!(stage.picture().contains("from elsewhere"));
}

#[test]
fn what_is_unread_is_a_key_away_in_any_conversation() {
    let mut stage = Stage::with_bob(80, 24, vec![from_bob(1, "hi")]);
    let conversations = vec![
        conversation("bob", 0, None),
        conversation("carol", 3, Some(50)),
        conversation("dave", 0, None),
    ];
    stage.answer(Ask::Conversations, Answer::Conversations(conversations));
    stage.control('n');
    assert_eq!(stage.chat.peer(), Some("carol"));
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Around { .. }));
    assert_eq!(ask, Ask::Around { peer: "carol".into(), place: 50 });
}

#[test]
fn a_hit_is_shown_in_its_conversation() {
    let mut stage = Stage::with_bob(80, 24, vec![from_bob(100, "hi")]);
    stage.key(KeyCode::Char('/'));
    stage.type_text("needle");
    // One question at a time, and the newest words last.
    let first = stage.last_ask(|ask| matches!(ask, Ask::Search { .. }));
    assert_eq!(first, Ask::Search { words: "n".into(), peer: None });
    let nothing = Found { items: Vec::new(), next: None, unindexed: 0 };
    stage.answer(first, Answer::Found(nothing));
    let second = stage.last_ask(|ask| matches!(ask, Ask::Search { .. }));
    assert_eq!(second, Ask::Search { words: "needle".into(), peer: None });
    let message = from_bob(7, "a needle in the hay");
    let hit = Hit { message, matches: vec![(2, 8)], before: Vec::new(), after: Vec::new() };
    stage.answer(second, Answer::Found(Found { items: vec![hit], next: None, unindexed: 0 }));
    stage.key(KeyCode::Enter);
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Around { .. }));
    assert_eq!(ask, Ask::Around { peer: "bob".into(), place: 7 });
    stage.answer_page(many(1..60), Beyond::Nothing, Beyond::More);
    assert!(stage.picture().contains("▸  message 7"), "{}", stage.picture());
}

#[test]
fn a_click_opens_a_conversation_and_the_wheel_scrolls() {
    let mut stage = Stage::with_bob(80, 24, many(1..60));
    let at_end = stage.picture();
    stage.mouse(MouseEventKind::ScrollUp, 40, 5);
    assert_ne!(stage.picture(), at_end);
    stage.mouse(MouseEventKind::ScrollDown, 40, 5);
    assert_eq!(stage.picture(), at_end);
    stage.mouse(MouseEventKind::Down(MouseButton::Left), 3, 3);
    assert_eq!(stage.chat.peer(), Some("dave"));
}
