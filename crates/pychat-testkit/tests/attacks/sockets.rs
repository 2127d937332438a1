//! A program of the same user that misuses the daemon's control socket. Nobody else gets that far: the
//! daemon asks the kernel who is there.

use crate::stage::GROWTH_BYTES_MAX;
use pychat_attack::{
    Attack, Daemon, Gauge, Talker,
    attacks::{Manners, QUESTIONS, Questions, SlowLoris},
    drive, percentile,
};
use pychat_testkit::harness::Programs;
use std::time::Duration;

/// How long slow clients hold on: longer than the daemon waits for a hello.
const SLOW_FOR: Duration = Duration::from_secs(7);

/// Runs an attack beside a client that asks all the time, and then lets somebody new in.
fn survives(
    daemon: &Daemon,
    name: &str,
    attack: &mut dyn Attack,
    until: impl Fn(u64, Duration) -> bool,
) {
    let talker = Talker::start(daemon);
    let gauge = Gauge::of(daemon.pid());
    let before = gauge.read();
    let driven = drive(attack, 0, until);
    let during = gauge.read();
    let outcome = attack.outcome().unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let output = daemon.profile().ctl(&["status"]);
    assert_eq!(output.code, 0, "{name}: somebody new is not let in after it: {output}");
    let answers: Vec<Duration> = talker.finish().iter().map(|(_, took)| *took).collect();
    let after = gauge.read();
    println!(
        "{name}: {} a second; {outcome}; daemon {} KiB before, {} during, {} after, CPU {:?}; p99 {:?}",
        driven.per_s(),
        before.rss_bytes >> 10,
        during.rss_bytes >> 10,
        after.rss_bytes >> 10,
        after.cpu - before.cpu,
        percentile(&answers, 99.0),
    );
    let growth = during.rss_bytes.max(after.rss_bytes).saturating_sub(before.rss_bytes);
    assert!(growth <= GROWTH_BYTES_MAX, "{name}: the daemon grew by {growth} bytes");
}

#[test]
fn clients_that_never_say_hello_keep_nobody_out() {
    let daemon = Daemon::start(&Programs::find());
    let mut attack = SlowLoris::new(&daemon, Manners::Strange);
    survives(&daemon, "slow strangers", &mut attack, |_, took| took >= SLOW_FOR);
    assert!(attack.ended > 0, "those who say no hello are sent away");
}

#[test]
fn clients_that_never_end_a_request_leave_others_alone() {
    let daemon = Daemon::start(&Programs::find());
    let mut attack = SlowLoris::new(&daemon, Manners::Greeted);
    survives(&daemon, "slow clients", &mut attack, |_, took| took >= SLOW_FOR / 3);
}

#[test]
fn somebody_new_gets_in_while_slow_clients_hold_every_connection() {
    for manners in [Manners::Strange, Manners::Greeted] {
        let daemon = Daemon::start(&Programs::find());
        let mut attack = SlowLoris::new(&daemon, manners);
        drive(&mut attack, 0, |_, took| took >= Duration::from_millis(200));
        let output = daemon.profile().ctl(&["status"]);
        assert_eq!(output.code, 0, "{manners:?}: {output}");
    }
}

#[test]
fn a_hundred_thousand_questions_of_somebody_who_reads_no_answer_leave_others_alone() {
    let daemon = Daemon::start(&Programs::find());
    let mut attack = Questions::new(&daemon);
    // They are taken only as far as the socket's buffers hold them; a reader who does not read is cut.
    let enough = |count, took| count >= QUESTIONS || took >= Duration::from_secs(12);
    survives(&daemon, "questions", &mut attack, enough);
}
