//! A minute of the cluster's fault test, as part of the ordinary tests. The programs must be built first
//! (`cargo build --workspace`), and `nats-server` be there (`cargo xtask fetch-nats`). Takes root, for network
//! namespaces.

#![cfg(target_os = "linux")]

use pychat_testkit::harness::nats;
use pychat_torture::cluster::run::{self, Settings};
use std::{path::Path, time::Duration};

/// Its first rounds hold a kill and a stop of one of each kind, a node cut from NATS, and NATS cut in two.
const SEED: u64 = 0;
const ROUNDS: u64 = 3;

#[test]
fn nothing_is_lost_doubled_or_reordered_while_a_cluster_fails() {
    if let Err(why) = run::is_possible() {
        println!("SKIPPED: {why}");
        return;
    }
    let checker = Path::new(env!("CARGO_BIN_EXE_pychat-torture-check"));
    let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join("torture-cluster");
    println!("seed {SEED}; everything is kept in {}", keep.display());
    let report = run::run(&Settings {
        programs: checker.parent().expect("a program lies in a directory").to_owned(),
        checker: checker.to_owned(),
        nats: nats::program(),
        place: keep,
        seed: SEED,
        first: 0,
        rounds: ROUNDS,
        round: Duration::from_secs(14),
        people: 10,
        texts: 300,
    })
    .expect("the run can be carried out");
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.histories.sent >= 300, "{report}");
    assert_eq!(report.costs.values().map(|cost| cost.times).sum::<u64>(), 2 * ROUNDS, "{report}");
    // Whoever was hit is back, or nobody was there.
    let hit = report.costs.values().map(|cost| cost.sends_again.len()).sum::<usize>();
    assert!(hit > 0, "{report}");
}
