//! Readers: each message once, for scripts.

use crate::{
    daemon::{FakeDaemon, Reply, arrival, message},
    run::Home,
};
use serde_json::{Value, json};

/// A message at a place.
fn placed(place: u64) -> Value {
    let mut placed = message(&format!("m{place}"), &format!("text {place}"));
    placed["place"] = json!(place);
    placed
}

/// A daemon with messages at these places, whose readers begin before the first.
fn with_places(places: &'static [u64]) -> impl FnMut(&str, &Value) -> Reply + Send + 'static {
    let mut taken = 0;
    move |method, params| match method {
        "inbox" => {
            let limit = usize::try_from(params["limit"].as_u64().unwrap()).unwrap();
            let waiting = places.iter().filter(|place| **place > taken);
            let items: Vec<Value> = waiting.take(limit).map(|place| placed(*place)).collect();
            Reply::Result(json!({ "items": items }))
        }
        "mark_reader" => {
            taken = params["place"].as_u64().unwrap();
            Reply::Result(json!({}))
        }
        "subscribe" => Reply::Result(json!({ "cursor": 4 })),
        _ => Reply::Error(json!({ "code": 1, "message": format!("{method} is not expected") })),
    }
}

fn asked(daemon: &FakeDaemon, wanted: &str) -> Vec<Value> {
    let asked = daemon.asked().into_iter();
    asked.filter(|(method, _)| method == wanted).map(|(_, params)| params).collect()
}

#[test]
fn a_reader_takes_what_waits_and_says_how_far_it_is() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, with_places(&[3, 7]));
    let said = home.run(&["inbox", "--reader", "lights", "-n", "1"]);
    assert_eq!(said.out, "2026-01-31T11:55:00Z  bob (Bob): text 3\n");
    let expected = [
        ("inbox".to_owned(), json!({ "limit": 1, "reader": "lights" })),
        ("mark_reader".to_owned(), json!({ "reader": "lights", "place": 3 })),
    ];
    assert_eq!(daemon.asked(), expected);
    let said = home.run(&["inbox", "--reader", "lights", "--json"]);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(list, json!({ "v": 1, "items": [placed(7)], "next": null }));
    let said = home.run(&["inbox", "--reader", "lights"]);
    assert_eq!((said.out.as_str(), said.code), ("", Some(0)));
    assert_eq!(said.err, "no message waits for this reader\n");
}

#[test]
fn what_was_not_written_out_comes_again() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, with_places(&[3]));
    let mut child = home.command(&["inbox", "--reader", "lights"]).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(asked(&daemon, "mark_reader"), [Value::Null; 0]);
}

#[test]
fn following_asks_again_on_each_arrival_and_shows_nothing_twice() {
    let home = Home::new();
    let mut taken = 0;
    let mut there = vec![1, 2];
    let daemon = FakeDaemon::start(&home, move |method, params| match method {
        "subscribe" => {
            // The first two are in the inbox too, the third is new.
            let events = [1, 2, 3].map(|place| arrival(place, &placed(place))).to_vec();
            Reply::Events(json!({ "cursor": 0 }), events)
        }
        "inbox" => {
            let waiting = there.iter().filter(|place| **place > taken);
            let items: Vec<Value> = waiting.map(|place| placed(*place)).collect();
            there = vec![3];
            Reply::Result(json!({ "items": items }))
        }
        "mark_reader" => {
            taken = params["place"].as_u64().unwrap();
            Reply::Result(json!({}))
        }
        _ => Reply::Close,
    });
    let said = home.run(&["inbox", "--follow", "--reader", "lights", "-n", "3", "--json"]);
    assert_eq!(said.code, Some(0));
    let places: Vec<u64> = said
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["place"].as_u64().unwrap())
        .collect();
    assert_eq!(places, [1, 2, 3]);
    let marked = asked(&daemon, "mark_reader");
    assert_eq!(marked.last().unwrap(), &json!({ "reader": "lights", "place": 3 }));
}

