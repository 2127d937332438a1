//! The daemon's end and its return, the first start, and what is asked when.

use super::stage::{Stage, from_bob, many, status, three_conversations};
use crate::chat::{
    input::{Answer, Ask, Beyond, Effect, Following, Input, NoAnswer},
    model::Us,
};
use pychat_control::{EventKind, Link, Status};
use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode};
use std::time::Duration;

#[test]
fn a_daemon_that_is_gone_is_told_and_its_return_goes_on_without_a_gap() {
    let mut stage = Stage::with_bob(80, 24, vec![from_bob(1, "hi")]);
    stage.input(Input::DaemonGone);
    assert!(stage.picture().contains("The daemon ended; waiting for it to come back."));
    stage.effects();
    stage.wait(Duration::from_secs(10));
    assert_eq!(stage.effects(), [], "nobody is there to be asked");
    stage.input(Input::Subscribed(Following::Seamlessly));
    assert!(!stage.picture().contains("The daemon ended"));
    let effects = stage.effects();
    for ask in [
        Ask::Status,
        Ask::Conversations,
        Ask::Contacts,
        Ask::Newer { peer: "bob".into(), after: 1 },
    ] {
        assert!(effects.contains(&Effect::Ask(ask.clone())), "{ask:?} not in {effects:?}");
    }
    assert!(stage.picture().contains("hi"), "what was shown stays");
}

#[test]
fn with_another_database_everything_is_loaded_anew() {
    let mut stage = Stage::with_bob(80, 24, many(1..60));
    stage.input(Input::DaemonGone);
    stage.effects();
    stage.input(Input::Subscribed(Following::Anew));
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Latest { .. }));
    assert_eq!(ask, Ask::Latest { peer: "bob".into() });
    stage.answer_page(vec![from_bob(1, "another past")], Beyond::Nothing, Beyond::Nothing);
    assert!(stage.picture().contains("another past"));
    assert!(!stage.picture().contains("message 59"));
}

#[test]
fn the_first_start_goes_on_by_itself_once_somebody_connects() {
    let mut stage = Stage::dark(80, 24);
    stage.input(Input::Subscribed(Following::Anew));
    let nobody = Status { user: None, link: Link::Disconnected, ..status() };
    stage.answer(Ask::Status, Answer::Status(Box::new(nobody)));
    assert_eq!(stage.chat.us, Us::Nobody);
    assert!(stage.picture().contains("pychatctl connect alice"));
    stage.effects();
    stage.event(EventKind::Connection { state: Link::Connected });
    assert!(stage.effects().contains(&Effect::Ask(Ask::Status)));
    stage.answer(Ask::Status, Answer::Status(Box::new(status())));
    assert_eq!(stage.chat.us, Us::User("alice".into()));
}

#[test]
fn the_link_is_asked_for_only_while_it_is_looked_at() {
    let mut stage = Stage::with(80, 24, three_conversations());
    stage.effects();
    stage.wait(Duration::from_secs(5));
    assert!(stage.effects().contains(&Effect::Ask(Ask::Status)));
    stage.answer(Ask::Status, Answer::Status(Box::new(status())));
    stage.terminal(TerminalEvent::FocusLost);
    stage.effects();
    stage.wait(Duration::from_secs(50));
    assert!(!stage.effects().contains(&Effect::Ask(Ask::Status)));
    // Then only the minute counts.
    assert!(stage.chat.wake_at() > stage.chat.now.at);
}

#[test]
fn nothing_is_looked_at_again_before_time_has_passed() {
    let waits = |stage: &Stage| stage.chat.wake_at() > stage.chat.now.at;
    let mut stage = Stage::with_bob(80, 24, many(1..60));
    // A daemon that does not answer what was asked.
    for _ in 0..3 {
        stage.wait(Duration::from_secs(30));
        assert!(waits(&stage));
    }
    // Answers that were lost.
    for ask in
        [Ask::Status, Ask::Conversations, Ask::MarkRead { peer: "bob".into(), ids: Vec::new() }]
    {
        stage.input(Input::Answered(ask, Err(NoAnswer::Gone)));
        assert!(waits(&stage));
    }
    stage.wait(Duration::from_millis(500));
    assert!(waits(&stage));
    stage.input(Input::DaemonGone);
    stage.wait(Duration::from_secs(30));
    assert!(waits(&stage));
    stage.control('c');
    stage.wait(Duration::from_secs(30));
    assert!(waits(&stage));
}

#[test]
fn a_named_peer_is_opened_before_anything_is_known() {
    let mut stage = Stage::dark(80, 24);
    stage.chat.begin(Some("erin"));
    stage.log_in(three_conversations());
    assert_eq!(stage.chat.peer(), Some("erin"));
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Latest { .. }));
    assert_eq!(ask, Ask::Latest { peer: "erin".into() });
    assert!(stage.picture().contains("▸  erin"));
}

#[test]
fn keys_of_the_first_screen_leave() {
    let mut stage = Stage::dark(80, 24);
    stage.key(KeyCode::Char('x'));
    stage.control('q');
    assert!(stage.effects().contains(&Effect::Leave));
}
