//! Real programs, run for messages.
#![cfg(unix)]

use super::program::{Ended, Program};
use pychat_control::{Message, State};
use std::{ffi::OsString, time::Duration};

const SOON: Duration = Duration::from_secs(60);

fn message(body: &str) -> Message {
    Message {
        id: "01A".into(),
        from: "bob".into(),
        to: "us".into(),
        name: "Bob".into(),
        body: body.into(),
        sent_at: String::new(),
        received_at: None,
        state: State::Unread,
        reason: None,
        trust: None,
        place: Some(1),
    }
}

/// Runs a shell's script.
fn run(script: &str, messages: &[Message], time: Duration) -> Ended {
    let words = ["sh", "-c", script].map(OsString::from).to_vec();
    let program = Program::new("on-message", words, "work", time);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(program.run(messages))
}

#[test]
fn a_program_gets_the_message_on_its_input_and_a_clean_environment() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("said");
    let script = format!("{{ cat; env; }} > {}", file.display());
    assert_eq!(run(&script, &[message("it's $HOME\n")], SOON), Ended::Well);
    let said = std::fs::read_to_string(&file).unwrap();
    let first: Message = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(first.body, "it's $HOME\n");
    for expected in
        ["PYCHAT_HOOK=on-message", "PYCHAT_PROFILE=work", "PYCHAT_FROM=bob", "PYCHAT_ID=01A"]
    {
        assert!(said.lines().any(|line| line == expected), "{expected} in {said}");
    }
    assert!(!said.contains("CARGO"), "{said}");
}

#[test]
fn a_failure_says_the_code_and_the_first_line_that_the_program_said() {
    let failed =
        run("echo; echo '  no route\u{1b}[2J' >&2; echo more >&2; exit 3", &[message("x")], SOON);
    assert_eq!(failed, Ended::Badly("it ended with exit status: 3: no route[2J".into()));
    let words = vec![OsString::from("/nonexistent/beep")];
    let program = Program::new("on-message", words, "work", SOON);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(program.run(&[message("x")]));
    assert!(
        matches!(&ended, Ended::NotStarted(why) if why.starts_with("/nonexistent/beep cannot be started")),
        "{ended:?}"
    );
}

#[test]
fn a_program_that_takes_too_long_ends_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Both hold the pipe open: it ends when both are gone.
    let (ends, end) = std::sync::mpsc::channel();
    let read_fifo = fifo.clone();
    std::thread::spawn(move || {
        let rest = std::fs::read(read_fifo);
        ends.send(rest.is_ok()).unwrap();
    });
    let script = format!("exec 3>{}; sleep 1000 & sleep 1000", fifo.display());
    let ended = run(&script, &[message("x")], Duration::from_millis(300));
    assert!(
        matches!(&ended, Ended::Badly(why) if why.contains("not done within 300ms")),
        "{ended:?}"
    );
    assert_eq!(end.recv_timeout(SOON), Ok(true), "something was left behind");
}

#[test]
fn what_a_program_left_in_the_background_does_not_hold_it_up() {
    assert_eq!(run("sleep 1000 & exit 0", &[message("x")], SOON), Ended::Well);
}

#[test]
fn a_program_need_not_read_what_it_gets() {
    let long = message(&"x".repeat(200_000));
    assert_eq!(run("exit 0", &[long], SOON), Ended::Well);
}

#[test]
fn a_cursor_that_cannot_be_moved_is_tried_again_and_the_program_is_not_run_again() {
    use crate::handle::{Handle, Subscription, ToCore};
    use pychat_control::{DaemonConfig, ErrorCode, Failure, Request};
    use serde_json::json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (requests, mut asked) = tokio::sync::mpsc::channel(8);
        let events = tokio::sync::broadcast::Sender::new(8);
        let config =
            DaemonConfig { on_message: Some(vec!["true".into()]), ..DaemonConfig::default() };
        let _hooks = super::start(&config, "default", &Handle(requests));
        let mut marks = 0;
        while marks < 2 {
            match asked.recv().await.expect("a question") {
                ToCore::Subscribe { respond } => {
                    drop(respond.send(Subscription { cursor: 0, live: events.subscribe() }));
                }
                ToCore::Request { request: Request::Inbox(_), respond } => {
                    assert_eq!(marks, 0, "the message is taken once more");
                    drop(respond.send(Ok(json!({ "items": [message("x")] }))));
                }
                ToCore::Request { request: Request::MarkReader(_), respond } => {
                    marks += 1;
                    // The program has ended: from here on only the pause takes time.
                    if marks == 1 {
                        tokio::time::pause();
                    }
                    let code = ErrorCode::LimitReached;
                    let message = "the disk is full".to_owned();
                    drop(respond.send(Err(Failure { code, message, hint: None, sent: None })));
                }
                ToCore::Hook(status) => {
                    let error = status.last_error.as_deref();
                    assert_eq!(error, (marks == 1).then_some("the disk is full"));
                }
                other => panic!("{other:?}"),
            }
        }
    });
}
