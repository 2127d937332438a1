//! Packets that need no key.

use crate::stage::survives;

#[test]
fn forged_packets_of_all_kinds_leave_honest_people_alone() {
    survives("reset-version", 50_000);
}

#[test]
fn a_server_does_not_talk_to_itself() {
    let outcome = survives("loops", 10_000);
    if outcome.starts_with("skipped") {
        println!("SKIPPED: {outcome}");
    }
}

#[test]
fn empty_datagrams_leave_honest_people_alone() {
    survives("empty", 100_000);
}
