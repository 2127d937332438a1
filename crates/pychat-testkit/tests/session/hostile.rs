//! Datagrams that nobody of ours sent, or not so, or not now.

use crate::{ONE_WAY, SECOND, connected, message, world};
use pychat_proto::ServerKey;
use pychat_testkit::{
    dice::Dice,
    faults::Faults,
    sim::world::{PeerId, Wiretap, World},
};
use std::{net::SocketAddr, time::Duration};

/// Every datagram that differs from this one in a single bit.
fn flips(datagram: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..datagram.len() * 8).map(|bit| {
        let mut flipped = datagram.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

/// What a client shows of itself, its counters aside.
fn state_of(world: &World, id: PeerId) -> (usize, bool, usize, u64) {
    let peer = world.peer(id);
    (peer.events().len(), peer.is_connected(), peer.received().len(), peer.committed().0)
}

/// Hands a client each flip of a datagram; nothing may come of it but a count.
fn flips_do_nothing_to_client(world: &mut World, id: PeerId, datagram: &[u8]) {
    let (wiretap, before) = (world.wiretap(), state_of(world, id));
    for (bit, flipped) in flips(datagram) {
        let dropped = world.peer(id).stats().dropped;
        world.inject_to_client(id, &flipped);
        assert_eq!(state_of(world, id), before, "bit {bit}");
        assert_eq!(world.peer(id).stats().dropped, dropped + 1, "bit {bit} is counted");
        assert_eq!(wiretap.all().len(), 0, "bit {bit} is answered");
    }
}

/// Hands the server each flip of a datagram; nothing may come of it but a count, and an answer of
/// one of these kinds that needs no memory.
fn flips_do_nothing_to_server(
    world: &mut World,
    from: SocketAddr,
    datagram: &[u8],
    answers: &[u8],
) {
    let wiretap = world.wiretap();
    let state = |world: &mut World| {
        (world.relay.incoming(), world.relay.sessions(), world.relay.endpoint().table_len())
    };
    let before = state(world);
    for (bit, flipped) in flips(datagram) {
        let dropped = world.relay.stats().dropped;
        world.inject_to_server(from, &flipped);
        assert_eq!(state(world), before, "bit {bit}");
        assert_eq!(world.relay.stats().dropped, dropped + 1, "bit {bit} is counted");
        let answered = wiretap.all();
        assert!(
            answered.iter().all(|sent| answers.contains(&sent.kind())),
            "bit {bit}: {answered:?}"
        );
        wiretap.clear();
    }
}

/// A world with a client that has not connected yet, and both their addresses.
fn waiting(seed: u64, first_contact: bool) -> (World, PeerId, SocketAddr, SocketAddr) {
    let mut world = world(seed);
    let key = world.relay.key();
    let id = world.add(if first_contact { ServerKey::Unknown } else { ServerKey::Pinned(key) });
    let (client, server) = (world.peer(id).address(), world.relay.address());
    (world, id, client, server)
}

/// The last datagram of a kind.
fn last(wiretap: &Wiretap, kind: u8) -> Vec<u8> {
    wiretap
        .of_kind(kind)
        .last()
        .unwrap_or_else(|| panic!("no datagram of kind {kind}"))
        .bytes
        .clone()
}

#[test]
fn a_flipped_init_is_not_taken() {
    let (mut world, id, client, server) = waiting(1, false);
    let wiretap = world.wiretap();
    world.network.set_faults(client, server, Faults::BLACKOUT);
    world.connect(id);
    world.run_for(Duration::ZERO);
    let init = last(&wiretap, Wiretap::INIT);
    flips_do_nothing_to_server(&mut world, client, &init, &[Wiretap::VERSION, Wiretap::RESET]);
    world.inject_to_server(client, &init);
    assert_eq!(world.relay.incoming(), 1);
}

#[test]
fn a_flipped_resp_is_not_taken() {
    for first_contact in [false, true] {
        let (mut world, id, client, server) = waiting(2, first_contact);
        let wiretap = world.wiretap();
        if first_contact {
            // Up to the second INIT, which carries a token.
            world.connect(id);
            world.run_until(SECOND, |_| wiretap.count(Wiretap::INIT) == 2);
        }
        world.network.set_faults(server, client, Faults::BLACKOUT);
        if !first_contact {
            world.connect(id);
        }
        world.run_until(SECOND, |_| wiretap.count(Wiretap::RESP) == 1);
        let resp = last(&wiretap, Wiretap::RESP);
        flips_do_nothing_to_client(&mut world, id, &resp);
        world.network.set_faults(server, client, Faults::delayed(ONE_WAY));
        world.inject_to_client(id, &resp);
        world.run_until_connected();
    }
}

#[test]
fn a_flipped_fin_is_not_taken() {
    let (mut world, id, client, server) = waiting(3, true);
    let wiretap = world.wiretap();
    world.connect(id);
    world.run_until(SECOND, |_| wiretap.count(Wiretap::RESP) == 1);
    world.network.set_faults(client, server, Faults::BLACKOUT);
    world.run_until(SECOND, |_| wiretap.count(Wiretap::FIN) == 1);
    let fin = last(&wiretap, Wiretap::FIN);
    flips_do_nothing_to_server(&mut world, client, &fin, &[]);
    world.inject_to_server(client, &fin);
    assert_eq!(world.relay.incoming(), 1);
    world.network.set_faults(client, server, Faults::delayed(ONE_WAY));
    world.run_until_connected();
}

#[test]
fn a_flipped_retry_is_not_taken() {
    let (mut world, id, client, server) = waiting(4, false);
    world.relay.set_retry_beyond(0);
    world.restart_server();
    let wiretap = world.wiretap();
    world.network.set_faults(server, client, Faults::BLACKOUT);
    world.connect(id);
    world.run_until(SECOND, |_| wiretap.count(Wiretap::RETRY) == 1);
    let retry = last(&wiretap, Wiretap::RETRY);
    flips_do_nothing_to_client(&mut world, id, &retry);
    world.network.set_faults(server, client, Faults::delayed(ONE_WAY));
    world.inject_to_client(id, &retry);
    world.run_until_connected();
    assert_eq!(wiretap.count(Wiretap::RETRY), 1);
}

#[test]
fn a_flipped_reset_is_not_taken() {
    let mut world = connected(5);
    let (client, server) = (world.peer(0).address(), world.relay.address());
    let wiretap = world.wiretap();
    world.restart_server();
    world.network.set_faults(server, client, Faults::BLACKOUT);
    world.send_up(0, b"are you there?");
    world.run_until(SECOND, |_| wiretap.count(Wiretap::RESET) == 1);
    let reset = last(&wiretap, Wiretap::RESET);
    flips_do_nothing_to_client(&mut world, 0, &reset);
    world.inject_to_client(0, &reset);
    assert!(!world.peer(0).is_connected());
}

#[test]
fn flipped_data_is_not_taken() {
    let mut world = connected(6);
    let (client, server) = (world.peer(0).address(), world.relay.address());
    let wiretap = world.wiretap();
    world.network.set_faults_between(client, server, Faults::BLACKOUT);

    world.send_up(0, b"up");
    let up = last(&wiretap, Wiretap::DATA);
    flips_do_nothing_to_server(&mut world, client, &up, &[Wiretap::RESET]);
    assert_eq!(world.account(0).unwrap().received().len(), 0);
    world.inject_to_server(client, &up);
    assert_eq!(world.account(0).unwrap().received(), [b"up"]);

    wiretap.clear();
    world.send_down(0, b"down");
    let down = last(&wiretap, Wiretap::DATA);
    flips_do_nothing_to_client(&mut world, 0, &down);
    world.inject_to_client(0, &down);
    assert_eq!(world.peer(0).received(), [b"down"]);
}

#[test]
fn datagrams_cut_short_or_made_longer_are_not_taken() {
    let mut world = connected(7);
    let (client, server) = (world.peer(0).address(), world.relay.address());
    let wiretap = world.wiretap();
    world.network.set_faults_between(client, server, Faults::BLACKOUT);
    world.send_up(0, &message(1, 500));
    let up = last(&wiretap, Wiretap::DATA);
    for length in 0..up.len() {
        world.inject_to_server(client, &up[..length]);
    }
    world.inject_to_server(client, &[up.as_slice(), &[0]].concat());
    assert_eq!(world.account(0).unwrap().received().len(), 0);
    world.inject_to_server(client, &up);
    assert_eq!(world.account(0).unwrap().received().len(), 1);
}

#[test]
fn everything_replayed_does_nothing() {
    for first_contact in [false, true] {
        let (mut world, id, client, server) = waiting(8, first_contact);
        let wiretap = world.wiretap();
        world.connect(id);
        for number in 0..50 {
            world.send_up(id, &message(number, 400));
            world.send_down(id, &message(number, 400));
        }
        world.run_until(30 * SECOND, World::is_settled);
        world.run_for(SECOND);
        let (before, confirmed) = (state_of(&world, id), world.account(id).unwrap().confirmed());
        let recorded = wiretap.all();
        let thief = SocketAddr::from(([203, 0, 113, 6], 666));
        for from in [client, thief] {
            for sent in &recorded {
                if sent.to == server {
                    world.inject_to_server(from, &sent.bytes);
                } else {
                    world.inject_to_client(id, &sent.bytes);
                }
            }
        }
        assert_eq!(state_of(&world, id), before);
        world.run_for(20 * SECOND);
        assert_eq!(state_of(&world, id), before);
        let account = world.account(id).unwrap();
        assert_eq!((account.confirmed(), account.received().len()), (confirmed, 50));
        let session = account.session().expect("it is connected");
        assert_eq!(world.relay.endpoint().remote(session), Some(client), "the thief moved nothing");
        assert_eq!(world.relay.endpoint().table_len(), 1, "a replayed login is forgotten");
        world.send_up(id, b"still here");
        world.send_down(id, b"still here");
        world.run_until(SECOND, World::is_settled);
    }
}

#[test]
fn an_old_login_replayed_beside_a_new_one_does_not_keep_the_client_out() {
    for seed in 1..6 {
        let mut world = world(seed);
        let wiretap = world.wiretap();
        world.join();
        world.run_until_connected();
        let old = last(&wiretap, Wiretap::INIT);
        world.restart_client(0);
        let thief = SocketAddr::from(([203, 0, 113, 6], 666));
        // Ten times a round trip, for as long as the login takes.
        let mut left = 100;
        while world.account(0).unwrap().confirmed() < 2 {
            assert!(left > 0, "kept out");
            left -= 1;
            world.inject_to_server(thief, &old);
            world.run_for(ONE_WAY / 5);
        }
        world.send_up(0, b"in");
        world.run_until(10 * SECOND, World::is_settled);
    }
}

#[test]
fn garbage_does_nothing() {
    let mut world = connected(9);
    let mut dice = Dice::new(9);
    let client = world.peer(0).address();
    let before = state_of(&world, 0);
    for round in 0..20_000_u32 {
        let length = usize::try_from(dice.below(1_300)).unwrap();
        let mut bytes: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
        if let Some(kind) = bytes.first_mut() {
            *kind = [1, 2, 3, 4, 5, 6, 0x40, 0x41][round as usize % 8];
        }
        world.inject_to_server(client, &bytes);
        world.inject_to_client(0, &bytes);
    }
    assert_eq!(state_of(&world, 0), before);
    assert_eq!(world.relay.sessions(), 1);
    world.send_up(0, b"still here");
    world.send_down(0, b"still here");
    world.run_until(SECOND, World::is_settled);
}

#[test]
fn a_flood_of_logins_from_forged_addresses_fills_no_table() {
    let mut world = connected(10);
    let server = world.relay.address();
    // Fresh logins of devices that exist, each from a forged address of its own.
    let wiretap = world.wiretap();
    for _ in 0..200 {
        let id = world.add(ServerKey::Pinned(world.relay.key()));
        let address = world.peer(id).address();
        world.network.set_faults(address, server, Faults::BLACKOUT);
        world.connect(id);
    }
    world.run_for(Duration::ZERO);
    let logins = wiretap.of_kind(Wiretap::INIT);
    for round in 0..20_u8 {
        for (number, login) in logins.iter().enumerate() {
            let forged = SocketAddr::from(([198, 18, round, number as u8], 1_000));
            world.inject_to_server(forged, &login.bytes);
        }
    }
    // The first client; then one for each device at most.
    assert!(world.relay.endpoint().table_len() <= 201, "{}", world.relay.endpoint().table_len());
    assert_eq!(world.relay.sessions(), 1);
    world.run_for(11 * SECOND);
    assert_eq!(world.relay.endpoint().table_len(), 1);
    world.send_up(0, b"still here");
    world.run_for(SECOND);
    assert_eq!(world.account(0).unwrap().received(), [b"still here"]);
}
