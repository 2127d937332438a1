//! Half a minute of the crash loops, as part of the ordinary tests. The programs must be built
//! first: `cargo build --workspace`.

#![cfg(target_os = "linux")]

use pychat_torture::{
    plan::Rates,
    run::{self, Settings},
};
use std::{path::Path, time::Duration};

/// Its schedule has at least one mishap of each kind. Another one shows what the schedule is worth,
/// but may lack a kind.
const SEED: u64 = 1;

#[test]
fn nothing_is_lost_doubled_or_reordered_while_programs_disks_and_clocks_fail() {
    let checker = Path::new(env!("CARGO_BIN_EXE_pychat-torture-check"));
    let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join("torture-short");
    println!("seed {SEED}; everything is kept in {}", keep.display());
    let report = run::run(&Settings {
        programs: checker.parent().expect("a program lies in a directory").to_owned(),
        checker: checker.to_owned(),
        place: keep,
        seed: SEED,
        rounds: 1,
        round: Duration::from_secs(22),
        rates: Rates::SHORT,
    })
    .expect("the run can be carried out");
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.histories.sent >= 100, "{report}");
    let done = &report.done;
    assert!(done.killed_servers >= 1 && done.killed_daemons >= 1 && done.killed_commands >= 1);
    assert!(done.kills() >= 8 && done.freezes >= 1 && done.restarts >= 1);
    let skipped = |what: &str| report.skipped.iter().any(|line| line.starts_with(what));
    assert!(done.full_disks >= 1 || skipped("full disks"), "{report}");
    assert!(done.failed_calls >= 1 || skipped("failing calls"), "{report}");
    if !skipped("clock steps") {
        assert!(done.clock_steps >= 1, "{report}");
        // A clock that was stepped shows in the messages sent by it.
        assert!(report.clock_felt >= Duration::from_secs(3_000), "{report}");
    }
}
