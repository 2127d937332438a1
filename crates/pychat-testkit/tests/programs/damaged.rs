//! Databases that a failing disk had: the daemon sets its own aside and goes on, the server refuses.

use crate::stage::{Stage, all_from, assert_refused, connect, received, run, send};
use pychat_testkit::harness::{Output, Profile, Programs, Server};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a page holds that tells the layout.
const LAYOUT: &[u8] = b"CREATE TABLE";

/// SQLite's page.
const PAGE_BYTES: usize = 4096;

/// What was set aside in a profile's state directory: databases, without what lies beside them.
fn set_aside(profile: &Profile) -> Vec<PathBuf> {
    let entries = fs::read_dir(profile.state()).expect("there is a state directory");
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    let is_database = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    let mut found: Vec<PathBuf> = paths.filter(is_database).collect();
    found.sort();
    found
}

/// Stops the daemon and damages its database: all but the first `whole` pages, if any, and those that tell
/// the layout. Returns what is there now.
fn damage(profile: &Profile, whole: usize) -> Vec<u8> {
    run(profile, &["daemon", "stop"]);
    let path = profile.state().join("pychat.db");
    let mut bytes = fs::read(&path).expect("a daemon that ended has a database");
    assert!(bytes.len() > whole * PAGE_BYTES, "there is something to damage");
    for page in bytes.chunks_mut(PAGE_BYTES).skip(whole) {
        let tells_layout = page.windows(LAYOUT.len()).any(|window| window == LAYOUT);
        if whole == 0 || !tells_layout {
            page.fill(0xa5);
        }
    }
    fs::write(&path, &bytes).expect("the database can be written");
    bytes
}

#[test]
fn a_damaged_database_is_set_aside_and_its_person_is_connected_again() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    send(&alice, "bob", "before", "delivered");
    send(&bob, "alice", "an answer", "delivered");
    // The first pages tell the layout, and who alice is.
    let damaged = damage(&alice, 3);

    let output = alice.ctl(&["send", "bob", "after", "--wait", "delivered"]);
    assert_eq!(output.code, 0, "{output}");
    for words in ["was damaged", "was set aside as", "nothing needs to be done", "backup"] {
        assert!(output.stderr.contains(words), "no {words:?} in: {output}");
    }
    let aside = set_aside(&alice);
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(fs::read(&aside[0]).expect("it is there"), damaged, "it was not written to");
    assert!(output.stderr.contains(&aside[0].display().to_string()), "{output}");
    assert_eq!(received(&bob, "alice", 2), ["before", "after"]);

    let again = alice.ctl(&["send", "bob", "once more"]);
    assert!(!again.stderr.contains("set aside"), "it was seen: {again}");
    assert!(alice.logs().contains("the database is damaged"), "{}", alice.logs());
    let shown = alice.ctl(&["status"]).expect_ok();
    assert!(shown.contains("set aside") && shown.contains(".damaged-"), "{shown}");
    let status = alice.ctl_json(&["status"]);
    assert_eq!(status["set_aside"], aside[0].display().to_string(), "{status}");

    // Whoever is done with it removes it, and it is not spoken of any more.
    fs::remove_file(&aside[0]).expect("it can be removed");
    assert!(!alice.ctl(&["status"]).expect_ok().contains("set aside"));
    send(&bob, "alice", "welcome back", "delivered");
    assert!(all_from(&alice, "bob").contains(&"welcome back".to_owned()));
}

#[test]
fn one_whose_account_cannot_be_read_is_told_to_connect_again() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    damage(&alice, 0);
    let output = alice.ctl(&["send", "bob", "hello"]);
    assert_eq!(output.code, 4, "{output}");
    for words in ["was set aside as", "run pychatctl connect"] {
        assert!(output.stderr.contains(words), "no {words:?} in: {output}");
    }
    connect(&alice, "Alice", &stage.server.link());
    send(&alice, "bob", "hello again", "delivered");
    assert_eq!(received(&bob, "alice", 1), ["hello again"], "the key and the name are hers");
}

#[test]
fn damage_after_damage_is_for_a_person_to_look_at() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let damaged = damage(&alice, 1);
    for number in 0..5 {
        let name = format!("pychat.db.damaged-2026010{number}T000000Z");
        fs::write(alice.state().join(name), b"an earlier one").expect("a file can be made");
    }
    let refused = alice.ctl(&["status"]);
    assert_refused(&refused, 3, &["is damaged", "5 damaged ones", "Check the disk"]);
    let path = alice.state().join("pychat.db");
    assert_eq!(fs::read(path).expect("it is there"), damaged, "it was not written to");
    assert_eq!(set_aside(&alice).len(), 5);
}

/// Starts a server that is expected to refuse.
fn start_server(data: &Path) -> Output {
    let mut command = Command::new(Programs::find().path("pychat-server"));
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).stdin(Stdio::null());
    let output = command.output().expect("pychat-server can be started");
    Output {
        code: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Stops the server and damages its store behind the first page; returns the good and the bad one.
fn damage_store(server: &mut Server) -> (Vec<u8>, Vec<u8>) {
    assert_eq!(server.terminate(), 0);
    let path = server.data().join("mailboxes.sqlite3");
    let good = fs::read(&path).expect("a server that ended has a store");
    let mut bad = good.clone();
    let last = bad.len() - PAGE_BYTES;
    bad[last..].fill(0xa5);
    fs::write(&path, &bad).expect("the store can be written");
    (good, bad)
}

#[test]
fn a_server_with_a_damaged_store_refuses_to_start_until_a_person_decides() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.pair();
    run(&bob, &["disconnect"]);
    send(&alice, "bob", "kept", "accepted");
    let (good, bad) = damage_store(&mut stage.server);
    let path = stage.server.data().join("mailboxes.sqlite3");

    let refused = start_server(stage.server.data());
    assert_eq!(refused.code, 4, "{refused}");
    for words in ["is damaged", "nothing was changed", "every user name", "put a backup"] {
        assert!(refused.stderr.contains(words), "no {words:?} in: {refused}");
    }
    assert_eq!(fs::read(&path).expect("it is there"), bad, "it was not written to");
    assert_eq!(start_server(stage.server.data()).code, 4, "it does not begin anew by itself");

    // The very command that it names.
    let line = refused.stderr.lines().find(|line| line.contains("mkdir"));
    let (_, line) = line.expect("it says how").split_once("away: ").expect("it says how");
    let moved = Command::new("sh").args(["-c", line]).status().expect("there is a shell");
    assert!(moved.success() && !path.exists(), "{line}");
    fs::write(&path, good).expect("the backup can be put back");
    stage.server.restart();
    run(&bob, &["connect", "bob", "Bob"]);
    assert_eq!(received(&bob, "alice", 1), ["kept"]);
}