#[test]
fn a_daemon_that_ends_before_it_marked_is_told_again_and_the_message_is_not_shown_again() {
    let home = Home::new();
    let (mut marks, mut taken) = (0, 0);
    let daemon = FakeDaemon::start(&home, move |method, params| match method {
        "subscribe" => Reply::Result(json!({ "cursor": 4 })),
        "mark_reader" => {
            marks += 1;
            if marks == 1 {
                return Reply::Close;
            }
            taken = params["place"].as_u64().unwrap();
            Reply::Result(json!({}))
        }
        _ => {
            let items: Vec<Value> =
                [3].iter().filter(|p| **p > taken).map(|p| placed(*p)).collect();
            Reply::Result(json!({ "items": items }))
        }
    });
    let words = ["inbox", "--follow", "--reader", "lights"];
    let mut child = home.command(&words).spawn().unwrap();
    while daemon.next() != ("mark_reader".into(), json!({ "reader": "lights", "place": 3 })) {}
    while daemon.next() != ("mark_reader".into(), json!({ "reader": "lights", "place": 3 })) {}
    child.kill().unwrap();
    let said = crate::run::said(child.wait_with_output().unwrap());
    assert_eq!(said.out, "2026-01-31T11:55:00Z  bob (Bob): text 3\n");
}

#[test]
fn following_ends_in_time_and_tells_whether_enough_came() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, with_places(&[]));
    let follow = ["inbox", "--follow", "--reader", "lights", "--timeout", "100ms"];
    let said = home.run(&[&follow[..], &["-n", "2"]].concat());
    assert_eq!((said.out.as_str(), said.code), ("", Some(6)));
    insta::assert_snapshot!(said.err, @r"
    error: 0 of 2 messages came in time
    hint: wait longer with --timeout, or see: pychatctl status
    ");
    let said = home.run(&follow);
    assert_eq!((said.out.as_str(), said.code), ("", Some(0)));
}

#[test]
fn what_would_pass_messages_by_for_good_is_refused() {
    let home = Home::new();
    for other in [&["--from", "bob"][..], &["--since", "1d"], &["--peek"], &["--count"]] {
        let said = home.run(&[&["inbox", "--reader", "lights"][..], other].concat());
        assert_eq!(said.code, Some(2), "{other:?}");
        assert!(said.err.contains("cannot be used with"), "{}", said.err);
    }
}

#[test]
fn a_daemon_that_knows_no_readers_is_told_apart() {
    let home = Home::new();
    let _daemon =
        FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "items": [message("m1", "x")] })));
    let said = home.run(&["inbox", "--reader", "lights"]);
    assert_eq!(said.code, Some(9));
    insta::assert_snapshot!(said.err, @r"
    error: the daemon does not know readers
    hint: restart the daemon: pychatctl daemon restart
    ");
}

#[test]
fn readers_are_listed_and_removed() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, |method, _| match method {
        "readers" => Reply::Result(json!({ "items": [{
            "reader": "lights", "place": 41, "used_at": "2026-01-31T11:55:00.000Z", "waiting": 2,
        }] })),
        _ => Reply::Result(json!({})),
    });
    insta::assert_snapshot!(home.run(&["readers"]).out, @r"
    READER  WAITING  LAST USED
    lights  2        2026-01-31T11:55:00Z
    ");
    assert_eq!(home.run(&["readers", "-q"]).out, "lights\n");
    insta::assert_snapshot!(home.run(&["readers", "--json"]).out, @r#"{"v":1,"items":[{"reader":"lights","place":41,"used_at":"2026-01-31T11:55:00.000Z","waiting":2}],"next":null}"#);
    daemon.asked();
    insta::assert_snapshot!(home.run(&["readers", "rm", "lights"]).out, @"removed lights; a new one begins with what is unread");
    assert_eq!(daemon.asked(), [("remove_reader".to_owned(), json!({ "reader": "lights" }))]);
}
