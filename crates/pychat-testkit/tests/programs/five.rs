//! The five commands that everybody uses, and a daemon that comes, goes and comes back, on every system
//! alike. `cargo xtask windows` plays this file with the programs built for Windows, so that each exit
//! code stands here once, for all systems.

use crate::stage::{
    DEADLINE, SLOW_DEADLINE, Stage, assert_refused, bodies, received, run, send, until,
};
use pychat_testkit::harness::{CTL_DEADLINE, Output, Profile, is_running};
use std::fs;

/// Two lines, a character of four bytes, one of several.
const TEXT: &str = "hello 🦀\nsecond line 👩‍👩‍👧";

fn pid(profile: &Profile) -> u32 {
    profile.daemon_pid().expect("the daemon runs")
}

#[test]
fn the_five_commands_do_what_they_say() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let users = alice.ctl(&["users"]).expect_ok();
    assert!(users.contains("bob") && users.contains("Bob") && users.contains("online"), "{users}");

    let arguments = ["send", "bob", "-", "--wait", "delivered"];
    let sent = alice.ctl_with(&arguments, format!("{TEXT}\n").as_bytes(), CTL_DEADLINE);
    let sent = sent.expect_ok();
    assert!(sent.starts_with("delivered to bob ("), "{sent}");
    let peeked = bob.ctl_json(&["inbox", "--peek"]);
    assert_eq!(bodies(&peeked), [TEXT]);
    assert_eq!(
        (&peeked["items"][0]["from"], &peeked["items"][0]["name"]),
        (&"alice".into(), &"Alice".into())
    );
    let shown = bob.ctl(&["inbox"]).expect_ok();
    assert!(shown.contains("hello 🦀") && shown.contains("second line"), "{shown}");
    assert_eq!(bodies(&bob.ctl_json(&["inbox"])), Vec::<String>::new());

    run(&alice, &["disconnect"]);
    assert_eq!(alice.ctl_json(&["status"])["link"], "disconnected");
    until("bob sees that alice is gone", DEADLINE, || {
        let users = bob.ctl_json(&["users", "--all"]);
        let alice = users["items"].as_array()?.iter().find(|user| user["user"] == "alice")?;
        (alice["status"] == "offline").then_some(())
    });
}

#[test]
fn an_argument_arrives_as_it_was_typed() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let texts = ["🦀", "a \"quoted\" word", r"C:\path\", "two\nlines", "%PATH% $HOME *"];
    for text in texts {
        send(&alice, "bob", text, "delivered");
    }
    assert_eq!(received(&bob, "alice", texts.len()), texts);
}

#[test]
fn every_exit_code_is_the_same_on_every_system() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    for (arguments, code) in [
        (&["inbox"][..], 0),
        (&["no-such-command"], 2),
        (&["send", "No One", "hi"], 2),
        (&["send", "nobody", "hi", "--wait", "accepted"], 5),
        (&["cancel", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], 2),
        (&["connect", "alice", "Alice", "--server", "pychat://no link"], 2),
    ] {
        let output = alice.ctl(arguments);
        assert_eq!(output.code, code, "{arguments:?}: {output}");
    }
    let mallory = Profile::new("mallory");
    assert_refused(&mallory.ctl(&["--no-autostart", "status"]), 3, &["does not run", "hint: "]);
    assert_refused(&mallory.ctl(&["users"]), 4, &["hint: "]);
    let taken = mallory.ctl(&["connect", "alice", "Alice", "--server", &stage.server.link()]);
    assert_refused(&taken, 10, &["the user name alice belongs to another"]);
}

#[test]
fn a_text_that_nobody_takes_in_time_stays_queued() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.pair();
    stage.server.kill9();
    let late = alice.ctl(&["send", "bob", "late", "--timeout", "100ms"]);
    assert_eq!(late.code, 6, "{late}");
    assert!(late.stderr.contains("the message is queued"), "{late}");
    stage.server.restart();
    assert_eq!(received(&bob, "alice", 1), ["late"]);
}

#[test]
fn queued_messages_outlive_a_restart_of_the_daemon_and_a_kill() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.pair();
    stage.server.kill9();
    send(&alice, "bob", "before the restart", "queued");
    let first = pid(&alice);
    run(&alice, &["daemon", "restart"]);
    let second = pid(&alice);
    assert_ne!(first, second);
    assert!(!is_running(first));
    send(&alice, "bob", "before the kill", "queued");
    alice.kill_daemon9();
    assert!(!is_running(second));
    assert_refused(&alice.ctl(&["--no-autostart", "status"]), 3, &["does not run"]);
    // Whatever a killed daemon left behind is in nobody's way.
    assert_eq!(alice.ctl_json(&["status"])["queued"], 2);
    stage.server.restart();
    assert_eq!(received(&bob, "alice", 2), ["before the restart", "before the kill"]);
    until("alice hears of it", SLOW_DEADLINE, || {
        (alice.ctl_json(&["status"])["queued"] == 0).then_some(())
    });
}

#[test]
fn a_daemon_is_alone_in_its_profile_and_leaves_in_order() {
    let alice = Profile::new("alice");
    run(&alice, &["status"]);
    let first = pid(&alice);
    for arguments in [&[][..], &["--foreground"]] {
        let refused = alice.daemon_command(arguments).output().expect("it can be run");
        let refused = Output {
            code: refused.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&refused.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&refused.stderr).into_owned(),
        };
        let running = format!("a daemon already runs for the profile alice (process {first})");
        assert_refused(&refused, 10, &[&running, "hint: "]);
    }
    run(&alice, &["daemon", "stop"]);
    until("the daemon ends", DEADLINE, || (!is_running(first)).then_some(()));
    assert!(!alice.state().join("daemon.json").exists());
    assert_eq!(alice.ctl(&["daemon", "status"]).code, 3);
}

#[test]
fn why_a_daemon_does_not_start_is_told_by_whoever_started_it() {
    let alice = Profile::new("alice");
    run(&alice, &["status"]);
    run(&alice, &["daemon", "stop"]);
    fs::write(alice.state().join("identity.key"), "no key").expect("it is ours");
    let failed = alice.ctl(&["status"]);
    assert_refused(
        &failed,
        3,
        &["the daemon cannot be started: ", "identity.key is damaged", "hint: "],
    );
}

#[test]
fn a_profile_of_the_same_name_elsewhere_has_a_daemon_of_its_own() {
    let (one, other) = (Profile::new("alice"), Profile::new("alice"));
    run(&one, &["status"]);
    run(&other, &["status"]);
    assert_ne!(pid(&one), pid(&other));
}
