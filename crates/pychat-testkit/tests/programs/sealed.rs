//! End to end, with the real programs: what the server's memory, disk and datagrams tell.

use crate::stage::{Stage, connect, received, run, seed, send};
use pychat_testkit::{harness::Profile, proxy::Proxy};
use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// Long enough to be found by nothing else, and shorter than a line of a page.
const TEXT: &str = "The Krikkit robots come at dawn";
const ANSWER: &str = "Then we leave at midnight, Slartibartfast";

/// Bytes of a process read at once; a needle may lie across the border of two pieces.
const PIECE: usize = 1 << 20;

/// Whether a process's memory holds one of the needles: all of its readable pages, as a core dump has them.
fn memory_holds(pid: u32, needles: &[Vec<u8>]) -> Option<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process runs");
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).expect("it is ours");
    let mut bytes_seen = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let special = line.contains("[vvar") || line.contains("[vsyscall]");
        if !rights.starts_with('r') || special {
            continue;
        }
        let (start, end) = range.split_once('-').expect("a range");
        let parse = |text| u64::from_str_radix(text, 16).expect("an address");
        let mut left = usize::try_from(parse(end) - parse(start)).expect("it fits");
        // What cannot be read is not there (guard pages, files that were cut).
        if memory.seek(SeekFrom::Start(parse(start))).is_err() {
            continue;
        }
        let mut tail = Vec::new();
        while left > 0 {
            let mut piece = vec![0; left.min(PIECE)];
            if memory.read_exact(&mut piece).is_err() {
                break;
            }
            left -= piece.len();
            bytes_seen += piece.len();
            tail.extend_from_slice(&piece);
            if let Some(found) = find(&tail, needles) {
                return Some(found);
            }
            let keep = needles.iter().map(Vec::len).max().unwrap_or(0).min(tail.len());
            tail = tail.split_off(tail.len() - keep);
        }
    }
    assert!(bytes_seen > 1 << 20, "only {bytes_seen} bytes of memory could be read");
    None
}

/// Which of the needles is in there.
fn find(hay: &[u8], needles: &[Vec<u8>]) -> Option<usize> {
    needles.iter().position(|needle| hay.windows(needle.len()).any(|window| window == needle))
}

/// Which of the needles one of the directory's files holds.
fn disk_holds(directory: &Path, needles: &[Vec<u8>]) -> Option<usize> {
    let mut files = 0;
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            files += 1;
            if let Some(found) = find(&fs::read(&path).expect("it is ours"), needles) {
                return Some(found);
            }
        }
    }
    assert!(files > 0, "there are files in {}", directory.display());
    None
}

fn identity(profile: &Profile) -> Vec<u8> {
    fs::read(profile.state().join("identity.key")).expect("a profile has an identity")
}

#[test]
fn neither_memory_nor_disk_nor_wire_of_the_server_tells_a_text_or_a_key() {
    let seed = seed(11);
    let stage = Stage::new();
    let proxy = Proxy::start(stage.server.address(), seed).expect("a proxy can be started");
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    for profile in [&alice, &bob] {
        connect(profile, "X", &stage.server.link_via(proxy.address()));
    }
    let needles = vec![
        TEXT.as_bytes().to_vec(),
        ANSWER.as_bytes().to_vec(),
        identity(&alice),
        identity(&bob),
    ];
    let look = |when: &str| {
        let pid = stage.server.pid().expect("the server runs");
        assert_eq!(memory_holds(pid, &needles), None, "memory, {when}");
        assert_eq!(disk_holds(stage.server.data(), &needles), None, "disk, {when}");
        let capture = proxy.capture();
        assert!(needles.iter().all(|needle| !capture.finds(needle)), "wire, {when}");
    };
    // That what is there would be found.
    let own = bob.daemon_pid().expect("bob's daemon runs");
    assert_eq!(memory_holds(own, &[b"pychat fingerprint".to_vec()]), Some(0));
    assert_eq!(memory_holds(own, &needles), Some(3), "a daemon knows its own key");

    run(&bob, &["disconnect"]);
    send(&alice, "bob", TEXT, "accepted");
    look("while it waits for bob");
    connect(&bob, "X", &stage.server.link_via(proxy.address()));
    assert_eq!(received(&bob, "alice", 1), [TEXT]);
    send(&bob, "alice", ANSWER, "delivered");
    assert_eq!(received(&alice, "bob", 1), [ANSWER]);
    look("after all was delivered");

    // Nor do the daemons' databases hold their secret keys as they are.
    for profile in [&alice, &bob] {
        let key = identity(profile);
        let database = fs::read(profile.state().join("pychat.db")).expect("a database");
        assert_eq!(find(&database, &[key]), None);
        assert_eq!(
            find(&database, &[b"diffie_hellman_key".to_vec(), b"receiving_chains".to_vec()]),
            None
        );
    }
}

#[test]
fn two_people_see_one_safety_number_and_a_code_marks_verified() {
    let stage = Stage::new();
    let (alice, bob) = stage.pair();
    let first = alice.ctl_json(&["verify", "bob"]);
    let other = bob.ctl_json(&["verify", "alice"]);
    assert_eq!(first["safety_number"], other["safety_number"]);
    assert_eq!(first["state"], "pinned");
    let code = other["safety_number"].as_str().expect("a number");
    let verified = alice.ctl_json(&["verify", "bob", "--code", code]);
    assert_eq!((&verified["matches"], &verified["state"]), (&true.into(), &"verified".into()));
    let contacts = alice.ctl_json(&["contacts"]);
    assert_eq!(contacts["items"][0]["state"], "verified");
    assert_eq!(alice.ctl(&["verify", "bob", "--code", &"0".repeat(60)]).code, 7);
}

#[test]
fn a_name_that_another_key_holds_now_is_told_on_every_command() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.pair();
    send(&alice, "bob", "before", "delivered");
    assert_eq!(received(&bob, "alice", 1), ["before"]);
    run(&bob, &["daemon", "stop"]);
    // The server comes up without its mailboxes: names belong to whoever claims them next.
    stage.server.kill9();
    for entry in fs::read_dir(stage.server.data()).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().contains("mailboxes") {
            fs::remove_file(path).expect("it is ours");
        }
    }
    stage.server.restart();
    let other = Profile::new("bob");
    connect(&other, "Bob", &stage.server.link());
    assert_eq!(alice.ctl(&["send", "bob", "--wait", "accepted", "for bob"]).code, 0);
    crate::stage::until("alice is warned", crate::stage::SLOW_DEADLINE, || {
        let contacts = alice.ctl_json(&["contacts"]);
        (contacts["items"][0]["state"] == "changed").then_some(())
    });
    let held = alice.ctl(&["send", "bob", "held"]);
    assert_eq!(held.code, 7, "{held}");
    assert!(held.stderr.contains("trust"), "{held}");
    assert_eq!(alice.ctl(&["verify", "bob"]).code, 7);
    assert!(alice.ctl(&["status"]).expect_ok().contains("bob"));
    run(&alice, &["trust", "bob", "--yes"]);
    // The server had lost its memory, so that alice's daemon sent again what it still kept: bob is bob now,
    // and gets all of it.
    assert_eq!(received(&other, "alice", 3), ["before", "for bob", "held"]);
    send(&alice, "bob", "and now", "delivered");
}
