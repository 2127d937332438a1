//! The inbox: what is shown, what is marked, and following it.

use crate::{
    daemon::{FakeDaemon, Reply, arrival, message},
    run::{Home, said},
};
use serde_json::{Value, json};

/// A daemon whose inbox has two pages.
fn two_pages(method: &str, params: &Value) -> Reply {
    match (method, params["next"].as_str()) {
        ("inbox", None) => {
            let items = [message("m1", "one"), message("m2", "two\nlines")];
            Reply::Result(json!({ "items": items, "next": "p2" }))
        }
        ("inbox", Some(_)) => Reply::Result(json!({ "items": [message("m3", "three")] })),
        _ => Reply::Result(json!({})),
    }
}

fn marked(daemon: &FakeDaemon) -> Vec<String> {
    let marks = daemon.asked().into_iter().filter(|(method, _)| method == "mark_read");
    let ids = marks.flat_map(|(_, params)| params["ids"].as_array().unwrap().clone());
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[test]
fn unread_messages_are_shown_and_marked() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, two_pages);
    let said = home.run(&["inbox"]);
    insta::assert_snapshot!(said.out, @r"
    2026-01-31T11:55:00Z  bob (Bob): one
    2026-01-31T11:55:00Z  bob (Bob): two
        lines
    2026-01-31T11:55:00Z  bob (Bob): three
    ");
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    assert_eq!(marked(&daemon), ["m1", "m2", "m3"]);
}

#[test]
fn peeking_marks_nothing() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, two_pages);
    assert_eq!(home.run(&["inbox", "--peek"]).code, Some(0));
    assert_eq!(marked(&daemon), [""; 0]);
}

#[test]
fn json_is_one_object_with_everything() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, two_pages);
    let said = home.run(&["inbox", "--json"]);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(list["v"], 1);
    assert_eq!(list["items"][1], message("m2", "two\nlines"));
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert_eq!(list["next"], Value::Null);
    assert_eq!(said.out.lines().count(), 1);
    assert_eq!(marked(&daemon), ["m1", "m2", "m3"]);
}

#[test]
fn an_empty_inbox_is_no_failure_and_says_so_beside_the_data() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "items": [] })));
    let said = home.run(&["inbox"]);
    assert_eq!((said.out.as_str(), said.code), ("", Some(0)));
    insta::assert_snapshot!(said.err, @"no unread messages; see earlier ones with: pychatctl history");
    let said = home.run(&["inbox", "--json"]);
    assert_eq!(
        (said.out.as_str(), said.err.as_str()),
        ("{\"v\":1,\"items\":[],\"next\":null}\n", "")
    );
    assert_eq!(home.run(&["inbox", "--quiet"]).err, "");
}

#[test]
fn limits_and_filters_reach_the_daemon() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, two_pages);
    let words = ["inbox", "-n", "2", "--from", "bob", "--since", "2026-01-31T10:00:00Z", "--peek"];
    let said = home.run(&words);
    let expected = json!({ "limit": 2, "since": "2026-01-31T10:00:00.000Z", "from": "bob" });
    assert_eq!(daemon.asked(), [("inbox".to_owned(), expected)]);
    assert_eq!(said.err, "there are more; see them with: pychatctl inbox\n");
    assert_eq!(home.run(&["inbox", "--since", "soon"]).code, Some(2));
    assert_eq!(home.run(&["inbox", "--from", "B"]).code, Some(2));
    assert_eq!(home.run(&["inbox", "-n", "0"]).code, Some(2));
}

#[test]
fn only_the_count_is_printed_if_only_that_is_wanted() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |method, params| match method {
        "unread" => Reply::Result(json!({ "total": 7, "items": [] })),
        _ => two_pages(method, params),
    });
    assert_eq!(home.run(&["inbox", "--count"]).out, "7\n");
    assert_eq!(home.run(&["inbox", "--count", "--json"]).out, "{\"v\":1,\"count\":7}\n");
    assert_eq!(home.run(&["inbox", "--count", "--from", "bob"]).out, "3\n");
    assert_eq!(marked(&daemon), [""; 0]);
}

#[test]
fn what_a_peer_wrote_cannot_steer_the_terminal() {
    let home = Home::new();
    let evil = "\u{1b}]0;title\u{7}\u{1b}[2Jhi\u{202e}\r\u{9b}31m";
    let _daemon = FakeDaemon::start(&home, move |method, _| match method {
        "inbox" => {
            let mut message = message("m1", evil);
            message["name"] = json!("B\u{1b}[1mob\nroot");
            Reply::Result(json!({ "items": [message] }))
        }
        _ => Reply::Result(json!({})),
    });
    assert_eq!(home.run(&["inbox"]).out, "2026-01-31T11:55:00Z  bob (Bob root): hi\n");
    let json = home.run(&["inbox", "--json"]).out;
    assert!(!json.contains('\u{1b}'), "{json}");
    let list: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list["items"][0]["body"], evil);
}

#[test]
fn messages_that_nobody_could_read_stay_unread_and_the_end_is_quiet() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, two_pages);
    let mut child = home.command(&["inbox"]).spawn().unwrap();
    drop(child.stdout.take());
    let said = said(child.wait_with_output().unwrap());
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    assert_eq!(marked(&daemon), [""; 0]);
}

#[test]
fn following_shows_unread_messages_then_new_ones_each_once() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |method, _| match method {
        "subscribe" => {
            // One that is in the inbox too, one of somebody else, a new one.
            let mut other = message("m8", "other");
            other["from"] = json!("carol");
            let events = vec![
                arrival(5, &message("m1", "one")),
                arrival(6, &other),
                arrival(7, &message("m2", "new")),
            ];
            Reply::Events(json!({ "cursor": 4 }), events)
        }
        "inbox" => Reply::Result(json!({ "items": [message("m1", "one")] })),
        _ => Reply::Result(json!({})),
    });
    let said = home.run(&["inbox", "--follow", "-n", "2", "--from", "bob", "--json"]);
    assert_eq!(said.code, Some(0));
    let bodies: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(bodies, [message("m1", "one"), message("m2", "new")]);
    assert_eq!(marked(&daemon), ["m1", "m2"]);
}

#[test]
fn following_goes_on_after_its_cursor_when_it_is_cut_off_or_the_daemon_ends() {
    let home = Home::new();
    let mut subscriptions = 0;
    let daemon = FakeDaemon::start(&home, move |method, _| match method {
        "subscribe" => {
            subscriptions += 1;
            let cut = json!({
                "jsonrpc": "2.0", "method": "cut_off", "params": { "cursor": 9, "message": "slow" },
            });
            match subscriptions {
                1 => Reply::Events(json!({ "cursor": 4 }), vec![cut]),
                2 => Reply::Close,
                _ => Reply::Events(json!({ "cursor": 9 }), vec![arrival(10, &message("m1", "x"))]),
            }
        }
        "inbox" => Reply::Result(json!({ "items": [] })),
        _ => Reply::Result(json!({})),
    });
    let said = home.run(&["inbox", "--follow", "-n", "1"]);
    assert_eq!(said.out, "2026-01-31T11:55:00Z  bob (Bob): x\n");
    assert_eq!(said.err, "the daemon ended; waiting for it to come back\n");
    let after: Vec<Value> = daemon
        .asked()
        .into_iter()
        .filter(|(method, _)| method == "subscribe")
        .map(|(_, params)| params["after"].clone())
        .collect();
    assert_eq!(after, [Value::Null, json!(9), json!(9)]);
}
