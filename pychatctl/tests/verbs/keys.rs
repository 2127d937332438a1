//! People's keys: comparing them, trusting a new one, and who is known by key.

use crate::{
    camera,
    daemon::{FakeDaemon, Reply},
    run::{Home, Said},
};
use serde_json::{Value, json};

const OLD: &str = "0123 4567 89ab cdef 0123 4567 89ab cdef";
const NEW: &str = "cdef 89ab 4567 0123 cdef 89ab 4567 0123";
const NUMBER: &str = "02866 37825 65778 97384 01834 14095 06193 97094 01703 84796 14904 31971";

fn contact(state: &str) -> Value {
    let mut contact = json!({
        "user": "bob", "state": state, "fingerprint": OLD, "since": "2026-01-31T11:55:00.000Z",
    });
    if state == "changed" {
        contact["offered"] = json!(NEW);
        contact["held"] = json!(2);
    }
    contact
}

fn verification(state: &str, matches: Option<bool>) -> Value {
    let mut verification = contact(state);
    verification["safety_number"] = json!(NUMBER);
    verification["qr"] = json!(NUMBER.replace(' ', ""));
    if let Some(matches) = matches {
        verification["matches"] = json!(matches);
    }
    verification
}

fn status() -> Value {
    json!({
        "version": "0.1.0", "pid": 42, "profile": "default", "user": "alice", "name": "Alice",
        "started_at": "2026-01-31T11:55:00.000Z", "since": "2026-01-31T11:55:00.000Z",
        "link": "connected", "loss_permille": 0, "retransmitted": 0, "queued": 0, "unread": 0,
    })
}

/// A daemon of alice, who knows bob.
fn knowing_bob(home: &Home, state: &'static str, matches: Option<bool>) -> FakeDaemon {
    FakeDaemon::start(home, move |method, _| match method {
        "status" => Reply::Result(status()),
        "verify" => Reply::Result(verification(state, matches)),
        "contacts" => Reply::Result(json!({ "items": [contact(state)] })),
        "trust" => Reply::Result(
            json!({ "user": "bob", "former": OLD, "fingerprint": NEW, "released": 2 }),
        ),
        _ => Reply::Close,
    })
}

fn methods(daemon: &FakeDaemon) -> Vec<String> {
    daemon.asked().into_iter().map(|(method, _)| method).collect()
}

fn refused(said: &Said, why: &str) {
    assert_eq!(said.code, Some(2), "{why}");
    assert!(said.err.starts_with("error: ") && said.err.contains(why), "{}", said.err);
}

