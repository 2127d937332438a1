//! A client whose address changes, whose machine sleeps, whose network goes away and comes back.

use crate::{ONE_WAY, ROUND_TRIP, SECOND, connected, message};
use pychat_proto::ClientEvent;
use pychat_testkit::{
    faults::Faults,
    sim::world::{Wiretap, World},
};
use std::net::SocketAddr;

fn outside(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number], 40_000))
}

#[test]
fn a_rebind_in_the_middle_of_a_stream_needs_no_new_login() {
    for seed in 1..6 {
        for percent in [0.0, 20.0] {
            let mut world = connected(seed);
            world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(percent));
            let wiretap = world.wiretap();
            for number in 0..100 {
                world.send_up(0, &message(number, 500));
                world.send_down(0, &message(number, 500));
            }
            world.run_for(2 * ROUND_TRIP);
            world.network.rebind(world.peer(0).address(), outside(1));
            world.run_until(60 * SECOND, World::is_settled);
            assert_eq!(wiretap.count(Wiretap::INIT), 0);
            let session = world.account(0).unwrap().session().expect("it is connected");
            assert_eq!(world.relay.endpoint().remote(session), Some(outside(1)));
        }
    }
}

#[test]
fn a_rebind_each_second_loses_nothing() {
    for seed in 1..6 {
        let mut world = connected(seed);
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(10.0));
        for number in 0..20_u8 {
            world.network.rebind(world.peer(0).address(), outside(number));
            world.send_up(0, &message(number.into(), 5_000));
            world.send_down(0, &message(number.into(), 5_000));
            world.run_for(SECOND);
        }
        world.run_until(60 * SECOND, World::is_settled);
        assert_eq!(world.account(0).unwrap().confirmed(), 1);
    }
}

#[test]
fn a_message_reaches_a_rebound_silent_client_with_its_next_keep_alive() {
    let mut world = connected(1);
    world.network.rebind(world.peer(0).address(), outside(1));
    world.send_down(0, b"where are you?");
    let took = world.run_until(60 * SECOND, World::is_settled);
    assert!(took <= 28 * SECOND, "{took:?}");
    assert_eq!(world.account(0).unwrap().confirmed(), 1);
}

#[test]
fn an_address_that_never_answers_is_left_again() {
    for seed in 1..6 {
        let mut world = connected(seed);
        let wiretap = world.wiretap();
        let (client, server) = (world.peer(0).address(), world.relay.address());
        // Somebody on the way sends the client's datagram on from another address, and first.
        world.network.set_faults(client, server, Faults::BLACKOUT);
        world.send_up(0, b"caught");
        let caught = wiretap.of_kind(Wiretap::DATA)[0].bytes.clone();
        world.inject_to_server(outside(66), &caught);
        let session = world.account(0).unwrap().session().expect("it is connected");
        assert_eq!(world.relay.endpoint().remote(session), Some(outside(66)));
        world.network.set_faults(client, server, Faults::delayed(ONE_WAY));
        world.send_down(0, b"not for the thief alone");
        let took = world.run_until(30 * SECOND, World::is_settled);
        println!("back after {took:?}");
        assert_eq!(world.relay.endpoint().remote(session), Some(client));
        assert_eq!(wiretap.count(Wiretap::INIT), 0);
    }
}

#[test]
fn after_five_probes_the_client_asks_for_addresses() {
    let mut world = connected(2);
    let (client, server) = (world.peer(0).address(), world.relay.address());
    world.network.set_faults_between(client, server, Faults::BLACKOUT);
    world.send_up(0, b"anybody?");
    let asked = |event: &ClientEvent| *event == ClientEvent::NeedAddresses;
    let took = world.run_until(30 * SECOND, |world| world.peer(0).count_events(asked) > 0);
    println!("suspect after {took:?}");
    assert!(took <= 15 * SECOND, "{took:?}");
    // Back on the old path: no new login is needed.
    world.network.set_faults_between(client, server, Faults::delayed(ONE_WAY));
    let took = world.run_until(20 * SECOND, World::is_settled);
    println!("back after {took:?}");
}

