//! What every attack runs on: a server, honest pairs, the attacker, and a look at the server after it.

use pychat_attack::{
    Chatter, Gauge, Target, Used,
    attacks::{self, Kind},
    drive, measure, percentile,
};
use pychat_testkit::harness::{Options, Server};
use std::{
    thread,
    time::{Duration, Instant},
};

/// An attack may make a server larger by this much: its bounded tables and queues.
pub(crate) const GROWTH_BYTES_MAX: u64 = 24 << 20;

/// An attack in small does not take longer, whatever it counts.
const ATTACK_TIME_MAX: Duration = Duration::from_secs(20);

/// Honest people go on during an attack: somebody is answered within this time.
const PROGRESS_DEADLINE: Duration = Duration::from_secs(20);

const PAIRS: usize = 2;
const TALKS_PER_S: u64 = 40;
const SEED: u64 = 20_261_122;

/// Runs the attack of this name until it has done `count` things, and checks the server.
pub(crate) fn survives(name: &str, count: u64) -> String {
    survives_with(name, count, GROWTH_BYTES_MAX)
}

/// The same with another bound on memory.
pub(crate) fn survives_with(name: &str, count: u64, growth_bytes_max: u64) -> String {
    println!("seed {SEED}");
    let kind = attacks::named(name).expect("an attack of this name");
    let server = Server::start(&Options::default());
    let target = Target::of(&server);
    let chatter = Chatter::start(&target, PAIRS, TALKS_PER_S, SEED);
    let mut attack = (kind.begin)(&target, SEED);
    let gauge = Gauge::of(target.pid);
    let before = gauge.read();
    let answered = chatter.answered();
    let driven =
        drive(attack.as_mut(), kind.per_s, |done, took| done >= count || took >= ATTACK_TIME_MAX);
    let during = gauge.read();
    progresses(&chatter, answered);
    let outcome = attack.outcome().unwrap_or_else(|fault| panic!("{name}: {fault}"));
    drop(attack);
    let newcomer = measure::log_in(&target, "newcomer", SEED + 1);
    let talks: Vec<Duration> = chatter.finish().iter().map(|talk| talk.took).collect();
    let after = gauge.read();
    tell(kind, driven.per_s(), [before, during, after], percentile(&talks, 99.0), newcomer);
    println!("{name}: {outcome}");
    let most = during.rss_bytes.max(after.rss_bytes);
    let growth = most.saturating_sub(before.rss_bytes);
    assert!(growth <= growth_bytes_max, "{name}: the server grew by {growth} bytes");
    outcome
}

/// Somebody is answered from now on.
fn progresses(chatter: &Chatter, before: u64) {
    let end = Instant::now() + PROGRESS_DEADLINE;
    while chatter.answered() <= before {
        assert!(Instant::now() < end, "nobody is answered during the attack");
        thread::sleep(Duration::from_millis(5));
    }
}

fn tell(kind: &Kind, per_s: u64, used: [Used; 3], p99: Duration, newcomer: Duration) {
    let [before, during, after] = used;
    let kib = |used: Used| used.rss_bytes >> 10;
    println!(
        "{}: {per_s} {}/s; server {} KiB before, {} during, {} after, CPU {:?}; p99 {p99:?}; a new \
         login {newcomer:?}",
        kind.name,
        kind.counts,
        kib(before),
        kib(during),
        kib(after),
        after.cpu - before.cpu,
    );
}
