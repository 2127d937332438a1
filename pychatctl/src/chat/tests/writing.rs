//! Typing and sending.

use super::stage::{Stage, contact, from_bob, to_bob};
use crate::chat::{
    input::{Ask, Beyond, Effect, Following, Input, NoAnswer},
    model::{Daemon, OUTGOING_MAX},
};
use pychat_control::{ContactState, ErrorCode, EventKind, Failure, Sent, State};
use ratatui::crossterm::event::{Event as TerminalEvent, KeyCode};
use std::time::Duration;

fn stage() -> Stage {
    Stage::with_bob(80, 24, vec![from_bob(1, "hi")])
}

/// The row of the screen with this text.
fn row_with(stage: &Stage, text: &str) -> String {
    let picture = stage.picture();
    let row = picture.lines().find(|line| line.contains(text));
    let row = row.unwrap_or_else(|| panic!("no {text:?} in:\n{picture}"));
    row.split('│').nth(1).unwrap_or(row).trim_end().to_owned()
}

fn not_sent(stage: &mut Stage, why: NoAnswer) {
    let ask = stage.last_ask(|ask| matches!(ask, Ask::Send { .. }));
    stage.input(Input::Answered(ask, Err(why)));
}

fn failure(code: ErrorCode, sent: Option<Sent>) -> NoAnswer {
    NoAnswer::Failed(Box::new(Failure {
        code,
        message: "nobody has the name bob".into(),
        hint: None,
        sent,
    }))
}

