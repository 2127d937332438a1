//! A profile on another machine: everything of a person moves, nobody is warned, nothing is lost or
//! doubled; and two machines at once are told of each other.

use crate::stage::{
    DEADLINE, Stage, all_from, assert_refused, bodies, received, run, send, until, wait_for_link,
};
use pychat_testkit::harness::{CTL_DEADLINE, Output, Profile};
use std::{
    fs,
    path::{Path, PathBuf},
};

const PASSPHRASE: &[u8] = b"correct horse battery\n";

fn piped(profile: &Profile, arguments: &[&str], stdin: &[u8]) -> Output {
    profile.ctl_with(arguments, stdin, CTL_DEADLINE)
}

/// Exports into a file, whose place is returned.
fn export(profile: &Profile) -> PathBuf {
    let file = profile.root().join("profile.age");
    let shown = file.display().to_string();
    let said = piped(profile, &["profile", "export", &shown], PASSPHRASE).expect_ok();
    assert!(said.starts_with("exported alice at "), "{said}");
    file
}

/// Another machine of the same person's, which imports that file.
fn import(name: &str, file: &Path) -> Profile {
    let profile = Profile::new(name);
    let shown = file.display().to_string();
    let said = piped(&profile, &["profile", "import", &shown], PASSPHRASE).expect_ok();
    assert!(said.starts_with("imported alice at "), "{said}");
    profile
}

/// What all messages say of keys, but for a first contact.
fn warnings(profile: &Profile) -> Vec<String> {
    let history = profile.ctl_json(&["history", "-n", "1000"]);
    let items = history["items"].as_array().expect("a list has items").iter();
    let trust = items.filter_map(|item| item["trust"].as_str().map(str::to_owned));
    let of_messages = trust.filter(|trust| trust != "first_contact");
    let changed = profile.ctl_json(&["status"])["changed_keys"].clone();
    of_messages.chain((!changed.is_null()).then(|| changed.to_string())).collect()
}

#[test]
fn a_person_moves_to_another_machine_and_nobody_is_warned() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    send(&alice, "bob", "one", "delivered");
    send(&bob, "alice", "two", "delivered");
    run(&alice, &["inbox"]);
    send(&bob, "alice", "three, unread", "delivered");
    assert!(alice.daemon_pid().is_some(), "the export is beside a daemon that runs");
    let file = export(&alice);
    alice.kill_daemon9();
    fs::remove_dir_all(alice.state()).expect("it can be removed");
    // It is sealed for keys that are gone.
    send(&bob, "alice", "while nobody is there", "accepted");

    let new = import("alice", &file);
    assert_eq!(new.ctl_json(&["status"])["link"], "disconnected");
    let history = new.ctl_json(&["history"]);
    assert_eq!(bodies(&history), ["one", "two", "three, unread"]);
    assert_eq!(new.ctl_json(&["unread"])["total"], 1);
    run(&new, &["connect", "alice", "Alice"]);
    let mut theirs = vec!["two", "three, unread", "while nobody is there"];
    assert_eq!(received(&new, "bob", 3), theirs);

    send(&bob, "alice", "four", "delivered");
    send(&new, "bob", "five", "delivered");
    send(&bob, "alice", "six", "delivered");
    theirs.extend(["four", "six"]);
    assert_eq!(received(&new, "bob", 5), theirs);
    assert_eq!(received(&bob, "alice", 2), ["one", "five"]);
    for profile in [&new, &bob] {
        assert_eq!(warnings(profile), [] as [String; 0], "{}", profile.name());
    }
    run(&new, &["inbox"]);
    assert_eq!(new.ctl_json(&["unread"])["total"], 0);
}

#[test]
fn of_two_machines_the_older_one_is_told() {
    let stage = Stage::new();
    let (old, bob) = stage.pair();
    send(&old, "bob", "from the old one", "delivered");
    let new = import("alice", &export(&old));
    assert_eq!(old.ctl_json(&["status"])["link"], "connected", "an import takes no place");
    run(&new, &["connect", "alice", "Alice"]);
    wait_for_link(&old, "refused");
    let status = old.ctl(&["status"]).expect_ok();
    assert!(status.contains("another machine with the identity of alice"), "{status}");
    assert_refused(
        &old.ctl(&["send", "bob", "x"]),
        10,
        &["is on that machine, and may be only there", "pychatctl connect alice 'Alice'"],
    );
    // The new one found the other's keys at the server.
    until("the new one tells of the old one", DEADLINE, || {
        new.ctl_json(&["status"])["other_machine_at"].as_str().map(drop)
    });
    let told = new.ctl(&["status"]).expect_ok();
    assert!(told.contains("elsewhere   another machine used this identity"), "{told}");
    // What bob sealed for the old one's keys is asked for anew, and comes a little later.
    send(&bob, "alice", "for the new one", "accepted");
    assert_eq!(received(&new, "bob", 1), ["for the new one"]);

    // Back to the old one. What came in between may come once more: the server forgets it lazily.
    run(&old, &["connect", "alice", "Alice"]);
    wait_for_link(&new, "refused");
    send(&bob, "alice", "for the old one", "accepted");
    let count = |profile: &Profile| {
        all_from(profile, "bob").iter().filter(|text| *text == "for the old one").count()
    };
    until("the old one has it", DEADLINE, || (count(&old) == 1).then_some(()));
    assert_eq!(all_from(&new, "bob"), ["for the new one"]);
    assert_eq!(warnings(&bob), [] as [String; 0]);
}

