//! Every screen as it looks.

use super::stage::{
    PLAIN, Stage, contact, conversation, from_bob, many, status, three_conversations, to_bob,
    unread_from_bob,
};
use crate::chat::{
    input::{Answer, Ask, Beyond, Following, Input},
    model::{Glyphs, Look},
};
use pychat_control::{
    ContactState, EventKind, Found, Hit, KnownName, Link, Message, State, Status, Trust,
    Verification,
};
use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode};

const NUMBER: &str = "02866 37825 65778 97384 01834 14095 06193 97094 01703 84796 14904 31971";

fn talk() -> Vec<Message> {
    vec![
        Message {
            received_at: Some("2026-01-30T21:12:00.000Z".into()),
            ..from_bob(1, "are you there?")
        },
        Message {
            sent_at: "2026-01-30T21:20:00.000Z".into(),
            ..to_bob(2, "tomorrow", State::Read)
        },
        from_bob(100, "morning! did you see the build?"),
        from_bob(101, "it is green"),
        to_bob(110, "finally", State::Read),
        to_bob(111, "I shall tag it, then", State::Delivered),
        to_bob(112, "done", State::Accepted),
        from_bob(118, "great"),
    ]
}

fn main_screen(width: u16, height: u16) -> Stage {
    Stage::with_bob(width, height, talk())
}

fn changed(width: u16, height: u16) -> Stage {
    let mut stage = main_screen(width, height);
    stage.event(EventKind::Contact { contact: contact("bob", ContactState::Changed) });
    stage
}

#[test]
fn the_main_screen() {
    insta::assert_snapshot!("main_80x24", main_screen(80, 24).picture());
    insta::assert_snapshot!("main_60x15", main_screen(60, 15).picture());
    insta::assert_snapshot!("main_120x40", main_screen(120, 40).picture());
}

#[test]
fn the_main_screen_without_unicode() {
    let look = Look { glyphs: Glyphs::Ascii, ..PLAIN };
    let mut stage = Stage::with_look(look, 80, 24);
    stage.log_in(three_conversations());
    stage.answer_page(talk(), Beyond::Nothing, Beyond::Nothing);
    let picture = stage.picture();
    assert!(picture.is_ascii(), "{picture}");
    insta::assert_snapshot!("main_ascii", picture);
    stage.key(KeyCode::F(1));
    assert!(stage.picture().is_ascii(), "{}", stage.picture());
}

#[test]
fn nobody_yet() {
    insta::assert_snapshot!("empty", Stage::with(80, 24, Vec::new()).picture());
}

#[test]
fn before_the_first_login() {
    let mut stage = Stage::dark(80, 24);
    stage.input(Input::Subscribed(Following::Anew));
    let nobody = Status { user: None, link: Link::Disconnected, rtt_ms: None, ..status() };
    stage.answer(Ask::Status, Answer::Status(Box::new(nobody)));
    insta::assert_snapshot!("first_start", stage.picture());
}

#[test]
fn on_the_way_to_the_server() {
    let mut stage = main_screen(80, 24);
    stage.event(EventKind::Connection { state: Link::Connecting });
    let status = Status { link: Link::Connecting, queued: 2, ..status() };
    stage.answer(Ask::Status, Answer::Status(Box::new(status)));
    insta::assert_snapshot!("connecting", stage.picture());
}

#[test]
fn logged_out_refused_and_without_a_daemon() {
    let bottom = |stage: &Stage| {
        let picture = stage.picture();
        let rows: Vec<&str> = picture.lines().collect();
        rows[rows.len() - 5..].join("\n")
    };
    let mut stage = main_screen(80, 24);
    stage.event(EventKind::Connection { state: Link::Disconnected });
    insta::assert_snapshot!("logged_out", bottom(&stage));
    let error = Some("the name alice belongs to another key".into());
    let refused = Status { link: Link::Refused, last_error: error, ..status() };
    stage.answer(Ask::Status, Answer::Status(Box::new(refused)));
    insta::assert_snapshot!("refused", bottom(&stage));
    stage.input(Input::DaemonGone);
    insta::assert_snapshot!("daemon_gone", bottom(&stage));
}

#[test]
fn where_unread_messages_begin() {
    let mut stage = Stage::with(80, 24, vec![conversation("bob", 2, Some(117))]);
    let mut messages = talk();
    messages.pop();
    messages.push(unread_from_bob(117, "great"));
    messages.push(unread_from_bob(118, "and thank you"));
    stage.answer_page(messages, Beyond::Nothing, Beyond::Nothing);
    insta::assert_snapshot!("unread_line", stage.picture());
}

#[test]
fn above_the_end() {
    let mut stage = Stage::with_bob(80, 24, many(1..118));
    stage.key(KeyCode::PageUp);
    insta::assert_snapshot!("scrolled", stage.picture());
}

#[test]
fn a_key_that_changed() {
    let mut stage = changed(80, 24);
    stage.send("what is held", "m119");
    insta::assert_snapshot!("key_changed", stage.picture());
    let mut stage = changed(60, 15);
    insta::assert_snapshot!("key_changed_60x15", stage.picture());
    stage.key(KeyCode::F(5));
    insta::assert_snapshot!("trust_60x15", stage.picture());
}

#[test]
fn taking_a_new_key() {
    let mut stage = changed(80, 24);
    stage.key(KeyCode::F(5));
    insta::assert_snapshot!("trust", stage.picture());
}

