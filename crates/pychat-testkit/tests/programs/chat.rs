//! Two people chat.

use crate::stage::{
    DEADLINE, Stage, all_from, assert_refused, bodies, received, run, send, until, wait_for_link,
};
use pychat_testkit::harness::{CTL_DEADLINE, Profile};
use serde_json::Value;

/// What happened to a message, as words in their order.
fn steps(profile: &Profile, id: &str) -> Vec<String> {
    let trace = profile.ctl_json(&["trace", id]);
    let steps = trace["steps"].as_array().expect("a trace has steps");
    steps.iter().map(|step| step["what"].as_str().expect("a word").to_owned()).collect()
}

#[test]
fn people_see_each_other() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let text = bob.ctl(&["users"]).expect_ok();
    assert!(text.contains("alice") && text.contains("Alice") && text.contains("online"), "{text}");
    let users = alice.ctl_json(&["users"]);
    assert_eq!(users["v"], 1);
    let users = users["items"].as_array().expect("a list");
    let told = |name: &str| users.iter().find(|user| user["user"] == name).expect("a user");
    for (user, name) in [("alice", "Alice"), ("bob", "Bob")] {
        assert_eq!((&told(user)["name"], &told(user)["status"]), (&name.into(), &"online".into()));
        assert!(told(user)["since"].as_str().is_some_and(|since| since.ends_with('Z')));
    }
}

#[test]
fn a_message_goes_its_way_and_every_step_is_told() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let text = alice.ctl(&["send", "bob", "hi", "--wait", "delivered"]).expect_ok();
    assert!(text.starts_with("delivered to bob ("), "{text}");
    let id = text.trim_end().trim_end_matches(')').rsplit('(').next().expect("an id").to_owned();

    let unread = bob.ctl_json(&["unread"]);
    assert_eq!((&unread["total"], &unread["items"][0]["user"]), (&1.into(), &"alice".into()));
    let peeked = bob.ctl_json(&["inbox", "--peek"]);
    let message = &peeked["items"][0];
    for (key, value) in [
        ("id", id.as_str()),
        ("from", "alice"),
        ("to", "bob"),
        ("name", "Alice"),
        ("body", "hi"),
        ("state", "unread"),
    ] {
        assert_eq!(message[key], value, "{message}");
    }
    assert_eq!(steps(&alice, &id), ["queued", "sent", "accepted", "delivered"]);

    let shown = bob.ctl(&["inbox"]).expect_ok();
    assert!(shown.contains("alice") && shown.contains("hi"), "{shown}");
    assert_eq!(bodies(&bob.ctl_json(&["inbox"])), Vec::<String>::new());
    assert_eq!(bob.ctl_json(&["unread"])["total"], 0);
    until("alice learns that it was read", DEADLINE, || {
        (steps(&alice, &id).last()? == "read").then_some(())
    });
    for person in [&alice, &bob] {
        let history = person.ctl_json(&["history"]);
        assert_eq!(bodies(&history), ["hi"]);
        assert_eq!(history["items"][0]["state"], "read");
        assert!(person.ctl(&["history"]).expect_ok().contains("hi"));
    }
    let trace = alice.ctl(&["trace", &id]).expect_ok();
    assert!(trace.contains("accepted") && trace.contains("read"), "{trace}");
}

#[test]
fn status_tells_how_the_connection_is() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice Doe");
    let status = alice.ctl_json(&["status"]);
    let expected: [(&str, Value); 6] = [
        ("link", "connected".into()),
        ("user", "alice".into()),
        ("name", "Alice Doe".into()),
        ("profile", "alice".into()),
        ("queued", 0.into()),
        ("unread", 0.into()),
    ];
    for (key, value) in expected {
        assert_eq!(status[key], value, "{status}");
    }
    assert_eq!(status["address"], stage.server.address().to_string());
    let text = alice.ctl(&["status"]).expect_ok();
    assert!(text.contains("connected") && text.contains("alice (Alice Doe)"), "{text}");
}

#[test]
fn what_waits_for_a_server_that_is_down_can_be_taken_back() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.pair();
    let stopped = stage.server.terminate();
    // On Windows the harness has no gentle way.
    assert!(stopped == 0 || cfg!(windows), "{stopped}");
    wait_for_link(&alice, "connecting");
    let regretted = send(&alice, "bob", "regretted", "queued");
    send(&alice, "bob", "meant", "queued");
    let output = alice.ctl(&["send", "bob", "impatient", "--timeout", "100ms"]);
    assert_eq!(output.code, 6, "{output}");
    assert!(output.stderr.contains("the message is queued"), "{output}");
    assert_eq!(alice.ctl_json(&["status"])["queued"], 3);
    assert_eq!(alice.ctl_json(&["cancel", &regretted])["state"], "cancelled");
    stage.server.restart();
    assert_eq!(received(&bob, "alice", 2), ["meant", "impatient"]);
    assert_eq!(steps(&alice, &regretted), ["queued", "cancelled"]);
}