#[test]
fn verify_shows_what_to_compare_and_says_what_to_do() {
    let home = Home::new();
    let daemon = knowing_bob(&home, "pinned", None);
    let said = home.run(&["verify", "bob"]);
    insta::assert_snapshot!(said.out, @r"
    user         bob
    state        not verified yet (pinned 2026-01-31T11:55:00Z)
    fingerprint  0123 4567 89ab cdef 0123 4567 89ab cdef

        02866  37825  65778  97384
        01834  14095  06193  97094
        01703  84796  14904  31971
    ");
    insta::assert_snapshot!(said.err.trim_start(), @r"
    Compare it, by voice or camera, with what bob sees from:
      pychatctl verify alice
    If it is the same, nobody stands between you. Then type what bob sees:
      pychatctl verify bob --code NUMBER
    ");
    assert_eq!(said.code, Some(0));
    let asked = json!({ "peer": "bob", "timeout_ms": 10_000 });
    assert_eq!(daemon.asked()[1], ("verify".to_owned(), asked));

    let said = home.run(&["verify", "bob", "-q"]);
    assert_eq!((said.out, said.err), (format!("{NUMBER}\n"), String::new()));
    let said = home.run(&["verify", "bob", "--json", "--qr"]);
    let mut expected = verification("pinned", None);
    expected["v"] = json!(1);
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap(), expected);
    assert_eq!(said.err, "");
}

#[test]
fn the_code_that_is_printed_can_be_read_by_a_camera() {
    let qrs = [NUMBER.replace(' ', ""), format!("pychat:alice:bob:{NUMBER}"), "é".repeat(60)];
    for qr in qrs {
        let home = Home::new();
        let said_by_code = qr.clone();
        let _daemon = FakeDaemon::start(&home, move |method, _| match method {
            "status" => Reply::Result(status()),
            _ => {
                let mut verification = verification("pinned", None);
                verification["qr"] = json!(qr);
                Reply::Result(verification)
            }
        });
        for color in ["never", "always"] {
            let said = home.run(&["verify", "bob", "--qr", "--color", color]);
            assert_eq!(camera::read(&said.out), said_by_code, "{color}");
        }
    }
}

#[test]
fn a_number_that_is_the_same_verifies() {
    let home = Home::new();
    let daemon = knowing_bob(&home, "verified", Some(true));
    let said = home.run(&["verify", "bob", "--code", NUMBER]);
    insta::assert_snapshot!(said.out, @"verified: the key 0123 4567 89ab cdef 0123 4567 89ab cdef is bob's");
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    let asked = json!({ "peer": "bob", "code": NUMBER, "timeout_ms": 10_000 });
    assert_eq!(daemon.asked()[1], ("verify".to_owned(), asked.clone()));

    // Pasted without quotes, as groups; scanned, as something that only the daemon knows.
    let groups: Vec<&str> = NUMBER.split(' ').collect();
    home.run(&[&["verify", "bob", "--code"], &groups[..]].concat());
    assert_eq!(daemon.asked()[1].1, asked);
    home.run(&["verify", "bob", "--code", "pychat:what/ever"]);
    assert_eq!(daemon.asked()[1].1["code"], "pychat:what/ever");
    assert_eq!(home.run(&["verify", "bob", "--code", NUMBER, "-q"]).out, "");
}

#[test]
fn a_number_that_differs_is_code_7_and_says_what_it_means() {
    let home = Home::new();
    let _daemon = knowing_bob(&home, "pinned", Some(false));
    let said = home.run(&["verify", "bob", "--code", NUMBER]);
    insta::assert_snapshot!(said.err, @r"
    error: the numbers differ: what bob sees is not what you see
    hint: look for a slip first: pychatctl verify bob; if there is none, somebody may stand between you and bob and read along: send nothing secret, and tell bob another way
    ");
    assert_eq!((said.out.as_str(), said.code), ("", Some(7)));
    let said = home.run(&["verify", "bob", "--code", NUMBER, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap()["matches"], false);
    assert!(said.err.starts_with(r#"{"error":{"code":7,"name":"key_changed","#), "{}", said.err);
    assert_eq!(said.code, Some(7));
}

#[test]
fn a_changed_key_is_shown_with_both_fingerprints_and_code_7() {
    let home = Home::new();
    let _daemon = knowing_bob(&home, "changed", None);
    let said = home.run(&["verify", "bob"]);
    insta::assert_snapshot!(said.out, @r"
    user         bob
    state        THE KEY CHANGED (2026-01-31T11:55:00Z)
    old key      0123 4567 89ab cdef 0123 4567 89ab cdef
    new key      cdef 89ab 4567 0123 cdef 89ab 4567 0123

    The new key's number:
        02866  37825  65778  97384
        01834  14095  06193  97094
        01703  84796  14904  31971
    ");
    insta::assert_snapshot!(said.err.trim_start(), @r"
    Compare it, by voice or camera, with what bob sees from:
      pychatctl verify alice
    error: bob's key changed, and the new one is not trusted: 2 messages are held
    hint: bob started anew on some machine, or somebody poses as bob: if the numbers are the same, accept the new key: pychatctl trust bob
    ");
    assert_eq!(said.code, Some(7));
    assert_eq!(home.run(&["verify", "bob", "--json"]).code, Some(7));
}

#[test]
fn the_right_number_of_a_changed_key_leaves_the_decision() {
    let home = Home::new();
    let _daemon = knowing_bob(&home, "changed", Some(true));
    let said = home.run(&["verify", "bob", "--code", NUMBER]);
    insta::assert_snapshot!(said.err, @r"
    error: the numbers are the same, but bob's new key is not trusted yet
    hint: accept it: pychatctl trust bob
    ");
    assert_eq!(said.code, Some(7));
}

#[test]
fn what_cannot_be_compared_is_refused_and_explained() {
    let home = Home::new();
    let daemon = knowing_bob(&home, "pinned", None);
    refused(&home.run(&["verify", "Bob"]), "made of a-z");
    refused(&home.run(&["verify", "bob", "--code", ""]), "no safety number");
    refused(&home.run(&["verify", "bob", "--code", &"x".repeat(2000)]), "at most 1024 bytes");
    refused(&home.run(&["verify", "bob", "--qr", "--no-qr"]), "cannot be used with");
    let short = home.run(&["verify", "bob", "--code", "02866", "37825"]);
    insta::assert_snapshot!(short.err, @r"
    error: a safety number has 60 digits, this one has 10
    hint: type all of what bob sees, or what the camera read
    ");
    assert_eq!(short.code, Some(2));
    assert_eq!(daemon.asked(), []);
    insta::assert_snapshot!(home.run(&["verify", "alice"]).err, @r"
    error: alice is yourself
    hint: name somebody else; see whom you know: pychatctl contacts
    ");
    refused(&home.run(&["trust", "alice", "--yes"]), "alice is yourself");
    assert_eq!(methods(&daemon), ["status", "status"]);
}

#[test]
fn nobody_of_that_name_is_code_5() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |method, _| match method {
        "status" => Reply::Result(status()),
        "contacts" => Reply::Result(json!({ "items": [] })),
        _ => Reply::Error(json!({ "code": 5, "message": "nobody is called carl" })),
    });
    let said = home.run(&["verify", "carl"]);
    insta::assert_snapshot!(said.err, @r"
    error: nobody is called carl
    hint: see who is there: pychatctl users --all
    ");
    assert_eq!(said.code, Some(5));
    let said = home.run(&["trust", "carl", "--yes"]);
    insta::assert_snapshot!(said.err, @r"
    error: carl is no contact, so there is no key to trust
    hint: see whom you know by key: pychatctl contacts
    ");
    assert_eq!(said.code, Some(5));
}

#[test]
fn trust_takes_the_new_key_and_tells_what_goes_out() {
    let home = Home::new();
    let daemon = knowing_bob(&home, "changed", None);
    let said = home.run(&["trust", "bob", "--yes"]);
    insta::assert_snapshot!(said.out, @r"
    bob's new key is trusted; 2 held messages on the way
    old key  0123 4567 89ab cdef 0123 4567 89ab cdef
    new key  cdef 89ab 4567 0123 cdef 89ab 4567 0123
    ");
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    assert_eq!(methods(&daemon), ["status", "contacts", "trust"]);
    let json = home.run(&["trust", "bob", "--yes", "--json"]).out;
    let expected =
        json!({ "v": 1, "user": "bob", "former": OLD, "fingerprint": NEW, "released": 2 });
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    assert_eq!(home.run(&["trust", "bob", "--yes", "-q"]).out, "");
}

#[test]
fn without_a_terminal_trust_takes_a_word_beforehand() {
    let home = Home::new();
    let daemon = knowing_bob(&home, "changed", None);
    let said = home.run_with_input(&["trust", "bob"], b"y\n");
    insta::assert_snapshot!(said.err, @r"
    error: this is no terminal, so nobody can be asked
    hint: compare first: pychatctl verify bob; then: pychatctl trust bob --yes
    ");
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
    assert_eq!(daemon.asked(), []);
}

#[test]
fn where_nothing_changed_there_is_nothing_to_trust() {
    let home = Home::new();
    let daemon = knowing_bob(&home, "verified", None);
    let said = home.run(&["trust", "bob", "--yes"]);
    insta::assert_snapshot!(said.out, @"nothing to trust: bob's key did not change (0123 4567 89ab cdef 0123 4567 89ab cdef)");
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    let json = home.run(&["trust", "bob", "--yes", "--json"]).out;
    let expected = json!({ "v": 1, "user": "bob", "fingerprint": OLD, "released": 0 });
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    assert!(!methods(&daemon).contains(&"trust".to_owned()));
}

#[test]
fn a_key_that_changes_between_the_question_and_the_answer_is_told() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |method, _| match method {
        "status" => Reply::Result(status()),
        "contacts" => Reply::Result(json!({ "items": [contact("changed")] })),
        _ => Reply::Result(
            json!({ "user": "bob", "former": OLD, "fingerprint": "ffff", "released": 2 }),
        ),
    });
    let said = home.run(&["trust", "bob", "--yes"]);
    insta::assert_snapshot!(said.err, @r"
    error: bob's key changed once more meanwhile, and that one was trusted
    hint: compare it now: pychatctl verify bob
    ");
    assert_eq!(said.code, Some(7));
}

#[test]
fn contacts_are_listed_with_what_to_do() {
    let home = Home::new();
    let _daemon = knowing_bob(&home, "changed", None);
    let said = home.run(&["contacts"]);
    insta::assert_snapshot!(said.out, @r"
    USER  STATE    FINGERPRINT                              SINCE                 HELD
    bob   CHANGED  0123 4567 89ab cdef 0123 4567 89ab cdef  2026-01-31T11:55:00Z  2
    ");
    insta::assert_snapshot!(said.err, @"CHANGED: compare with pychatctl verify bob, then pychatctl trust bob");
    assert_eq!(said.code, Some(0));
    assert_eq!(home.run(&["contacts", "-q"]).out, "bob\n");
    let json = home.run(&["contacts", "--json"]).out;
    let expected = json!({ "v": 1, "items": [contact("changed")], "next": null });
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
}

#[test]
fn without_contacts_it_is_said_what_they_are() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home, |_, _| Reply::Result(json!({ "items": [] })));
    let said = home.run(&["contacts"]);
    insta::assert_snapshot!(said.err, @"no contacts yet: whoever you exchange messages with becomes one, known by key");
    assert_eq!((said.out.as_str(), said.code), ("", Some(0)));
}