#[test]
fn a_network_that_comes_back_is_used_at_once_when_the_client_is_told() {
    for seed in 1..6 {
        let mut world = connected(seed);
        let (client, server) = (world.peer(0).address(), world.relay.address());
        world.network.set_faults_between(client, server, Faults::BLACKOUT);
        world.send_up(0, b"anybody?");
        world.run_for(600 * SECOND);
        world.network.set_faults_between(client, server, Faults::delayed(ONE_WAY));
        world.with_peer(0, |peer, now| peer.client().handle_network_change(now));
        let took = world.run_until(10 * SECOND, World::is_settled);
        assert!(took <= 3 * ROUND_TRIP, "{took:?}");
    }
}

#[test]
fn without_a_hint_a_network_that_comes_back_is_found_within_the_backoff() {
    for seed in 1..6 {
        let mut world = connected(seed);
        let (client, server) = (world.peer(0).address(), world.relay.address());
        world.network.set_faults_between(client, server, Faults::BLACKOUT);
        world.send_up(0, b"anybody?");
        world.run_for(3_600 * SECOND);
        world.network.set_faults_between(client, server, Faults::delayed(ONE_WAY));
        let took = world.run_until(60 * SECOND, World::is_settled);
        assert!(took <= 37 * SECOND, "{took:?}");
    }
}

#[test]
fn a_machine_that_slept_is_back_at_once() {
    for hours in [1, 30, 24 * 60] {
        let mut world = connected(3);
        world.network.jump_clock(world.peer(0).address(), hours * 3_600 * SECOND);
        world.with_peer(0, |peer, now| peer.client().handle_network_change(now));
        world.send_up(0, b"good morning");
        world.send_down(0, b"good morning");
        let took = world.run_until(10 * SECOND, World::is_settled);
        assert!(took <= 3 * ROUND_TRIP, "{took:?} after {hours} hours");
    }
}

#[test]
fn a_silent_client_is_away_after_80_seconds_and_gone_after_900() {
    let mut world = connected(4);
    let (client, server) = (world.peer(0).address(), world.relay.address());
    // Whatever is heard last, is heard by now.
    world.network.set_faults(client, server, Faults::BLACKOUT);
    world.run_for(79 * SECOND - 2 * SECOND);
    assert!(!world.account(0).unwrap().is_away());
    world.run_for(4 * SECOND);
    assert!(world.account(0).unwrap().is_away());
    world.run_for(900 * SECOND - 81 * SECOND - 3 * SECOND);
    assert!(world.account(0).unwrap().session().is_some());
    world.run_for(5 * SECOND);
    assert!(world.account(0).unwrap().session().is_none());
    assert_eq!(world.relay.endpoint().table_len(), 0);
}

#[test]
fn an_away_client_that_is_heard_again_is_back() {
    let mut world = connected(5);
    let (client, server) = (world.peer(0).address(), world.relay.address());
    world.network.set_faults(client, server, Faults::BLACKOUT);
    world.run_until(100 * SECOND, |world| world.account(0).unwrap().is_away());
    world.network.set_faults(client, server, Faults::delayed(ONE_WAY));
    world.run_until(40 * SECOND, |world| !world.account(0).unwrap().is_away());
    assert_eq!(world.relay.sessions(), 1);
}

#[test]
fn a_client_that_closes_is_gone_at_once_and_comes_back_when_asked() {
    let mut world = connected(6);
    world.with_peer(0, |peer, now| peer.client().close(now));
    assert!(!world.peer(0).is_connected());
    let gone = |world: &World| world.account(0).unwrap().session().is_none();
    assert_eq!(world.run_until(SECOND, gone), ONE_WAY);
    let wiretap = world.wiretap();
    world.run_for(600 * SECOND);
    assert!(wiretap.count(Wiretap::INIT) == 0 && wiretap.count(Wiretap::DATA) < 10);
    world.connect(0);
    assert_eq!(world.run_until_connected(), ROUND_TRIP);
}
