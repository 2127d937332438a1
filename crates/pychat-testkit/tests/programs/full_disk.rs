//! A disk without room: a small file system under the daemon's state directory.

use crate::{
    metrics::Watcher,
    stage::{DEADLINE, Stage, assert_refused, connect, received, run, send, until},
};
use pychat_testkit::harness::{Output, Profile, Server};
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// Room for a database with its journal, and not much more.
const DISK_BYTES: u64 = 2 << 20;

/// A mounted file system; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it at `place`, where that is possible.
    fn mount(place: &Path) -> Option<Self> {
        fs::create_dir_all(place).expect("a directory can be made");
        let options = format!("size={DISK_BYTES},mode=0700");
        let mut command = Command::new("mount");
        let mounted = command.args(["-t", "tmpfs", "-o", &options, "pychat"]).arg(place).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(place.to_owned())),
            Ok(output) => {
                println!("skipped: no mount: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                println!("skipped: no mount: {error}");
                None
            }
        }
    }

    /// Mounts it under a server's data, which begins anew there.
    fn under(server: &mut Server) -> Option<Self> {
        server.kill9();
        let disk = Self::mount(server.data())?;
        server.restart();
        Some(disk)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let file = OpenOptions::new().create(true).append(true).open(self.filler());
        let mut file: File = file.expect("a file can be made");
        for bytes in [65_536, 4_096, 1] {
            let block = vec![0; bytes];
            loop {
                match file.write(&block) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("the filler is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The daemon may still be there: it keeps what it has open.
        let _left_behind = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_heals_by_itself() {
    let stage = Stage::new();
    let bob = stage.join("bob", "Bob");
    let alice = Profile::new("alice");
    let Some(disk) = SmallDisk::mount(&alice.state()) else { return };
    connect(&alice, "Alice", &stage.server.link());
    send(&alice, "bob", "before", "delivered");
    let daemon = alice.daemon_pid();

    disk.fill();
    // What has room in the journal's file is still kept; then there is none.
    let mut kept = vec!["before".to_owned()];
    let refused = loop {
        let text = format!("{} {}", kept.len(), "x".repeat(30_000));
        let output = alice.ctl(&["send", "bob", &text, "--wait", "queued"]);
        if output.code != 0 {
            break output;
        }
        kept.push(text);
        assert!(kept.len() < 200, "the disk never gets full");
    };
    assert_refused(&refused, 8, &["the disk is full", "not kept", "hint: free some space"]);
    send(&bob, "alice", "can you read this?", "accepted");
    let status = alice.ctl(&["status"]);
    assert_eq!(status.code, 0, "{status}");
    assert!(status.stdout.contains("the disk is full"), "{status}");

    disk.make_room();
    let id = until("the daemon notices the room", DEADLINE, || {
        let output = alice.ctl(&["--quiet", "send", "bob", "after", "--id", "after"]);
        (output.code == 0).then_some(output.stdout)
    });
    assert!(!id.trim().is_empty());
    kept.push("after".into());
    assert_eq!(received(&bob, "alice", kept.len()), kept);
    assert_eq!(received(&alice, "bob", 1), ["can you read this?"]);
    assert_eq!(alice.daemon_pid(), daemon, "without a restart");
}

#[test]
fn a_daemon_that_finds_its_disk_full_at_the_start_says_so_and_starts_once_there_is_room() {
    let stage = Stage::new();
    let bob = stage.join("bob", "Bob");
    let alice = Profile::new("alice");
    let Some(disk) = SmallDisk::mount(&alice.state()) else { return };
    connect(&alice, "Alice", &stage.server.link());
    send(&alice, "bob", "before", "delivered");
    alice.kill_daemon9();
    disk.fill();
    let refused = alice.ctl(&["send", "bob", "lost?", "--id", "k"]);
    let words = ["No space left", "the message was not kept", "hint: free some space"];
    assert_refused(&refused, 3, &words);
    disk.make_room();
    run(&alice, &["send", "bob", "after", "--id", "k"]);
    assert_eq!(received(&bob, "alice", 2), ["before", "after"]);
}

/// Sends to bob, who has "0" already, until the server's disk takes no more: all that was sent, and what
/// the last try said.
fn send_until_stuck(alice: &Profile) -> (Vec<String>, Output) {
    let mut sent = vec!["0".to_owned()];
    loop {
        let text = format!("{} {}", sent.len(), "x".repeat(30_000));
        let output = alice.ctl(&["send", "bob", &text, "--timeout", "1s"]);
        sent.push(text);
        if output.code != 0 {
            return (sent, output);
        }
        assert!(sent.len() < 200, "the disk never gets full");
    }
}

#[test]
fn a_server_with_a_full_disk_keeps_what_it_accepted_and_heals_by_itself() {
    let mut stage = Stage::with_arguments(&["--metrics", "127.0.0.1:0"]);
    let Some(disk) = SmallDisk::under(&mut stage.server) else { return };
    let watcher = Watcher::of(&stage.server);
    let health = || {
        let answer = watcher.ask("GET", "/healthz");
        (answer.status, answer.body)
    };
    assert_eq!(health(), (200, "ok\n".to_owned()));
    let (alice, bob) = stage.pair();
    // What comes for him stays on the server's disk.
    run(&bob, &["disconnect"]);
    send(&alice, "bob", "0", "accepted");

    disk.fill();
    let (mut sent, stuck) = send_until_stuck(&alice);
    assert_eq!(stuck.code, 6, "{stuck}");
    assert!(stuck.stderr.contains("the message is queued"), "{stuck}");
    assert!(stuck.stderr.contains("the server cannot store messages"), "{stuck}");
    assert!(stuck.stderr.contains("its disk may be full"), "{stuck}");
    let status = alice.ctl(&["status"]);
    assert!(status.stdout.contains("the server cannot store messages"), "{status}");
    for number in 0..3 {
        let text = format!("still full {number}");
        send(&alice, "bob", &text, "queued");
        sent.push(text);
    }
    let server = stage.server.pid();
    assert!(stage.server.log().contains("full"), "{}", stage.server.log());
    // It serves what needs no disk, and says how it is.
    run(&alice, &["users"]);
    let (status, why) = health();
    assert!(status == 503 && why.starts_with("the store fails: "), "{status} {why}");
    let scraped = watcher.scrape();
    assert_eq!(scraped.of("pychat_store_failing"), 1.0);
    assert!(scraped.of("pychat_commits_failed_total") > 0.0);

    disk.make_room();
    send(&alice, "bob", "room again", "accepted");
    assert_eq!(health(), (200, "ok\n".to_owned()));
    assert_eq!(watcher.scrape().of("pychat_store_failing"), 0.0);
    sent.push("room again".into());
    assert_eq!(stage.server.pid(), server, "without a restart");
    assert_eq!(alice.ctl_json(&["status"]).get("last_error"), None);
    run(&bob, &["connect", "bob", "Bob"]);
    assert_eq!(received(&bob, "alice", sent.len()), sent);
}

#[test]
fn a_server_killed_on_its_full_disk_lost_nothing_that_it_accepted() {
    let mut stage = Stage::new();
    let Some(disk) = SmallDisk::under(&mut stage.server) else { return };
    let (alice, bob) = stage.pair();
    run(&bob, &["disconnect"]);
    send(&alice, "bob", "0", "accepted");
    disk.fill();
    let (sent, _) = send_until_stuck(&alice);
    stage.server.kill9();
    disk.make_room();
    stage.server.restart();
    run(&bob, &["connect", "bob", "Bob"]);
    assert_eq!(received(&bob, "alice", sent.len()), sent);
}
