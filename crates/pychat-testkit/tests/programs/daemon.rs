//! The daemon as a process: it comes by itself, is alone, ends in order, and is found again.

use crate::stage::{
    DEADLINE, Stage, all_from, assert_refused, received, run, send, until, wait_for_link,
};
use pychat_testkit::harness::{Output, Profile, is_running};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
    thread,
};

fn pid(profile: &Profile) -> u32 {
    profile.daemon_pid().expect("the daemon runs")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn wait_for_end(child: &mut Child) -> Option<i32> {
    until("the daemon ends", DEADLINE, || child.try_wait().expect("it is our child")).code()
}

#[test]
fn the_daemon_is_started_when_it_is_needed_and_wanted() {
    let alice = Profile::new("alice");
    assert_refused(
        &alice.ctl(&["--no-autostart", "status"]),
        3,
        &["does not run", "hint: start it"],
    );
    assert_eq!(alice.ctl(&["daemon", "status"]).code, 3);
    assert!(!alice.state().exists(), "nothing is made by asking");
    run(&alice, &["status"]);
    let first = pid(&alice);
    run(&alice, &["--no-autostart", "status"]);
    assert_eq!(alice.ctl_json(&["daemon", "status"])["pid"], first);
    assert_eq!(alice.ctl_json(&["daemon", "start"])["pid"], first);
}

#[test]
fn commands_that_come_at_once_start_one_daemon() {
    let alice = Profile::new("alice");
    let pids: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> =
            (0..10).map(|_| scope.spawn(|| alice.ctl_json(&["status"])["pid"].as_u64())).collect();
        asking.into_iter().map(|one| one.join().expect("it is answered")).collect()
    });
    let daemon = u64::from(pid(&alice));
    assert!(pids.iter().all(|pid| *pid == Some(daemon)), "{daemon}: {pids:?}");
}

#[test]
fn a_stale_socket_is_healed() {
    let alice = Profile::new("alice");
    run(&alice, &["status"]);
    let socket = alice.state().join("control.sock");
    for _ in 0..3 {
        let killed = pid(&alice);
        alice.kill_daemon9();
        assert!(socket.exists(), "a kill leaves the socket behind");
        assert_refused(&alice.ctl(&["--no-autostart", "status"]), 3, &["does not run"]);
        run(&alice, &["status"]);
        assert_ne!(pid(&alice), killed);
    }
}

#[test]
fn a_second_daemon_of_one_profile_is_refused() {
    let alice = Profile::new("alice");
    run(&alice, &["status"]);
    let first = pid(&alice);
    for arguments in [&[][..], &["--foreground"]] {
        let output = alice.daemon_command(arguments).output().expect("it can be run");
        let output = Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        let already = format!("already runs for the profile alice (process {first})");
        assert_refused(&output, 10, &[&already, "hint: ", "pychatctl daemon stop"]);
    }
    assert_eq!(alice.ctl_json(&["status"])["pid"], first);
}

#[test]
fn a_restarted_daemon_goes_on_where_the_last_one_was() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let before = pid(&alice);
    run(&alice, &["daemon", "restart"]);
    assert_ne!(pid(&alice), before);
    wait_for_link(&alice, "connected");
    send(&alice, "bob", "restarted", "delivered");
    alice.kill_daemon9();
    send(&alice, "bob", "killed", "delivered");
    bob.kill_daemon9();
    send(&alice, "bob", "while bob is away", "accepted");
    assert_eq!(received(&bob, "alice", 3), ["restarted", "killed", "while bob is away"]);
    assert_eq!(all_from(&bob, "alice").len(), 3);
}

#[test]
fn a_stopped_daemon_leaves_nothing_behind_and_says_goodbye() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let daemon = pid(&alice);
    assert_eq!(alice.ctl(&["daemon", "stop"]).expect_ok(), "stopped\n");
    until("the process is gone", DEADLINE, || (!is_running(daemon)).then_some(()));
    for file in ["control.sock", "daemon.json"] {
        assert!(!alice.state().join(file).exists(), "{file} is left behind");
    }
    assert_eq!(alice.ctl(&["daemon", "stop"]).expect_ok(), "not running\n");
    until("bob sees it at once", DEADLINE, || {
        let users = bob.ctl_json(&["users"]);
        let is_alice = |user: &serde_json::Value| user["user"] == "alice";
        (!users["items"].as_array()?.iter().any(is_alice)).then_some(())
    });
}

#[test]
fn the_state_is_for_its_user_alone() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    send(&alice, "alice", "secret", "delivered");
    assert_eq!(mode(&alice.state()), 0o700);
    assert_eq!(mode(&alice.state().join("log")), 0o700);
    let mut files = Vec::new();
    for directory in [alice.state(), alice.state().join("log")] {
        let entries = fs::read_dir(directory).expect("it can be read").map(|entry| {
            let path = entry.expect("an entry").path();
            (mode(&path), path)
        });
        files.extend(entries.filter(|(_, path)| !path.is_dir()));
    }
    let names: Vec<_> = files.iter().filter_map(|(_, path)| path.file_name()?.to_str()).collect();
    for name in ["identity.key", "pychat.db", "lock", "daemon.json", "control.sock"] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    for (mode, path) in files {
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    assert_eq!(mode(&alice.state().join("identity.key")), 0o600);
}

#[test]
fn the_log_is_there_and_tells_no_texts() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice Liddell");
    send(&alice, "alice", "a white rabbit", "delivered");
    let log = alice.ctl(&["daemon", "logs"]).expect_ok();
    assert!(log.contains("the daemon is ready"), "{log}");
    assert!(!log.contains("rabbit") && !log.contains("Liddell"), "{log}");
    let files: Vec<_> = fs::read_dir(alice.state().join("log")).expect("a directory").collect();
    assert!((1..=7).contains(&files.len()), "a file a day, a week of them");
    let last = alice.ctl(&["daemon", "logs", "-n", "1"]).expect_ok();
    assert_eq!(last.lines().count(), 1, "{last}");
}

#[test]
fn in_the_foreground_it_serves_logs_and_ends_at_a_signal() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let alice = Profile::new("alice");
        let mut command = alice.daemon_command(&["--foreground"]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it can be started");
        until("the daemon answers", DEADLINE, || {
            (alice.ctl(&["--no-autostart", "status"]).code == 0).then_some(())
        });
        assert_eq!(pid(&alice), child.id(), "it is no child of its own");
        kill_process(Pid::from_child(&child), signal).expect("a child takes signals");
        assert_eq!(wait_for_end(&mut child), Some(0), "{signal:?}");
        let output = child.wait_with_output().expect("it ended");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("the daemon is ready") && said.contains("the daemon ends"), "{said}");
        assert!(!alice.state().join("control.sock").exists());
    }
}

#[test]
fn a_signal_ends_the_daemon_in_order() {
    let alice = Profile::new("alice");
    run(&alice, &["status"]);
    let daemon = pid(&alice);
    let id = i32::try_from(daemon).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, Signal::TERM).expect("our daemon takes signals");
    until("the process is gone", DEADLINE, || (!is_running(daemon)).then_some(()));
    assert!(!alice.state().join("daemon.json").exists());
    run(&alice, &["status"]);
}
