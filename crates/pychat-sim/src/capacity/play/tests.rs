//! Facts about whole runs.

use super::{Phase, Plan, play};
use crate::capacity::{Model, report};

fn plan(seed: u64) -> Plan {
    Plan { seed, users: 200_000, seconds: [20, 35] }
}

#[test]
fn each_text_is_delivered_or_waits_for_who_is_away() {
    let outcome = play(plan(1));
    assert!(outcome.generated > 10_000, "{}", outcome.generated);
    assert_eq!(outcome.generated, outcome.delivered + outcome.waiting);
    assert!(outcome.waiting > 0);
    let Phase { texts, away, first, within, across, .. } = outcome.well;
    assert_eq!(texts.total, away + first + within + across);
}

#[test]
fn a_seed_is_played_the_same_again() {
    let told = |seed| report(&Model::of(200_000), &play(plan(seed)));
    assert_eq!(told(1), told(1));
    assert_ne!(told(1), told(2));
}

#[test]
fn whose_node_dies_is_back_within_half_a_minute() {
    let outcome = play(plan(1));
    let came = outcome.death.logins.total as usize;
    assert!((outcome.bereft..outcome.bereft + 2_000).contains(&came), "{came}");
    assert!(outcome.death.first > 0 && outcome.death.held > 0);
}
