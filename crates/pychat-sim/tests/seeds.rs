//! Many seeds: what is acknowledged arrives once and in order, whatever goes wrong.

use pychat_sim::{Outcome, Plan, World};

/// Seeds of each test; the four make 2,000.
const SEEDS: u64 = 500;

fn play(from: u64) {
    // A failing seed says so itself; it alone can be played with PYCHAT_SIM_SEED.
    let seeds = match std::env::var("PYCHAT_SIM_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("PYCHAT_SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => from..from + SEEDS,
    };
    let mut total = Outcome::default();
    for seed in seeds {
        total += World::run(seed, Plan::default());
    }
    println!("from seed {from}: {total:?}");
    assert!(total.texts > 0 && total.power_cuts > 0, "something did happen");
}

#[test]
fn what_is_acknowledged_arrives_once_and_in_order_seeds_0_to_499() {
    play(0);
}

#[test]
fn what_is_acknowledged_arrives_once_and_in_order_seeds_500_to_999() {
    play(500);
}

#[test]
fn what_is_acknowledged_arrives_once_and_in_order_seeds_1000_to_1499() {
    play(1000);
}

#[test]
fn what_is_acknowledged_arrives_once_and_in_order_seeds_1500_to_1999() {
    play(1500);
}

#[test]
fn the_same_seed_plays_the_same() {
    let plan = Plan::default();
    assert_eq!(World::run(7, plan), World::run(7, plan));
}
