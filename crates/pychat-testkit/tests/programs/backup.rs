//! A disk that is lost: what a backup brings back, and what the clients put right.

use crate::{
    admin::answer,
    stage::{SLOW_DEADLINE, Stage, run, until},
};
use pychat_testkit::harness::Profile;
use serde_json::Value;
use std::collections::BTreeMap;

/// Texts that a profile has got, those of each sender in the order of their coming.
fn received(profile: &Profile) -> BTreeMap<String, Vec<String>> {
    let history = profile.ctl_json(&["history", "-n", "1000"]);
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in history["items"].as_array().unwrap() {
        let text = |field: &str| message[field].as_str().unwrap().to_owned();
        if message["to"] == profile.name() {
            of.entry(text("from")).or_default().push(text("body"));
        }
    }
    of
}

fn numbers(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|number| number.to_string()).collect()
}

fn send(from: &Profile, to: &str, texts: &[String]) {
    for text in texts {
        run(from, &["send", to, text]);
    }
}

/// Before the backup, after it, and while it is being made, texts are accepted: by the server that then
/// loses its disk. Some are read by then, some wait in a mailbox, and one who was away comes back later.
#[test]
fn what_a_restored_server_forgot_its_clients_put_right() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.pair();
    let carol = stage.join("carol", "Carol");
    send(&alice, "bob", &numbers(0, 10));
    send(&bob, "alice", &numbers(0, 10));
    run(&carol, &["disconnect"]);
    send(&alice, "carol", &numbers(0, 10));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("monday.backup");
    std::thread::scope(|scope| {
        scope.spawn(|| send(&alice, "bob", &numbers(10, 30)));
        let made = answer(&stage.server, &["backup", file.to_str().unwrap()]);
        assert!(made["bytes"].as_u64().unwrap() > 0);
    });

    // What comes now is in no backup.
    send(&bob, "alice", &numbers(10, 30));
    send(&alice, "carol", &numbers(10, 30));
    let dave = stage.join("dave", "Dave");
    send(&dave, "alice", &numbers(0, 5));

    stage.server.lose_and_restore(&file);
    stage.server.restart();
    send(&alice, "bob", &numbers(30, 40));
    send(&bob, "alice", &numbers(30, 40));
    run(&carol, &["connect", "carol", "Carol"]);
    send(&alice, "carol", &numbers(30, 40));

    let expected = |people: &[(&str, usize)]| -> BTreeMap<String, Vec<String>> {
        people.iter().map(|(from, count)| ((*from).to_owned(), numbers(0, *count))).collect()
    };
    let comes = |profile: &Profile, people: &[(&str, usize)]| {
        let what = format!("{} has got all of it", profile.name());
        let all = expected(people);
        until(&what, SLOW_DEADLINE, || (received(profile) == all).then_some(()));
    };
    comes(&bob, &[("alice", 40)]);
    comes(&alice, &[("bob", 40), ("dave", 5)]);
    comes(&carol, &[("alice", 40)]);
    // Everybody hears of everything: no sender waits for a receipt that the server forgot.
    for profile in [&alice, &bob, &dave] {
        let settled = || {
            let history = profile.ctl_json(&["history", "-n", "1000"]);
            let open = |message: &&Value| {
                message["from"] == profile.name()
                    && !["delivered", "read"].contains(&message["state"].as_str().unwrap())
            };
            let left = history["items"].as_array().unwrap().iter().filter(open).count();
            (left == 0).then_some(())
        };
        until(&format!("{} knows of all", profile.name()), SLOW_DEADLINE, settled);
    }
}

#[test]
fn a_backup_overwrites_nothing_and_is_restored_into_an_empty_directory_only() {
    let stage = Stage::new();
    let _alice = stage.join("alice", "Alice");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("one.backup");
    let path = file.to_str().unwrap();
    answer(&stage.server, &["backup", path]);
    let again = stage.server.admin_text(&["backup", path]);
    assert_eq!(again.code, 9, "{again}");
    assert!(again.stderr.contains("exists already"), "{again}");
    let nowhere = stage.server.admin_text(&["backup", "/nowhere/at/all"]);
    assert_eq!(nowhere.code, 9, "{nowhere}");

    let full = directory.path().to_str().unwrap();
    let refused = stage.server.program(&["restore", path, "--data", full]);
    assert_eq!(refused.code, 4, "{refused}");
    assert!(refused.stderr.contains("is not empty"), "{refused}");
    let store = stage.server.data().join("mailboxes.sqlite3");
    let fresh = directory.path().join("fresh");
    let words = ["restore", store.to_str().unwrap(), "--data", fresh.to_str().unwrap()];
    let foreign = stage.server.program(&words);
    assert_eq!(foreign.code, 4, "{foreign}");
    assert!(foreign.stderr.contains("no backup"), "{foreign}");
    assert!(!fresh.exists(), "nothing is made of what is no backup");
}