#[test]
fn ticks_move_as_states_come() {
    let mut stage = stage();
    stage.type_text("hello");
    stage.key(KeyCode::Enter);
    insta::assert_snapshot!(row_with(&stage, "hello"), @"…  hello                                           sending");
    stage.keep("m2");
    insta::assert_snapshot!(row_with(&stage, "hello"), @"·  hello                                            queued");
    stage.answer_page(vec![to_bob(2, "hello", State::Queued)], Beyond::Nothing, Beyond::Nothing);
    let mut told = Vec::new();
    for state in [State::Accepted, State::Delivered, State::Read] {
        stage.state("m2", state);
        told.push(row_with(&stage, "hello"));
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    ✓  hello                                     at the server
    ✓✓ hello                                         delivered
    ◉  hello                                              read
    ");
}

#[test]
fn why_a_message_was_not_sent_stands_below_it() {
    let mut stage = stage();
    stage.send("hello", "m2");
    stage.answer_page(vec![to_bob(2, "hello", State::Queued)], Beyond::Nothing, Beyond::Nothing);
    let reason = Some("bob's mailbox is full\u{1b}[2J".into());
    stage.event(EventKind::State { id: "m2".into(), state: State::Refused, reason });
    insta::assert_snapshot!(row_with(&stage, "hello"), @"✗  hello                                          not sent");
    insta::assert_snapshot!(row_with(&stage, "full"), @"   not sent: bob's mailbox is full");
}

#[test]
fn a_text_moves_from_its_way_into_the_history_without_a_double() {
    let mut stage = stage();
    stage.send("hello", "m2");
    assert_eq!(stage.picture().matches("hello").count(), 1);
    stage.answer_page(vec![to_bob(2, "hello", State::Accepted)], Beyond::Nothing, Beyond::Nothing);
    assert_eq!(stage.picture().matches("hello").count(), 1);
    assert_eq!(stage.chat.outgoing.len(), 0);
}

#[test]
fn texts_go_out_one_after_the_other() {
    let mut stage = stage();
    stage.effects();
    for text in ["one", "two"] {
        stage.type_text(text);
        stage.key(KeyCode::Enter);
    }
    let sends = stage.sends();
    assert_eq!(sends, [("k-1".to_owned(), "one".to_owned())]);
    stage.input(Input::Answered(
        Ask::Send { key: "k-1".into(), to: "bob".into(), body: "one".into() },
        Err(NoAnswer::Gone),
    ));
    assert_eq!(stage.sends(), []);
    // The lost one is asked for again, with its key, before the next.
    stage.wait(Duration::from_secs(1));
    assert_eq!(stage.sends(), [("k-1".to_owned(), "one".to_owned())]);
}

#[test]
fn a_paste_of_several_lines_sends_nothing() {
    let mut stage = stage();
    stage.effects();
    stage.terminal(TerminalEvent::Paste("one\r\ntwo\nthree\n".into()));
    assert_eq!(stage.sends(), []);
    assert_eq!(stage.chat.line().unwrap().text(), "one\ntwo\nthree\n");
    stage.key(KeyCode::Enter);
    assert_eq!(stage.sends(), [("k-1".to_owned(), "one\ntwo\nthree\n".to_owned())]);
}

#[test]
fn a_new_line_can_be_typed() {
    let mut stage = stage();
    stage.type_text("one");
    stage.alt(KeyCode::Enter);
    stage.type_text("two");
    stage.control('j');
    stage.type_text("three");
    assert_eq!(stage.chat.line().unwrap().text(), "one\ntwo\nthree");
}

#[test]
fn the_bound_of_a_text_is_told() {
    let mut stage = stage();
    stage.terminal(TerminalEvent::Paste("x".repeat(32 * 1024 + 1)));
    assert!(stage.chat.is_line_empty());
    let told = stage.picture();
    assert!(told.contains("nothing was pasted: a message holds 32768 bytes"), "{told}");
    stage.terminal(TerminalEvent::Paste("x".repeat(32 * 1024)));
    stage.type_text("y");
    assert_eq!(stage.chat.line().unwrap().text().len(), 32 * 1024);
}

#[test]
fn a_draft_is_kept_for_each_conversation() {
    let mut stage = stage();
    stage.type_text("to bob");
    stage.alt(KeyCode::Down);
    assert_eq!(stage.chat.peer(), Some("carol"));
    assert!(stage.chat.is_line_empty());
    stage.type_text("to carol");
    stage.alt(KeyCode::Up);
    assert_eq!(stage.chat.line().unwrap().text(), "to bob");
    stage.alt(KeyCode::Down);
    assert_eq!(stage.chat.line().unwrap().text(), "to carol");
}

#[test]
fn sent_texts_come_back_and_what_was_typed_after_them() {
    let mut stage = stage();
    for (text, id) in [("one", "m2"), ("two", "m3")] {
        stage.send(text, id);
    }
    stage.type_text("typed");
    for expected in ["two", "one", "one"] {
        stage.key(KeyCode::Up);
        assert_eq!(stage.chat.line().unwrap().text(), expected);
    }
    for expected in ["two", "typed", "typed"] {
        stage.key(KeyCode::Down);
        assert_eq!(stage.chat.line().unwrap().text(), expected);
    }
}

#[test]
fn a_text_that_was_not_kept_goes_back_before_what_is_typed() {
    let mut stage = stage();
    stage.type_text("first");
    stage.key(KeyCode::Enter);
    stage.type_text("second");
    not_sent(&mut stage, failure(ErrorCode::NoSuchUser, None));
    assert_eq!(stage.chat.line().unwrap().text(), "first\nsecond");
    assert_eq!(stage.chat.outgoing.len(), 0);
    assert!(stage.picture().contains("not sent: nobody has the name bob"));
}

#[test]
fn a_text_that_is_held_stays_and_says_so() {
    let mut stage = stage();
    stage.type_text("secret");
    stage.key(KeyCode::Enter);
    let sent = Sent { id: "m2".into(), state: State::Queued, first_contact: None };
    not_sent(&mut stage, failure(ErrorCode::KeyChanged, Some(sent)));
    stage.event(EventKind::Contact { contact: contact("bob", ContactState::Changed) });
    insta::assert_snapshot!(row_with(&stage, "secret"), @"‖  secret                                             held");
    assert!(stage.chat.is_line_empty());
}

#[test]
fn without_a_daemon_texts_wait_for_it() {
    let mut stage = stage();
    stage.input(Input::DaemonGone);
    stage.effects();
    stage.type_text("hello");
    stage.key(KeyCode::Enter);
    assert_eq!(stage.sends(), []);
    assert_eq!(stage.chat.daemon, Daemon::Gone);
    stage.input(Input::Subscribed(Following::Seamlessly));
    assert_eq!(stage.sends(), [("k-1".to_owned(), "hello".to_owned())]);
}

#[test]
fn a_daemon_that_hangs_does_not_swallow_texts_without_end() {
    let mut stage = stage();
    for _ in 0..OUTGOING_MAX {
        stage.type_text("x");
        stage.key(KeyCode::Enter);
    }
    stage.type_text("more");
    stage.key(KeyCode::Enter);
    assert_eq!(stage.chat.outgoing.len(), OUTGOING_MAX);
    assert_eq!(stage.chat.line().unwrap().text(), "more");
}

#[test]
fn the_second_interrupt_within_its_time_leaves() {
    let mut stage = stage();
    stage.effects();
    stage.control('c');
    assert!(!stage.effects().contains(&Effect::Leave));
    assert!(stage.picture().contains("press Ctrl-C again to leave"));
    stage.wait(Duration::from_secs(4));
    stage.control('c');
    assert!(!stage.effects().contains(&Effect::Leave));
    stage.control('c');
    assert!(stage.effects().contains(&Effect::Leave));
}

#[test]
fn leaving_with_a_text_that_is_on_no_disk_asks_first() {
    let mut stage = stage();
    stage.type_text("hello");
    stage.key(KeyCode::Enter);
    stage.effects();
    stage.control('q');
    assert!(!stage.effects().contains(&Effect::Leave));
    stage.control('q');
    assert!(stage.effects().contains(&Effect::Leave));
    assert_eq!(stage.chat.unkept().count(), 1);
}
