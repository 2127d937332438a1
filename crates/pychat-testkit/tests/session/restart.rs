//! Either side loses its memory and goes on from its disk.

use crate::{ONE_WAY, ROUND_TRIP, SECOND, connected, message, world};
use pychat_proto::{ClientEvent, CloseCode};
use pychat_testkit::{
    dice::Dice,
    faults::Faults,
    sim::world::{Wiretap, World},
};
use std::time::Duration;

#[test]
fn after_a_server_restart_a_client_is_back_within_two_round_trips() {
    for seed in 1..6 {
        let mut world = connected(seed);
        let wiretap = world.wiretap();
        world.restart_server();
        world.send_up(0, b"are you there?");
        let back = |event: &ClientEvent| matches!(event, ClientEvent::Connected { .. });
        let took = world.run_until(5 * SECOND, |world| world.peer(0).count_events(back) == 2);
        assert_eq!(took, 2 * ROUND_TRIP);
        assert_eq!(wiretap.count(Wiretap::RESET), 1);
        let lost = |event: &ClientEvent| {
            matches!(event, ClientEvent::Disconnected { code: CloseCode::Restarting, .. })
        };
        assert_eq!(world.peer(0).count_events(lost), 1);
        world.run_until(5 * SECOND, World::is_settled);
    }
}

#[test]
fn a_reset_is_shorter_than_what_provoked_it() {
    let mut world = connected(1);
    let wiretap = world.wiretap();
    world.restart_server();
    world.run_until(40 * SECOND, |_| wiretap.count(Wiretap::RESET) > 0);
    let provoked_by = wiretap.of_kind(Wiretap::DATA)[0].bytes.len();
    let reset = wiretap.of_kind(Wiretap::RESET)[0].bytes.len();
    assert!(reset < provoked_by, "{reset} bytes for {provoked_by}");
}

#[test]
fn a_quiet_client_finds_out_with_its_next_keep_alive() {
    let mut world = connected(2);
    world.restart_server();
    world.send_down(0, b"are you there?");
    let took = world.run_until(60 * SECOND, World::is_settled);
    assert!(took <= 28 * SECOND, "{took:?}");
}

#[test]
fn messages_survive_restarts_of_both_sides_at_any_moment() {
    for seed in 1..40 {
        let mut world = world(seed);
        let mut dice = Dice::new(seed);
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(10.0));
        (0..3).for_each(|_| {
            world.join();
        });
        for number in 0..30 {
            for id in 0..3 {
                world.send_up(id, &message(number, 1 + 700 * (number % 5)));
                world.send_down(id, &message(number, 1 + 700 * (number % 5)));
            }
            world.run_for(dice.up_to(Duration::from_millis(400)));
            match dice.below(6) {
                0 => world.restart_server(),
                1 => world.restart_client(usize::try_from(dice.below(3)).unwrap()),
                _ => {}
            }
        }
        world.run_until(120 * SECOND, World::is_settled);
        for id in 0..3 {
            assert_eq!(world.peer(id).received().len(), 30);
            assert_eq!(world.account(id).unwrap().received().len(), 30);
        }
    }
}

#[test]
fn a_client_that_restarts_resumes_from_its_disk() {
    let mut world = connected(3);
    for number in 0..300 {
        world.send_up(0, &message(number, 300));
        world.send_down(0, &message(number, 300));
    }
    world.run_for(3 * ROUND_TRIP);
    let (sent, received) = (world.peer(0).committed(), world.peer(0).received().len());
    assert!(sent.0 > 0 && received > 0 && received < 300, "in the middle: {sent}, {received}");
    world.restart_client(0);
    world.run_until(60 * SECOND, World::is_settled);
}
