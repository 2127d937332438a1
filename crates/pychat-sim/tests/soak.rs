//! A day of the server in little: nothing grows. `cargo xtask soak` plays a thousand people.

use pychat_sim::soak::{self, Growth, Plan};
use std::{path::Path, time::Duration};
use tempfile::TempDir;

/// A tenth of the people of a whole soak, who write seven times as much.
#[test]
fn nothing_grows_in_a_day_of_a_hundred_people_who_come_and_go() {
    let seed = std::env::var("PYCHAT_SIM_SEED").ok();
    let seed = seed.map_or(1, |seed| seed.parse().expect("PYCHAT_SIM_SEED is a number"));
    println!("seed {seed}");
    let plan = Plan { seed, people: 100, hours: 24, between_texts: Duration::from_secs(180) };
    let outcome = soak::run(plan, directory().path(), |_, _| {});
    println!("{:#?}, {} datagrams", outcome.tally, outcome.datagrams);
    outcome.growth.iter().for_each(|growth| println!("{growth:?}"));
    let leaks: Vec<&Growth> = outcome.growth.iter().filter(|it| it.is_a_leak()).collect();
    assert!(leaks.is_empty(), "seed {seed}: {leaks:#?}");
    assert!(outcome.tally.read > 10_000, "something did happen");
}

/// In memory where that can be had: a disk that is slow to sync takes minutes for a day of commits, and
/// files are as large there as here.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let there = tempfile::tempdir_in(memory);
    there.or_else(|_| tempfile::tempdir()).expect("a temporary directory can be made")
}