#[test]
fn what_was_delivered_cannot_be_taken_back() {
    let stage = Stage::new();
    let (alice, _bob) = stage.pair();
    let id = send(&alice, "bob", "said is said", "delivered");
    assert_refused(&alice.ctl(&["cancel", &id]), 1, &["too late", "delivered"]);
}

#[test]
fn a_disconnected_person_stays_out_until_the_next_connect() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    run(&alice, &["disconnect"]);
    assert_eq!(alice.ctl_json(&["status"])["link"], "disconnected");
    assert_refused(&alice.ctl(&["users"]), 4, &["hint: "]);
    until("bob sees that alice is gone", DEADLINE, || {
        let users = bob.ctl_json(&["users", "--all"]);
        let alice = users["items"].as_array()?.iter().find(|user| user["user"] == "alice")?;
        (alice["status"] == "offline").then_some(())
    });
    assert_eq!(send(&bob, "alice", "are you there?", "accepted").len(), 26);
    run(&alice, &["daemon", "restart"]);
    assert_eq!(alice.ctl_json(&["status"])["link"], "disconnected");
    run(&alice, &["connect", "alice", "Alice"]);
    assert_eq!(received(&alice, "bob", 1), ["are you there?"]);
}

#[test]
fn a_name_belongs_to_whoever_claimed_it_first() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let mallory = Profile::new("mallory");
    let link = stage.server.link();
    let output = mallory.ctl(&["connect", "alice", "Alice", "--server", &link]);
    assert_refused(
        &output,
        10,
        &["the user name alice belongs to another", "hint: choose another"],
    );
    let output = mallory.ctl(&["--json", "connect", "alice", "Alice", "--server", &link]);
    assert_eq!((output.code, &output.error_json()["error"]["name"]), (10, &"refused".into()));
    send(&alice, "alice", "still me", "delivered");
    run(&mallory, &["connect", "mallory", "Mallory", "--server", &link]);
}

#[test]
fn a_person_can_write_to_oneself() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    send(&alice, "alice", "buy milk", "delivered");
    let inbox = alice.ctl_json(&["inbox"]);
    assert_eq!(bodies(&inbox), ["buy milk"]);
    assert_eq!(inbox["items"][0]["from"], "alice");
}

#[test]
fn texts_arrive_byte_for_byte() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let crabs = "🦀".repeat(8192);
    assert_eq!(crabs.len(), 32 * 1024);
    let family = "👩‍👩‍👧 שלום e\u{301}";
    let texts = [crabs.as_str(), "🦀", family, "two\nlines", "\n", "a\0b\0", "\r\t\u{1b}[2J", " "];
    for text in texts {
        // One line end is the shell's, not the text's.
        let typed = format!("{text}\n");
        let arguments = ["send", "bob", "-", "--wait", "delivered"];
        let output = alice.ctl_with(&arguments, typed.as_bytes(), CTL_DEADLINE);
        assert_eq!(output.code, 0, "{output}");
    }
    for arrived in [bodies(&bob.ctl_json(&["inbox"])), all_from(&bob, "alice")] {
        assert_eq!(arrived.len(), texts.len());
        for (number, (arrived, text)) in arrived.iter().zip(texts).enumerate() {
            // The long one would fill the screen.
            assert!(arrived == text, "text {number} arrived as {:.200}", format!("{arrived:?}"));
        }
    }
}

#[test]
fn a_text_never_reaches_the_terminal_as_a_command() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    send(&alice, "bob", "\u{1b}]0;owned\u{7}\u{1b}[2Jhello\r\u{202e}", "delivered");
    let shown = bob.ctl(&["inbox"]).expect_ok();
    assert!(shown.contains("hello"), "{shown:?}");
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']), "{shown:?}");
}

#[test]
fn the_same_key_is_the_same_message() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let send = |text: &str| {
        alice.ctl(&["--json", "send", "bob", text, "--id", "once", "--wait", "delivered"])
    };
    let first = send("hi");
    assert_eq!(first.code, 0, "{first}");
    assert_eq!(send("hi").json()["id"], first.json()["id"]);
    assert_eq!(send("something else").code, 2);
    alice.kill_daemon9();
    assert_eq!(send("hi").json()["id"], first.json()["id"]);
    run(&alice, &["send", "bob", "last", "--wait", "delivered"]);
    assert_eq!(all_from(&bob, "alice"), ["hi", "last"]);
}
