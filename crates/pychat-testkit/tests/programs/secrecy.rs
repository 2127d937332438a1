//! What others see: nothing on the wire, nothing in the logs, and nothing that they alter counts.

use crate::stage::{DEADLINE, Stage, connect, received, run, seed, send, until};
use pychat_testkit::{
    dice::Chance,
    faults::Faults,
    harness::Profile,
    proxy::{Direction, Proxy},
};
use std::{fs, path::Path, process::Stdio};

const TEXT: &str = "Zaphod meets Trillian at noon";
const NAMES: [&str; 2] = ["Zaphod Beeblebrox", "Tricia McMillan"];

/// How a text may show itself in a log: as it is, and as Rust shows bytes.
fn disguises(text: &str) -> [String; 3] {
    let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    [text.to_owned(), bytes.join(", "), hex]
}

fn assert_hides(log: &str, secrets: &[&str]) {
    for disguise in secrets.iter().flat_map(|secret| disguises(secret)) {
        assert!(!log.contains(&disguise), "the log tells {disguise:?}:\n{log}");
    }
}

/// All that a daemon logged.
fn log_of(profile: &Profile) -> String {
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).expect("a log")).into_owned();
    let files = fs::read_dir(profile.state().join("log")).expect("there are logs");
    files.map(|file| read(&file.expect("an entry").path())).collect()
}

/// Starts the daemon with everything in its log.
fn start_talkative(profile: &Profile) {
    let mut command = profile.command(&["daemon", "start"]);
    command.env("PYCHAT_LOG", "trace").stdout(Stdio::null());
    assert!(command.status().expect("it can be run").success());
}

#[test]
fn neither_the_wire_nor_any_log_tells_texts_or_names() {
    let seed = seed(5);
    let stage = Stage::with_arguments(&["--log", "trace"]);
    let proxy = Proxy::start(stage.server.address(), seed).expect("a proxy can be started");
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    for (profile, name) in [(&alice, NAMES[0]), (&bob, NAMES[1])] {
        start_talkative(profile);
        connect(profile, name, &stage.server.link_via(proxy.address()));
    }
    send(&alice, "bob", TEXT, "delivered");
    run(&bob, &["users"]);
    assert!(bob.ctl(&["inbox"]).expect_ok().contains(TEXT));

    let secrets = [TEXT, NAMES[0], NAMES[1]];
    let capture = proxy.capture();
    assert!(capture.datagrams.len() > 10, "{} datagrams", capture.datagrams.len());
    for secret in secrets.iter().chain(&["alice"]) {
        assert!(!capture.finds(secret.as_bytes()), "the wire tells {secret:?}");
    }
    for profile in [&alice, &bob] {
        let log = log_of(profile);
        assert!(log.contains("the daemon is ready"), "{log}");
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
        assert_hides(&log, &secrets);
    }
    assert!(stage.server.log().contains("ready on"));
    assert_hides(&stage.server.log(), &secrets);
    // What people keep on their own disks is theirs to read.
    assert!(alice.ctl(&["history"]).expect_ok().contains(TEXT));
}

#[test]
fn datagrams_altered_on_their_way_change_nothing() {
    let seed = seed(6);
    let stage = Stage::new();
    let proxy = Proxy::start(stage.server.address(), seed).expect("a proxy can be started");
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    for profile in [&alice, &bob] {
        connect(profile, "X", &stage.server.link_via(proxy.address()));
    }
    send(&alice, "bob", "0", "delivered");

    // Every datagram has one bit flipped: none counts.
    proxy.set_all_faults(Faults { corruption: Chance::ALWAYS, ..Faults::NONE });
    for number in 1..=20 {
        send(&alice, "bob", &number.to_string(), "queued");
    }
    until("enough is altered", DEADLINE, || {
        (proxy.counts().to_server.corrupted >= 30).then_some(())
    });
    assert_eq!(received(&bob, "alice", 1), ["0"]);
    assert_eq!(alice.ctl_json(&["status"])["queued"], 20);

    // Each one comes twice, and half of all copies are altered.
    let faults =
        Faults { corruption: Chance::percent(50.0), duplication: Chance::ALWAYS, ..Faults::NONE };
    proxy.set_all_faults(faults);
    for number in 21..=60 {
        send(&alice, "bob", &number.to_string(), "queued");
    }
    let expected: Vec<String> = (0..=60).map(|number| number.to_string()).collect();
    assert_eq!(received(&bob, "alice", expected.len()), expected);
    assert!(proxy.counts().to_client.corrupted > 20, "{:?}", proxy.counts());

    proxy.set_faults(Direction::ToServer, Faults::NONE);
    proxy.set_faults(Direction::ToClient, Faults::NONE);
    send(&bob, "alice", "all of it", "delivered");
    assert_eq!(received(&alice, "bob", 1), ["all of it"]);
    assert_eq!(received(&bob, "alice", expected.len()), expected);
}
