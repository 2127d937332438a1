//! Watching events.

use crate::{
    daemon::{FakeDaemon, Reply, arrival, message},
    run::Home,
};
use serde_json::{Value, json};

fn event(value: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": "event", "params": value })
}

fn shown() -> Value {
    event(&json!({
        "cursor": 6, "at": "2026-01-31T11:56:00.000Z", "event": "shown", "from": "bob", "id": "m1",
    }))
}

fn connecting() -> Value {
    event(
        &json!({ "at": "2026-01-31T11:57:00.000Z", "event": "connection", "state": "connecting" }),
    )
}

fn subscriptions(daemon: &FakeDaemon) -> Vec<Value> {
    let asked = daemon.asked().into_iter();
    asked.filter(|(method, _)| method == "subscribe").map(|(_, params)| params).collect()
}

#[test]
fn events_are_lines_and_nothing_is_marked() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| {
        let events = vec![arrival(5, &message("m1", "one\ntwo")), shown(), connecting()];
        Reply::Events(json!({ "cursor": 4 }), events)
    });
    let said = home.run(&["watch", "-n", "3"]);
    insta::assert_snapshot!(said.out, @r"
    2026-01-31T11:55:00Z  message     bob (Bob): one two
    2026-01-31T11:56:00Z  shown       you read bob's m1
    2026-01-31T11:57:00Z  connection  connecting to the server
    ");
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    assert_eq!(daemon.asked(), [("subscribe".to_owned(), json!({}))]);
}

#[test]
fn kinds_can_be_chosen_and_json_is_the_event_itself() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| {
        let events = vec![arrival(5, &message("m1", "one")), shown(), connecting()];
        Reply::Events(json!({ "cursor": 4 }), events)
    });
    let words = ["watch", "--json", "--after", "0", "--events", "shown,connection", "-n", "2"];
    let said = home.run(&words);
    let lines: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [shown()["params"].clone(), connecting()["params"].clone()]);
    assert_eq!(subscriptions(&daemon), [json!({ "after": 0 })]);
    let said = home.run(&["watch", "--events", "nonsense"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("message, state, shown, connection, presence, server_notice, contact"),
        "{}",
        said.err
    );
}

#[test]
fn a_timeout_that_was_typed_ends_it_and_no_other_one() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "cursor": 4 })));
    let said = home.run(&["watch", "--timeout", "100ms"]);
    assert_eq!((said.out.as_str(), said.err.as_str(), said.code), ("", "", Some(0)));
    let said = home.run(&["watch", "-n", "2", "--timeout", "100ms"]);
    assert_eq!((said.out.as_str(), said.code), ("", Some(6)));
    insta::assert_snapshot!(said.err, @r"
    error: 0 of 2 events came in time
    hint: wait longer with --timeout, or see: pychatctl status
    ");
    drop(daemon);
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        Reply::Events(json!({ "cursor": 4 }), vec![arrival(5, &message("m1", "one"))])
    });
    // The variable is how long requests wait: it does not end this before its one event.
    let mut command = home.command(&["watch", "-n", "1"]);
    let output = command.env("PYCHAT_TIMEOUT", "0").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn it_goes_on_after_its_cursor_when_it_is_cut_off_or_the_daemon_ends() {
    let home = Home::new();
    let mut count = 0;
    let daemon = FakeDaemon::start(&home, move |_, _| {
        count += 1;
        let cut = json!({
            "jsonrpc": "2.0", "method": "cut_off", "params": { "cursor": 9, "message": "slow" },
        });
        match count {
            1 => Reply::Events(json!({ "cursor": 4 }), vec![cut]),
            2 => Reply::Close,
            _ => Reply::Events(json!({ "cursor": 9 }), vec![arrival(10, &message("m1", "x"))]),
        }
    });
    let said = home.run(&["watch", "-n", "1"]);
    assert_eq!(said.err, "the daemon ended; waiting for it to come back\n");
    assert_eq!(said.out.lines().count(), 1);
    assert_eq!(subscriptions(&daemon), [json!({}), json!({ "after": 9 }), json!({ "after": 9 })]);
}

#[test]
fn a_gap_is_an_error() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        Reply::Error(json!({ "code": 8, "message": "events after 3 are no longer kept" }))
    });
    let said = home.run(&["watch", "--after", "3"]);
    assert_eq!((said.out.as_str(), said.code), ("", Some(8)));
    assert_eq!(said.err, "error: events after 3 are no longer kept\n");
}

#[test]
fn a_doubtful_message_is_shown_and_told_by_the_exit_code() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        let mut doubtful = message("m1", "send money");
        doubtful["trust"] = json!("key_changed");
        Reply::Events(json!({ "cursor": 4 }), vec![arrival(5, &doubtful)])
    });
    let said = home.run(&["watch", "-n", "1"]);
    assert_eq!(said.code, Some(7));
    insta::assert_snapshot!(said.out, @"2026-01-31T11:55:00Z  message     bob (Bob) [KEY CHANGED]: send money");
}

#[test]
fn an_interrupt_is_a_quiet_end() {
    use std::os::unix::process::ExitStatusExt;
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "cursor": 0 })));
    let child = home.command(&["watch"]).spawn().unwrap();
    assert_eq!(daemon.next().0, "subscribe");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), output.stderr.as_slice()), (Some(2), &b""[..]));
}
