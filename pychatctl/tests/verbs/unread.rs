//! Lines for status bars.

use crate::{
    daemon::{FakeDaemon, Reply, arrival, message},
    run::Home,
};
use serde_json::{Value, json};

fn some(count: u64) -> Value {
    json!({ "total": count, "items": [{ "user": "bob", "count": count }] })
}

fn none() -> Value {
    json!({ "total": 0, "items": [] })
}

#[test]
fn a_line_is_filled_in() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| Reply::Result(some(3)));
    assert_eq!(home.run(&["unread", "--format", "✉ {total} ({names})"]).out, "✉ 3 (bob)\n");
    // A format is more particular than a form that a file asks for.
    let mut command = home.command(&["unread", "--format", "{senders}"]);
    assert_eq!(command.env("PYCHAT_JSON", "1").output().unwrap().stdout, b"1\n");
    let said = home.run(&["unread", "--format", "{count}"]);
    assert_eq!(said.code, Some(2));
    insta::assert_snapshot!(said.err, @r"
    error: invalid value '{count}' for '--format <TEXT>': there is no {count}: it is {total}, {senders} or {names}; {{ and }} are braces

    For more information, try '--help'.
    ");
}

#[test]
fn with_if_any_nothing_is_nothing() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| Reply::Result(none()));
    for words in [&["--if-any"][..], &["--if-any", "--format", "{total}"], &["--if-any", "--json"]]
    {
        let said = home.run(&[&["unread"][..], words].concat());
        assert_eq!((said.out.as_str(), said.err.as_str(), said.code), ("", "", Some(0)));
    }
    assert_eq!(home.run(&["unread", "--format", "{total}"]).out, "0\n");
}

#[test]
fn following_prints_a_line_at_the_start_and_on_each_change() {
    let home = Home::new();
    let mut answers = [none(), some(1), some(1), none()].into_iter();
    let shown = json!({
        "jsonrpc": "2.0", "method": "event", "params": {
            "cursor": 7, "at": "2026-01-31T11:56:00.000Z", "event": "shown", "from": "bob", "id": "1",
        },
    });
    let away = json!({
        "jsonrpc": "2.0", "method": "event", "params": {
            "at": "2026-01-31T11:57:00.000Z", "event": "connection", "state": "connecting",
        },
    });
    let daemon = FakeDaemon::start(&home, move |method, _| match method {
        "subscribe" => {
            let events =
                vec![arrival(5, &message("m1", "x")), away.clone(), shown.clone(), shown.clone()];
            Reply::Events(json!({ "cursor": 4 }), events)
        }
        _ => Reply::Result(answers.next().unwrap_or_else(none)),
    });
    let bar = home.follow(&["unread", "--follow", "--format", "{total} unread"]);
    assert_eq!([bar.next(), bar.next(), bar.next()], ["0 unread", "1 unread", "0 unread"]);
    let count = daemon.asked().iter().filter(|(method, _)| method == "unread").count();
    assert_eq!(count, 4, "the link's changes are no reason to ask");
}

#[test]
fn following_clears_a_bar_with_an_empty_line() {
    let home = Home::new();
    let mut answers = [some(2), none()].into_iter();
    let _daemon = FakeDaemon::start(&home, move |method, _| match method {
        "subscribe" => Reply::Events(json!({ "cursor": 4 }), vec![arrival(5, &message("m1", "x"))]),
        _ => Reply::Result(answers.next().unwrap_or_else(none)),
    });
    let bar = home.follow(&["unread", "--follow", "--if-any"]);
    assert_eq!([bar.next(), bar.next()], ["2", ""]);
}

#[test]
fn without_a_daemon_a_bar_is_not_kept_waiting() {
    let home = Home::new();
    for words in [&["unread", "--no-autostart"][..], &["unread", "--follow", "--no-autostart"]] {
        assert_eq!(home.run(words).code, Some(3));
    }
}
