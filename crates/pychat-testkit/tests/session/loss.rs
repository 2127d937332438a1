//! How fast things are in spite of loss, and what is sent when nothing is to be said.

use crate::{ONE_WAY, ROUND_TRIP, SECOND, connected, message};
use pychat_testkit::{
    faults::Faults,
    sim::world::{Account, Wiretap},
};
use std::time::Duration;

/// How long each of `count` lone messages took until its recipient had it, shortest first.
fn lone_messages(seed: u64, percent: f64, count: usize) -> Vec<Duration> {
    let mut world = connected(seed);
    world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(percent));
    let mut took = Vec::new();
    for number in 0..count {
        world.send_down(0, &message(number, 200));
        took.push(world.run_until(60 * SECOND, |world| world.peer(0).received().len() > number));
        world.run_for(2 * SECOND);
    }
    took.sort();
    took
}

#[test]
fn a_lone_message_takes_one_way_without_loss() {
    assert!(lone_messages(1, 0.0, 50).iter().all(|took| *took == ONE_WAY));
}

#[test]
fn most_lone_messages_take_hardly_longer_at_twenty_percent_loss() {
    let took = lone_messages(2, 20.0, 400);
    let share = |percent: usize| took[took.len() * percent / 100];
    println!(
        "p50 {:?}, p90 {:?}, p99 {:?}, all {:?}",
        share(50),
        share(90),
        share(99),
        took.last()
    );
    assert_eq!(share(50), ONE_WAY);
    assert!(share(90) <= ONE_WAY + 2 * ROUND_TRIP, "{:?}", share(90));
    assert!(share(99) <= SECOND, "{:?}", share(99));
}

#[test]
fn bulk_makes_progress_at_twenty_percent_loss() {
    let mut world = connected(3);
    world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(20.0));
    (0..1_000).for_each(|number| world.send_up(0, &message(number, 200)));
    let took = world.run_until(120 * SECOND, pychat_testkit::sim::world::World::is_settled);
    println!("1000 messages took {took:?}, {:?}", world.peer(0).stats());
    assert!(took <= 30 * SECOND, "{took:?}");
}

#[test]
fn an_idle_session_says_next_to_nothing() {
    let mut world = connected(4);
    let wiretap = world.wiretap();
    world.run_for(600 * SECOND);
    let sent = wiretap.all();
    let bytes: usize = sent.iter().map(|sent| sent.bytes.len()).sum();
    // A keep-alive each 25 seconds and its answer.
    assert!((40..=60).contains(&sent.len()), "{} datagrams in ten minutes", sent.len());
    assert!(bytes <= sent.len() * 64, "{bytes} bytes in {} datagrams", sent.len());
}

#[test]
fn nothing_is_sent_twice_where_nothing_is_lost() {
    let mut world = connected(5);
    let wiretap = world.wiretap();
    for number in 0..100 {
        world.send_up(0, &message(number, 200));
        world.run_for(SECOND / 2);
    }
    assert_eq!(world.peer(0).stats().retransmitted, 0, "{:?}", world.peer(0).stats());
    assert_eq!(world.peer(0).stats().lost, 0);
    // A message, its commit, the commit's acknowledgement.
    assert!(wiretap.count(Wiretap::DATA) <= 330, "{} datagrams", wiretap.count(Wiretap::DATA));
}

#[test]
fn a_listener_who_is_told_of_others_still_gets_texts_at_forty_percent_loss() {
    let mut took = Vec::new();
    for seed in 1..=40 {
        let mut world = connected(seed);
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(40.0));
        for _ in 0..30 {
            let session = world.account(0).and_then(Account::session).unwrap();
            world.with_relay(|relay, now| relay.endpoint().note(now, session, b"somebody came"));
            world.run_for(SECOND);
        }
        world.send_down(0, &message(0, 200));
        took.push(world.run_until(60 * SECOND, |world| world.peer(0).received().len() == 1));
    }
    took.sort();
    println!("{took:?}");
    assert!(took[39] <= 3 * SECOND, "{:?}", took[39]);
}
