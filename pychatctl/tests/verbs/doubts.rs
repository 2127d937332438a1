//! Messages with something to be known of their key: a first one, one of another key, one that
//! nothing opened.

use crate::{
    daemon::{FakeDaemon, Reply, arrival, message},
    run::Home,
};
use serde_json::{Value, json};

fn with_trust(id: &str, body: &str, trust: &str) -> Value {
    let mut message = message(id, body);
    message["trust"] = json!(trust);
    message
}

/// A daemon that has these messages.
fn holding(home: &Home, items: Vec<Value>) -> FakeDaemon {
    FakeDaemon::start(home, move |method, _| match method {
        "inbox" | "history" => Reply::Result(json!({ "items": items })),
        "trace" => Reply::Result(json!({ "message": items[0], "steps": [] })),
        _ => Reply::Result(json!({})),
    })
}

#[test]
fn a_first_message_and_one_that_was_not_opened_say_so() {
    let home = Home::new();
    let items = vec![with_trust("m1", "hi", "first_contact"), with_trust("m2", "", "unopened")];
    let _daemon = holding(&home, items.clone());
    let said = home.run(&["inbox"]);
    insta::assert_snapshot!(said.out, @r"
    first message of bob; compare keys: pychatctl verify bob
    2026-01-31T11:55:00Z  bob (Bob): hi
    2026-01-31T11:55:00Z  bob (Bob): [this text could not be opened; ask bob to send it again]
    ");
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    insta::assert_snapshot!(home.run(&["history"]).out, @r"
    first message of bob; compare keys: pychatctl verify bob
    2026-01-31T11:55:00Z  bob -> alice [unread]: hi
    2026-01-31T11:55:00Z  bob -> alice [unread]: [this text could not be opened; ask bob to send it again]
    ");
    let list: Value = serde_json::from_str(&home.run(&["inbox", "--json"]).out).unwrap();
    assert_eq!(list["items"], json!(items));
}

#[test]
fn a_message_of_another_key_is_warned_of_and_code_7() {
    let home = Home::new();
    let items = vec![message("m1", "one"), with_trust("m2", "two", "key_changed")];
    let daemon = holding(&home, items.clone());
    let said = home.run(&["inbox"]);
    insta::assert_snapshot!(said.out, @r"
    2026-01-31T11:55:00Z  bob (Bob): one
    warning: bob's key changed, so somebody else may have written this; compare keys: pychatctl verify bob
    2026-01-31T11:55:00Z  bob (Bob): two
    ");
    insta::assert_snapshot!(said.err, @r"
    error: a key changed, and others may have written as: bob
    hint: ask whether they wrote them, and compare: pychatctl verify bob; then accept the new key: pychatctl trust bob
    ");
    assert_eq!(said.code, Some(7));
    // It was shown all the same.
    let marked = daemon.asked().pop().unwrap();
    assert_eq!(marked, ("mark_read".to_owned(), json!({ "ids": ["m1", "m2"] })));

    for words in [&["inbox", "--json"][..], &["history", "--json"]] {
        let said = home.run(words);
        let list: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(list["items"], json!(items));
        let error: Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!((&error["error"]["name"], said.code), (&json!("key_changed"), Some(7)));
    }
    assert_eq!(home.run(&["history"]).code, Some(7));
    assert_eq!(home.run(&["inbox", "--peek"]).code, Some(7));
    assert_eq!(home.run(&["trace", "m1"]).code, Some(0));
}

#[test]
fn several_whose_keys_differ_are_named_once_each() {
    let home = Home::new();
    let mut carols = with_trust("m3", "three", "key_changed");
    carols["from"] = json!("carol");
    let bobs = with_trust("m2", "two", "key_changed");
    let _daemon = holding(&home, vec![bobs.clone(), carols, bobs]);
    insta::assert_snapshot!(home.run(&["history"]).err, @r"
    error: a key changed, and others may have written as: bob, carol
    hint: ask whether they wrote them, and compare: pychatctl verify USER; then accept the new key: pychatctl trust USER
    ");
    assert_eq!(home.run(&["trace", "m2"]).code, Some(7));
}

#[test]
fn following_says_whose_key_changed_and_ends_with_code_7() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |method, _| match method {
        "subscribe" => {
            let change = |user: &str, state: &str| {
                let contact = json!({
                    "user": user, "state": state, "fingerprint": "0123", "offered": "4567",
                    "since": "2026-01-31T11:55:00.000Z",
                });
                json!({
                    "jsonrpc": "2.0", "method": "event",
                    "params": {
                        "at": "2026-01-31T11:55:00.000Z", "event": "contact", "contact": contact,
                    },
                })
            };
            let events = vec![
                change("bob", "pinned"),
                change("bob", "changed"),
                change("carol", "changed"),
                arrival(5, &with_trust("m1", "hi", "key_changed")),
            ];
            Reply::Events(json!({ "cursor": 4 }), events)
        }
        "inbox" => Reply::Result(json!({ "items": [] })),
        _ => Reply::Result(json!({})),
    });
    let said = home.run(&["inbox", "--follow", "-n", "1", "--from", "bob"]);
    insta::assert_snapshot!(said.err, @r"
    bob's key changed; compare: pychatctl verify bob
    error: a key changed, and others may have written as: bob
    hint: ask whether they wrote them, and compare: pychatctl verify bob; then accept the new key: pychatctl trust bob
    ");
    assert_eq!(said.code, Some(7));
    let said = home.run(&["inbox", "--follow", "-n", "1", "--json"]);
    assert_eq!(said.out.lines().count(), 1);
    assert_eq!(said.err.lines().count(), 1);
    assert_eq!(said.code, Some(7));
}
