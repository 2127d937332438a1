//! Sending: what is refused before it is asked, what reaches the daemon, what is said of it.

use crate::{
    daemon::{FakeDaemon, Reply},
    run::Home,
};
use serde_json::{Value, json};

fn accepted(_: &str, _: &Value) -> Reply {
    Reply::Result(json!({ "id": "01A", "state": "accepted" }))
}

#[test]
fn a_message_is_sent_with_the_defaults() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, accepted);
    let said = home.run(&["send", "bob", "hello"]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("accepted by the server (01A)\n", ""));
    assert_eq!(said.code, Some(0));
    let (method, mut params) = daemon.next();
    assert_eq!(method, "send");
    let key = params["key"].take();
    assert_eq!(key.as_str().unwrap().len(), 32);
    let expected = json!({
        "to": "bob", "body": "hello", "key": null, "wait": "accepted", "timeout_ms": 10_000,
    });
    assert_eq!(params, expected);
}

#[test]
fn options_reach_the_daemon() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, accepted);
    let words =
        ["send", "bob", "x", "--wait", "read", "--timeout", "3s", "--id", "k", "--expire", "1h"];
    home.run(&words);
    let expected = json!({
        "to": "bob", "body": "x", "key": "k", "wait": "read", "timeout_ms": 3000,
        "expire_ms": 3_600_000,
    });
    assert_eq!(daemon.next().1, expected);
}

#[test]
fn scripts_get_the_id_or_an_object() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, accepted);
    assert_eq!(home.run(&["-q", "send", "bob", "x"]).out, "01A\n");
    let json = home.run(&["--json", "send", "bob", "x"]).out;
    assert_eq!(json, "{\"v\":1,\"id\":\"01A\",\"state\":\"accepted\"}\n");
}

#[test]
fn standard_input_is_the_text_without_its_last_line_end() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, accepted);
    let said = home.run_with_input(&["send", "bob", "-"], "zwei\nZeilen é\n".as_bytes());
    assert_eq!(said.code, Some(0));
    assert_eq!(daemon.next().1["body"], "zwei\nZeilen é");
}

#[test]
fn what_cannot_be_sent_is_refused_before_the_daemon_is_asked() {
    let home = Home::new();
    let daemon = FakeDaemon::start(&home, accepted);
    let refused = |said: crate::run::Said, why: &str| {
        assert_eq!(said.code, Some(2), "{why}");
        assert!(said.err.starts_with("error: ") && said.err.contains(why), "{}", said.err);
    };
    refused(home.run(&["send", "bob", ""]), "no text");
    refused(home.run(&["send", "", "x"]), "cannot be empty");
    refused(home.run(&["send", &"x".repeat(33), "x"]), "at most 32");
    refused(home.run(&["send", "Bob", "x"]), "made of a-z");
    refused(home.run(&["send", "bob", "two", "words"]), "put it in quotes");
    refused(home.run(&["send", "bob", &"x".repeat(32 * 1024 + 1)]), "32 KiB");
    refused(home.run(&["send", "bob", "x", "--id", &"k".repeat(65)]), "1 to 64");
    refused(home.run(&["send", "bob", "x", "--wait", "seen"]), "one of queued");
    refused(home.run(&["send", "bob", "x", "--expire", "soon"]), "span of time");
    refused(home.run_with_input(&["send", "bob", "-"], b""), "no text");
    refused(home.run_with_input(&["send", "bob", "-"], &[b'a', 0xff]), "UTF-8, at byte 1");
    refused(home.run_with_input(&["send", "bob", "-"], &vec![b'x'; 100_000]), "32 KiB");
    assert_eq!(daemon.asked(), []);
    let longest = home.run(&["send", "bob", &"x".repeat(32 * 1024)]);
    assert_eq!(longest.code, Some(0));
}

#[test]
fn a_message_that_stays_behind_is_named() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        let sent = json!({ "id": "01A", "state": "queued" });
        let data = json!({ "name": "timed_out", "sent": sent });
        Reply::Error(json!({ "code": 6, "message": "not accepted in time", "data": data }))
    });
    let said = home.run(&["send", "bob", "x"]);
    insta::assert_snapshot!(said.err, @r"
    error: not accepted in time
    hint: it stays queued and goes out by itself; see: pychatctl trace 01A, or take it back: pychatctl cancel 01A
    ");
    assert_eq!((said.out.as_str(), said.code), ("", Some(6)));
    let said = home.run(&["send", "bob", "x", "--json"]);
    assert_eq!(said.out, "{\"v\":1,\"id\":\"01A\",\"state\":\"queued\"}\n");
    assert_eq!(said.code, Some(6));
    assert_eq!(home.run(&["send", "bob", "x", "--quiet"]).out, "01A\n");
}

#[test]
fn a_daemon_that_ends_meanwhile_is_asked_again_with_the_same_key() {
    let home = Home::new();
    let mut tries = 0;
    let daemon = FakeDaemon::start(&home, move |method, params| {
        tries += 1;
        if tries < 3 { Reply::Close } else { accepted(method, params) }
    });
    assert_eq!(home.run(&["send", "bob", "x"]).code, Some(0));
    let asked = daemon.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| *request == asked[0]), "{asked:?}");
}

#[test]
fn a_first_contact_is_said_beside_the_data_whatever_becomes_of_the_message() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, params| {
        let mut sent = json!({ "id": "01A", "state": "accepted", "first_contact": "0123 4567" });
        if params["body"] == "late" {
            sent["state"] = json!("queued");
            let data = json!({ "name": "timed_out", "sent": sent });
            return Reply::Error(json!({ "code": 6, "message": "not in time", "data": data }));
        }
        Reply::Result(sent)
    });
    let said = home.run(&["send", "bob", "x"]);
    assert_eq!((said.out.as_str(), said.code), ("accepted by the server (01A)\n", Some(0)));
    insta::assert_snapshot!(said.err, @"first contact with bob, key fingerprint 0123 4567; compare it with: pychatctl verify bob");
    let late = home.run(&["send", "bob", "late"]);
    assert!(late.err.starts_with(&said.err), "{}", late.err);
    let quiet = home.run(&["send", "bob", "x", "--quiet"]);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("01A\n", ""));
    let json: Value = serde_json::from_str(&home.run(&["send", "bob", "x", "--json"]).out).unwrap();
    assert_eq!(json["first_contact"], "0123 4567");
}

#[test]
fn a_message_that_is_held_for_a_changed_key_is_code_7() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| {
        let sent = json!({ "id": "01A", "state": "queued" });
        let data = json!({ "name": "key_changed", "sent": sent });
        Reply::Error(json!({ "code": 7, "message": "bob's key changed", "data": data }))
    });
    for words in [&["send", "bob", "x"][..], &["send", "bob", "x", "--wait", "queued"]] {
        let said = home.run(words);
        insta::allow_duplicates! { insta::assert_snapshot!(said.err, @r"
        error: bob's key changed
        hint: it is held until you decide: compare with pychatctl verify bob, then pychatctl trust bob; or take it back: pychatctl cancel 01A
        "); }
        assert_eq!((said.out.as_str(), said.code), ("", Some(7)));
    }
    let said = home.run(&["send", "bob", "x", "--quiet"]);
    assert_eq!((said.out.as_str(), said.code), ("01A\n", Some(7)));
}
