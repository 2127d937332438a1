//! Every program is killed the hard way, again and again, while people talk over a bad network.

use crate::stage::{DEADLINE, SLOW_DEADLINE, Stage, connect, received, run, seed, until};
use pychat_testkit::{
    dice::Dice,
    faults::Faults,
    harness::{Profile, kill9_and_wait},
    proxy::Proxy,
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// Messages each way.
const MESSAGES: u64 = 1_000;

/// Programs killed, in all.
const KILLS: u64 = 50;

/// How often a command is typed again because a kill hit it.
const TRIES_MAX: usize = 10;

#[test]
fn nothing_is_lost_doubled_or_reordered_while_all_programs_are_killed() {
    let seed = seed(20);
    let mut stage = Stage::new();
    let proxy = Proxy::start(stage.server.address(), seed).expect("a proxy can be started");
    let link = stage.server.link_via(proxy.address());
    let (alice, bob) = (Profile::new("alice"), Profile::new("bob"));
    connect(&alice, "Alice", &link);
    connect(&bob, "Bob", &link);
    proxy.set_all_faults(Faults::NONE.losing(20.0));

    let said = AtomicU64::new(0);
    let mut killed = [0; 3];
    thread::scope(|scope| {
        scope.spawn(|| talk(&alice, "bob", &said));
        scope.spawn(|| talk(&bob, "alice", &said));
        let mut dice = Dice::new(seed);
        let stride = 2 * MESSAGES / KILLS;
        for round in 0..KILLS {
            let moment = round * stride + dice.below(stride);
            until("people talk on", DEADLINE * 2, || {
                (said.load(Ordering::Relaxed) >= moment).then_some(())
            });
            let victim = dice.below(3);
            match victim {
                0 => stage.server.restart(),
                1 => kill_daemon(&alice),
                _ => kill_daemon(&bob),
            }
            killed[usize::try_from(victim).expect("it is below 3")] += 1;
        }
    });
    // The last kill may have come after the last word.
    for profile in [&alice, &bob] {
        run(profile, &["daemon", "start"]);
    }
    for (reader, writer) in [(&alice, "bob"), (&bob, "alice")] {
        let expected: Vec<String> = (0..MESSAGES).map(|number| text(writer, number)).collect();
        let texts = received(reader, writer, expected.len());
        assert_eq!(texts, expected, "what {} has from {writer}", reader.name());
        wait_for_receipts(reader);
    }
    println!("killed: server {}, alice {}, bob {}", killed[0], killed[1], killed[2]);
    assert!(killed.iter().all(|times| *times > 0), "{killed:?}");
    assert!(proxy.counts().to_server.lost > 100, "{:?}", proxy.counts());
}

fn text(writer: &str, number: u64) -> String {
    format!("{writer} says {number}")
}

/// Says one text after the other; what a kill cuts off is said again.
fn talk(profile: &Profile, peer: &str, said: &AtomicU64) {
    for number in 0..MESSAGES {
        let (text, key) = (text(profile.name(), number), format!("{number}"));
        let arguments = ["send", peer, &text, "--wait", "queued", "--id", &key];
        let mut outputs = Vec::new();
        loop {
            let output = profile.ctl(&arguments);
            if output.code == 0 {
                break;
            }
            // The daemon was killed while it started, or several times in a row.
            assert_eq!(output.code, 3, "{output}");
            outputs.push(output);
            assert!(outputs.len() < TRIES_MAX, "{outputs:#?}");
        }
        said.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until the writer knows that each text is safe with its reader: no receipt was lost either.
fn wait_for_receipts(writer: &Profile) {
    until(&format!("{} knows that all arrived", writer.name()), SLOW_DEADLINE, || {
        let history = writer.ctl_json(&["history", "-n", "10000"]);
        let mut sent = history["items"].as_array()?.iter().filter(|it| it["from"] == writer.name());
        sent.all(|message| message["state"] == "delivered").then_some(())
    });
}

/// Kills the daemon. Where the last kill left none and nobody talks any more, one is started.
fn kill_daemon(profile: &Profile) {
    let what = format!("{} has a daemon", profile.name());
    let daemon = until(&what, DEADLINE, || {
        profile.daemon_pid().or_else(|| {
            run(profile, &["daemon", "start"]);
            profile.daemon_pid()
        })
    });
    kill9_and_wait(daemon);
}
