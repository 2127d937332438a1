//! Searching.

use crate::{
    daemon::{FakeDaemon, Reply, message},
    run::Home,
};
use serde_json::{Value, json};

fn hit(id: &str, body: &str, matched: &str) -> Value {
    let at = body.find(matched).unwrap();
    json!({ "message": message(id, body), "matches": [[at, at + matched.len()]] })
}

#[test]
fn what_was_found_is_shown_newest_last() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| {
        let items = [hit("m2", "the ship comes at noon", "ship"), hit("m1", "which ship?", "ship")];
        Reply::Result(json!({ "items": items, "next": "older" }))
    });
    let words = [
        "search",
        "ship",
        "at noon",
        "--from",
        "bob",
        "--with",
        "bob",
        "--since",
        "2026-01-01T00:00:00Z",
        "--until",
        "2026-02-01T00:00:00Z",
        "-n",
        "2",
    ];
    let said = home.run(&words);
    insta::assert_snapshot!(said.out, @r"
    2026-01-31T11:55:00Z  bob -> alice [unread]: which ship?
    2026-01-31T11:55:00Z  bob -> alice [unread]: the ship comes at noon
    ");
    insta::assert_snapshot!(said.err, @"there are older ones; see more of them with: -n N");
    let expected = json!({
        "words": "ship \"at noon\"", "peer": "bob", "from": "bob", "context": 0, "limit": 2,
        "since": "2026-01-01T00:00:00.000Z", "until": "2026-02-01T00:00:00.000Z",
    });
    assert_eq!(daemon.asked(), [("search".to_owned(), expected)]);
    // Matches stand out where there are colours.
    let said = home.run(&["search", "ship", "-n", "2", "--color", "always"]);
    assert!(said.out.contains("the \u{1b}[1;4mship\u{1b}[0m comes"), "{:?}", said.out);
}

#[test]
fn hits_have_others_around_them_and_lines_between() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, _| {
        let mut newer = hit("m9", "a ship", "ship");
        newer["before"] = json!([message("m8", "what is it?")]);
        let mut older = hit("m2", "no ship\nyet", "ship");
        older["after"] = json!([message("m3", "pity")]);
        Reply::Result(json!({ "items": [newer, older] }))
    });
    let said = home.run(&["search", "ship", "--context", "1"]);
    insta::assert_snapshot!(said.out, @r"
    > 2026-01-31T11:55:00Z  bob -> alice [unread]: no ship
        yet
      2026-01-31T11:55:00Z  bob -> alice [unread]: pity
    --
      2026-01-31T11:55:00Z  bob -> alice [unread]: what is it?
    > 2026-01-31T11:55:00Z  bob -> alice [unread]: a ship
    ");
    assert_eq!(daemon.next().1["context"], 1);
    assert_eq!(home.run(&["search", "ship", "-C", "21"]).code, Some(2));
}

#[test]
fn json_has_the_hits_and_from_where_to_go_on() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |_, params| match params["next"].as_str() {
        None => Reply::Result(json!({ "items": [hit("m3", "c", "c")], "next": "p2" })),
        Some("p2") => Reply::Result(json!({ "items": [hit("m2", "c", "c")], "next": "p3" })),
        Some(_) => Reply::Result(json!({ "items": [hit("m1", "c", "c")] })),
    });
    let said = home.run(&["search", "c", "-n", "2", "--json"]);
    insta::assert_snapshot!(said.out, @r#"{"v":1,"items":[{"message":{"id":"m2","from":"bob","to":"alice","name":"Bob","body":"c","sent_at":"2026-01-31T11:54:00.000Z","received_at":"2026-01-31T11:55:00.000Z","state":"unread"},"matches":[[0,1]]},{"message":{"id":"m3","from":"bob","to":"alice","name":"Bob","body":"c","sent_at":"2026-01-31T11:54:00.000Z","received_at":"2026-01-31T11:55:00.000Z","state":"unread"},"matches":[[0,1]]}],"next":"p3"}"#);
    let said = home.run(&["search", "c", "--next", "p3", "--json"]);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&list["items"][0]["message"]["id"], &list["next"]), (&json!("m1"), &Value::Null));
    let limits: Vec<Value> =
        daemon.asked().into_iter().map(|(_, params)| params["limit"].clone()).collect();
    assert_eq!(limits, [2, 1, 50]);
}

#[test]
fn it_asks_again_until_every_message_is_in_the_index() {
    let home = Home::new();
    let mut unindexed = [2000, 1000, 0].into_iter();
    let daemon = FakeDaemon::start(&home, move |_, _| {
        let left = unindexed.next().unwrap_or(0);
        Reply::Result(json!({ "items": [hit("m1", "c", "c")], "unindexed": left }))
    });
    let said = home.run(&["search", "c"]);
    assert_eq!(said.out.lines().count(), 1);
    // A pipe is told nothing of it.
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    assert_eq!(daemon.asked().len(), 3);
}

#[test]
fn an_index_that_gets_no_further_is_told_after_what_was_found() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        Reply::Result(json!({ "items": [hit("m1", "c", "c")], "unindexed": 7 }))
    });
    let said = home.run(&["search", "c", "--timeout", "300ms"]);
    assert_eq!((said.out.lines().count(), said.code), (1, Some(6)));
    insta::assert_snapshot!(said.err, @r"
    error: 7 messages were not looked at, as the index is not there yet
    hint: search again in a while; see how far it is: pychatctl status
    ");
}

#[test]
fn nothing_found_is_no_failure() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "items": [] })));
    let said = home.run(&["search", "c"]);
    assert_eq!((said.out.as_str(), said.err.as_str(), said.code), ("", "nothing found\n", Some(0)));
    assert_eq!(home.run(&["search", "c", "--json"]).out, "{\"v\":1,\"items\":[],\"next\":null}\n");
    assert_eq!(home.run(&["search"]).code, Some(2));
}