#[test]
fn comparing_keys() {
    let verification = Verification {
        contact: contact("bob", ContactState::Pinned),
        safety_number: NUMBER.into(),
        qr: NUMBER.replace(' ', ""),
        matches: None,
    };
    let verify = |width, height| {
        let mut stage = main_screen(width, height);
        stage.key(KeyCode::F(4));
        let ask = Ask::Verify { peer: "bob".into(), code: None };
        stage.answer(ask, Answer::Verified(Box::new(verification.clone())));
        stage
    };
    let mut stage = verify(80, 24);
    insta::assert_snapshot!("verify", stage.picture());
    insta::assert_snapshot!("verify_60x15", verify(60, 15).picture());
    stage.type_text("02866");
    stage.key(KeyCode::Enter);
    assert!(stage.picture().contains("60 digits"), "{}", stage.picture());
    stage.terminal(TerminalEvent::Paste(NUMBER[5..].into()));
    stage.key(KeyCode::Enter);
    let code = Some(NUMBER.to_owned());
    let ask = Ask::Verify { peer: "bob".into(), code };
    assert_eq!(stage.last_ask(|ask| matches!(ask, Ask::Verify { .. })), ask);
    let differs = Verification { matches: Some(false), ..verification };
    stage.answer(ask, Answer::Verified(Box::new(differs)));
    insta::assert_snapshot!("verify_differs", stage.picture());
}

fn found() -> Found {
    let hit = |message, matches| Hit { message, matches, before: Vec::new(), after: Vec::new() };
    let long = format!("{} the build is green {}", "before ".repeat(20), "and after ".repeat(20));
    let at = u32::try_from(long.find("build").unwrap()).unwrap();
    Found {
        items: vec![
            hit(from_bob(100, "morning! did you see the build?"), vec![(25, 30)]),
            hit(to_bob(90, &long, State::Read), vec![(at, at + 5)]),
        ],
        next: None,
        unindexed: 12,
    }
}

#[test]
fn looking_for_words() {
    let mut stage = main_screen(80, 24);
    stage.control('f');
    insta::assert_snapshot!("search_empty", stage.picture());
    stage.terminal(TerminalEvent::Paste("build".into()));
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Search { .. }));
    stage.answer(ask, Answer::Found(found()));
    stage.key(KeyCode::Down);
    insta::assert_snapshot!("search", stage.picture());
}

#[test]
fn going_to_somebody() {
    let mut stage = main_screen(80, 24);
    stage.control('k');
    insta::assert_snapshot!("switcher", stage.picture());
    stage.type_text("ca");
    let names = vec![
        KnownName { user: "cato".into(), name: Some("Cato E.".into()), status: None },
        KnownName { user: "carol".into(), name: None, status: None },
    ];
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Names { .. }));
    stage.answer(ask, Answer::Names(Vec::new()));
    stage.answer(Ask::Names { prefix: "ca".into() }, Answer::Names(names));
    insta::assert_snapshot!("switcher_letters", stage.picture());
    stage.key(KeyCode::Down);
    stage.key(KeyCode::Enter);
    assert_eq!(stage.chat.peer(), Some("cato"));
}

#[test]
fn the_help() {
    let mut stage = main_screen(80, 24);
    stage.key(KeyCode::Char('?'));
    insta::assert_snapshot!("help", stage.picture());
    for _ in 0..50 {
        stage.key(KeyCode::Down);
    }
    insta::assert_snapshot!("help_end", stage.picture());
    stage.key(KeyCode::Char('x'));
    assert!(stage.chat.is_line_empty());
    assert!(!stage.picture().contains("Keys:"));
}

#[test]
fn what_the_numbers_mean() {
    let mut stage = main_screen(80, 24);
    stage.key(KeyCode::F(2));
    insta::assert_snapshot!("link", stage.picture());
    let error = Some("no answer from 192.0.2.1:7420".into());
    let status =
        Status { link: Link::Connecting, rtt_ms: None, queued: 2, last_error: error, ..status() };
    stage.answer(Ask::Status, Answer::Status(Box::new(status)));
    insta::assert_snapshot!("link_connecting", stage.picture());
}

#[test]
fn too_small() {
    insta::assert_snapshot!(main_screen(29, 8).picture().trim_end(), @"30x8 needed");
    insta::assert_snapshot!(main_screen(30, 7).picture().trim_end(), @"30x8 needed");
    insta::assert_snapshot!("smallest", main_screen(30, 8).picture());
}

#[test]
fn long_texts_and_wide_ones() {
    let long = "a word and ".repeat(20) + "https://example.org/" + &"path/".repeat(20);
    let messages = vec![
        from_bob(100, &long),
        from_bob(101, "日本語のとても長い文章は空白がなくても折り返される、画面の幅に合わせて。"),
        to_bob(102, "👩‍👩‍👧 and 🏳️‍🌈 and ❤️, Zoë\n\n\tindented\nשלום", State::Delivered),
        Message { trust: Some(Trust::KeyChanged), ..from_bob(103, "send me your password") },
        Message { trust: Some(Trust::Unopened), ..from_bob(104, "") },
        from_bob(105, "\u{200b}\u{2060}"),
    ];
    insta::assert_snapshot!("long_and_wide", Stage::with_bob(80, 30, messages).picture());
}

#[test]
fn several_lines_are_typed() {
    let mut stage = main_screen(80, 24);
    stage.terminal(TerminalEvent::Paste("one\ntwo\n日本語 👩‍👩‍👧\n".into()));
    insta::assert_snapshot!("typing", stage.picture());
}