#[test]
fn a_text_that_waits_goes_out_from_either_machine_and_arrives_once() {
    let stage = Stage::new();
    let (old, bob) = stage.pair();
    send(&old, "bob", "one", "delivered");
    run(&old, &["disconnect"]);
    let id = send(&old, "bob", "two", "queued");
    let file = export(&old);
    let again = old.ctl_with(
        &["--json", "profile", "export", "--force", &file.display().to_string()],
        PASSPHRASE,
        CTL_DEADLINE,
    );
    assert_eq!(again.json()["waiting"], 1, "{again}");
    let new = import("alice", &file);
    assert_eq!(new.ctl_json(&["status"])["queued"], 1);
    run(&new, &["connect", "alice", "Alice"]);
    assert_eq!(received(&bob, "alice", 2), ["one", "two"]);
    let is_delivered = |profile: &Profile| {
        let trace = profile.ctl_json(&["trace", &id]);
        (trace["message"]["state"] == "delivered").then_some(())
    };
    until("the new machine knows", DEADLINE, || is_delivered(&new));
    run(&old, &["connect", "alice", "Alice"]);
    until("the old machine knows, too", DEADLINE, || is_delivered(&old));
    assert_eq!(old.ctl_json(&["status"])["queued"], 0);
    assert_eq!(received(&bob, "alice", 2), ["one", "two"]);
}

#[test]
fn what_cannot_be_imported_is_told_and_nothing_is_made() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let file = export(&alice);
    let shown = file.display().to_string();
    let import = ["profile", "import", &shown];

    let used = piped(&alice, &import, PASSPHRASE);
    assert_refused(&used, 10, &["the profile alice is in use", "--profile NAME", "move "]);
    let new = Profile::new("alice");
    let wrong = piped(&new, &import, b"correct horse\n");
    assert_refused(&wrong, 10, &["passphrase is wrong", "nothing was written"]);
    assert_refused(&piped(&new, &import, b"\n"), 2, &["the passphrase is empty"]);
    let bytes = fs::read(&file).expect("an archive");
    fs::write(&file, &bytes[..bytes.len() - 1]).expect("a file");
    let cut = piped(&new, &import, PASSPHRASE);
    assert_refused(&cut, 1, &["damaged or was cut off", "nothing was written"]);
    fs::write(&file, "not an archive").expect("a file");
    assert_refused(&piped(&new, &import, PASSPHRASE), 1, &["not an encrypted file"]);
    assert!(!new.state().exists());
    let base = new.state().parent().expect("a base").to_owned();
    let left = fs::read_dir(base).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left behind");
    fs::write(&file, bytes).expect("a file");
    assert_eq!(piped(&new, &import, PASSPHRASE).code, 0);

    // A daemon that runs for a profile without a user keeps it.
    let other = Profile::new("alice");
    run(&other, &["status"]);
    let running = piped(&other, &import, PASSPHRASE);
    assert_refused(&running, 10, &["a daemon already runs", "pychatctl daemon stop"]);
    run(&other, &["daemon", "stop"]);
    assert_eq!(piped(&other, &import, PASSPHRASE).code, 0);
}

#[test]
fn an_archive_goes_through_pipes() {
    let stage = Stage::new();
    let alice = stage.join("alice", "Alice");
    let secret = alice.root().join("secret");
    fs::write(&secret, PASSPHRASE).expect("a file");
    let from_file = format!("--passphrase-file={}", secret.display());
    let output =
        alice.command(&["profile", "export", "-", &from_file]).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.starts_with(b"age-encryption.org/v1\n"));
    let new = Profile::new("alice");
    let imported = piped(&new, &["profile", "import", "-", &from_file], &output.stdout);
    let text = imported.expect_ok();
    assert!(text.starts_with("imported alice at "), "{text}");
    assert!(new.state().join("identity.key").exists());
}
