//! Messages arrive exactly once and in order, whatever the network does to datagrams. (The world
//! itself panics where one is doubled, skipped or out of order.)

use crate::{ONE_WAY, SECOND, connected, message, world};
use pychat_proto::{ClientEvent, MESSAGE_BYTES_MAX, RECORD_WINDOW, RefuseCode, Seq};
use pychat_testkit::{
    dice::Chance,
    faults::{Faults, Loss},
    sim::world::{REFUSED_PREFIX, Sent, World},
};
use std::time::Duration;

const SEEDS: std::ops::Range<u64> = 1..6;
const SIZES: [usize; 8] = [1, 60, 200, 1_000, 1_024, 1_025, 5_000, MESSAGE_BYTES_MAX - 8];

/// Sends messages of all sizes both ways between two clients and the server, some at once and some
/// over time, until everything has arrived.
fn exchange(world: &mut World) -> Duration {
    let clients = [world.join(), world.join()];
    for round in 0..40 {
        for client in clients {
            let size = SIZES[round % SIZES.len()];
            world.send_up(client, &message(round, size));
            world.send_down(client, &message(round, size));
        }
        if round % 4 == 3 {
            world.run_for(Duration::from_millis(70));
        }
    }
    let took = world.run_until(600 * SECOND, World::is_settled);
    for client in clients {
        let sent: Vec<Vec<u8>> = world.peer(client).sent().map(<[u8]>::to_vec).collect();
        assert_eq!(sent.len(), 40);
        assert_eq!(world.peer(client).received(), sent);
        assert_eq!(world.account(client).expect("it logged in").received(), sent);
    }
    took
}

fn survives(what: &str, faults: Faults) {
    for seed in SEEDS {
        let mut world = World::new(seed);
        world.network.set_all_faults(faults);
        let took = exchange(&mut world);
        println!("{what}: {took:?}, {:?}", world.network.counts());
    }
}

#[test]
fn messages_arrive_on_a_perfect_network() {
    survives("perfect", Faults::NONE);
}

#[test]
fn messages_arrive_with_delay() {
    survives("delay", Faults::delayed(Duration::from_millis(300)));
}

#[test]
fn messages_arrive_with_random_loss() {
    for percent in [1.0, 20.0, 40.0] {
        survives("loss", Faults::delayed(ONE_WAY).losing(percent));
    }
}

#[test]
fn messages_arrive_with_loss_in_bursts() {
    let loss = Loss::Bursts {
        worsen: Chance::percent(5.0),
        recover: Chance::percent(20.0),
        good: Chance::percent(1.0),
        bad: Chance::percent(90.0),
    };
    survives("bursts", Faults { loss, ..Faults::delayed(ONE_WAY) });
}

#[test]
fn messages_arrive_with_duplication() {
    survives(
        "duplication",
        Faults { duplication: Chance::percent(50.0), ..Faults::delayed(ONE_WAY) },
    );
}

#[test]
fn messages_arrive_with_reordering() {
    let faults = Faults {
        reordering: Chance::percent(30.0),
        reordering_delay: ONE_WAY,
        jitter: ONE_WAY,
        ..Faults::delayed(ONE_WAY)
    };
    survives("reordering", faults);
}

#[test]
fn messages_arrive_with_corruption() {
    survives(
        "corruption",
        Faults { corruption: Chance::percent(20.0), ..Faults::delayed(ONE_WAY) },
    );
}

#[test]
fn messages_arrive_with_everything_at_once() {
    let faults = Faults {
        jitter: Duration::from_millis(80),
        reordering: Chance::percent(10.0),
        reordering_delay: Duration::from_millis(200),
        duplication: Chance::percent(10.0),
        corruption: Chance::percent(10.0),
        ..Faults::delayed(ONE_WAY).losing(20.0)
    };
    survives("everything", faults);
}

#[test]
fn messages_wait_out_a_blackout_in_either_direction() {
    for seed in SEEDS {
        for upwards in [true, false] {
            let mut world = connected(seed);
            let (client, server) = (world.peer(0).address(), world.relay.address());
            let (from, to) = if upwards { (client, server) } else { (server, client) };
            world.network.set_faults(from, to, Faults::BLACKOUT);
            for number in 0..10 {
                world.send_up(0, &message(number, 100));
                world.send_down(0, &message(number, 100));
                world.run_for(2 * SECOND);
            }
            assert!(!world.is_settled());
            world.network.set_faults(from, to, Faults::delayed(ONE_WAY));
            let took = world.run_until(60 * SECOND, World::is_settled);
            println!("upwards {upwards}: settled after {took:?}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut world = World::new(seed);
        let wiretap = world.wiretap();
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(20.0));
        exchange(&mut world);
        // ML-KEM's keys and answers, and what is sealed after them, are drawn outside of the seed.
        let shape = |sent: Sent| (sent.at, sent.from, sent.to, sent.bytes.len(), sent.kind());
        wiretap.all().into_iter().map(shape).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn many_more_messages_than_fit_the_window_arrive() {
    let mut world = connected(1);
    let count = usize::try_from(RECORD_WINDOW).unwrap() * 4;
    for number in 0..count {
        world.send_up(0, &message(number, 10));
        world.send_down(0, &message(number, 10));
    }
    let took = world.run_until(60 * SECOND, World::is_settled);
    println!("{count} messages each way took {took:?}");
    assert_eq!(world.peer(0).received().len(), count);
}

#[test]
fn a_refused_message_is_skipped_and_those_behind_it_arrive() {
    for seed in SEEDS {
        let mut world = world(seed);
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(20.0));
        world.join();
        for number in 0..20 {
            world.send_up(0, &message(number, 100));
            if number % 5 == 2 {
                world.send_up(0, REFUSED_PREFIX);
            }
        }
        world.run_until(60 * SECOND, World::is_settled);
        let refused = [4, 10, 16, 22].map(|last| (Seq(last), RefuseCode::NoSuchUser));
        assert_eq!(world.peer(0).refused(), refused);
        assert_eq!(world.account(0).unwrap().received().len(), 20);
    }
}

#[test]
fn questions_are_answered_in_spite_of_loss() {
    for seed in SEEDS {
        let mut world = connected(seed);
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(30.0));
        let ids: Vec<u64> = (0..8_u8)
            .filter_map(|number| {
                world.with_peer(0, |peer, now| peer.client().call(now, &[number; 50]))
            })
            .collect();
        assert!(!ids.is_empty());
        let answered = |world: &World, id: u64| {
            world.peer(0).count_events(
                |event| matches!(event, ClientEvent::Reply { id: of, .. } if *of == id),
            )
        };
        world.run_until(60 * SECOND, |world| ids.iter().all(|id| answered(world, *id) > 0));
        world.run_for(10 * SECOND);
        assert!(ids.iter().all(|id| answered(&world, *id) == 1), "each answer is told once");
    }
}
