//! A checker that cannot fail is worthless: each promise is broken on purpose, and the simulation has
//! to notice it within [`SEEDS`] seeds.

use pychat_proto::sabotage::{Sabotage, break_promise};
use pychat_sim::{Plan, World};
use std::panic::catch_unwind;

/// Seeds within which each broken promise is noticed.
const SEEDS: u64 = 2_000;

/// Plays seeds until one fails; its complaint must contain `complaint`.
fn is_noticed(sabotage: Sabotage, complaints: &[&str]) {
    break_promise(Some(sabotage));
    for seed in 0..SEEDS {
        let Err(panic) = catch_unwind(|| World::run(seed, Plan::default())) else { continue };
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        println!("{sabotage:?} is noticed at seed {seed}: {text}");
        assert!(
            complaints.iter().any(|complaint| text.contains(complaint)),
            "noticed for another reason"
        );
        return;
    }
    panic!("{sabotage:?} is not noticed within {SEEDS} seeds");
}

#[test]
fn without_deduplication_texts_are_doubled() {
    is_noticed(Sabotage::DropDedup, &["arrived"]);
}

#[test]
fn with_commits_before_the_sync_people_are_told_what_is_not_true() {
    is_noticed(
        Sabotage::CommitBeforeSync,
        &["is not on disk", "does not open", "arrived", "keys are taken", "handed out twice"],
    );
}

#[test]
fn with_cursors_that_are_used_again_texts_are_lost() {
    is_noticed(Sabotage::ReuseCursors, &["arrived", "does not open", "is not on disk"]);
}

#[test]
fn without_the_replay_window_packets_are_taken_twice() {
    is_noticed(Sabotage::SkipReplayWindow, &["packets were taken"]);
}

#[test]
fn with_trust_in_a_log_that_was_not_synced_people_are_told_what_is_not_true() {
    is_noticed(
        Sabotage::TrustLeftLog,
        &["is not on disk", "arrived", "keys are taken", "handed out twice"],
    );
}

#[test]
fn with_one_time_keys_that_stay_one_is_handed_out_twice() {
    is_noticed(Sabotage::KeepPrekeys, &["handed out twice"]);
}

#[test]
fn with_nothing_broken_the_same_seeds_pass() {
    break_promise(None);
    for seed in 0..20 {
        let _outcome = World::run(seed, Plan::default());
    }
}
