//! Chatting line by line. The full screen has tests of its own, beside it and in a real terminal.

use crate::{
    daemon::{FakeDaemon, Reply, arrival, message},
    run::{Home, SOON, said},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    sync::mpsc,
};

/// A daemon with one unread message that keeps what it gets.
fn keeping(method: &str, _: &Value) -> Reply {
    match method {
        "subscribe" => {
            // The unread one comes as an event too, and then a new one.
            let events = vec![
                arrival(5, &message("m1", "one\nand \u{1b}[2Jmore")),
                arrival(6, &message("m2", "two")),
            ];
            Reply::Events(json!({ "cursor": 4 }), events)
        }
        "inbox" => Reply::Result(json!({ "items": [message("m1", "one\nand \u{1b}[2Jmore")] })),
        "send" => Reply::Result(json!({ "id": "s1", "state": "queued" })),
        "unread" => Reply::Result(json!({ "total": 2, "items": [{ "user": "bob", "count": 2 }] })),
        "users" => Reply::Result(json!({ "items": [{
            "user": "bob", "name": "Bob", "status": "online", "since": "2026-01-31T11:55:00.000Z",
        }] })),
        _ => Reply::Result(json!({})),
    }
}

fn sends(daemon: &FakeDaemon) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let sends = daemon.asked().into_iter().filter(|(method, _)| method == "send");
    sends.map(|(_, params)| (text(&params["to"]), text(&params["body"]))).collect()
}

#[test]
fn each_line_is_sent_and_commands_are_obeyed() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, keeping);
    let input =
        b"hello\n\n//slash\n/to carol\nhi carol\n/unread\n/who\n/nonsense\n/help\n/to Carol\n";
    let said = home.run_with_input(&["chat", "--plain", "bob"], input);
    assert_eq!(said.code, Some(0), "{said:?}");
    let expected = [("bob", "hello"), ("bob", "/slash"), ("carol", "hi carol")];
    assert_eq!(sends(&daemon), expected.map(|(to, body)| (to.to_owned(), body.to_owned())));
    for told in [
        "what you type goes to carol",
        "2 from bob",
        "bob is online",
        "there is no command /nonsense",
        "/quit      leave",
        "did you mean carol?",
    ] {
        assert!(said.err.contains(told), "no {told:?} in {}", said.err);
    }
}

#[test]
fn messages_are_printed_once_with_their_sender_first_and_marked() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, keeping);
    let mut child = home.command(&["chat", "bob"]).stdin(Stdio::piped()).spawn().unwrap();
    let (tell, lines) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines() {
            let _ = tell.send(line.unwrap());
        }
    });
    let expected =
        ["bob (2026-01-31T11:55:00Z): one", "    and more", "bob (2026-01-31T11:55:00Z): two"];
    for line in expected {
        assert_eq!(lines.recv_timeout(SOON).unwrap(), line);
    }
    drop(child.stdin.take());
    assert_eq!(said(child.wait_with_output().unwrap()).code, Some(0));
    assert_eq!(lines.recv_timeout(SOON), Err(mpsc::RecvTimeoutError::Disconnected));
    let marks = daemon.asked().into_iter().filter(|(method, _)| method == "mark_read");
    let ids: Vec<Value> = marks.map(|(_, params)| params["ids"].clone()).collect();
    assert_eq!(ids, [json!(["m1"]), json!(["m2"])]);
}

#[test]
fn a_text_that_was_not_kept_is_told_with_the_reason() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |method, params| match method {
        "subscribe" => Reply::Result(json!({ "cursor": 4 })),
        "send" if params["body"] == "no" => Reply::Error(json!({
            "code": 5, "message": "nobody has the name bob",
            "data": { "name": "no_such_user", "hint": "see who is there" },
        })),
        "inbox" => Reply::Result(json!({ "items": [] })),
        _ => keeping(method, params),
    });
    let said = home.run_with_input(&["chat", "--plain", "bob"], b"no\n");
    assert_eq!(said.code, Some(0));
    assert!(
        said.err.contains("not sent: no\nnobody has the name bob; see who is there\n"),
        "{said:?}"
    );
}

#[test]
fn a_line_longer_than_a_message_is_refused_and_the_next_one_is_not() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, keeping);
    let input = format!("{}\n{}\nshort\n", "x".repeat(40_000), "y".repeat(32 * 1024));
    let said = home.run_with_input(&["chat", "--plain", "bob"], input.as_bytes());
    let bodies: Vec<usize> = sends(&daemon).into_iter().map(|(_, body)| body.len()).collect();
    assert_eq!(bodies, [32 * 1024, 5]);
    assert!(said.err.contains("not sent: a message holds 32768 bytes"), "{}", said.err);
}

#[test]
fn without_a_peer_somebody_has_to_be_there_to_choose_one() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, keeping);
    let said = home.run(&["chat"]);
    assert_eq!(said.code, Some(2));
    insta::assert_snapshot!(said.err, @r"
    error: there is no terminal to choose a peer on
    hint: name somebody: pychatctl chat --plain PEER
    ");
    let said = home.run(&["chat", "bob", "--json"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("inbox --follow --json"), "{}", said.err);
    assert_eq!(home.run(&["chat", "B"]).code, Some(2));
}
