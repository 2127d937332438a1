//! Logging in: how many round trips it takes, what goes wrong and how it ends.

use crate::{ONE_WAY, ROUND_TRIP, SECOND, connected, message, world};
use pychat_proto::{ClientEvent, CloseCode, ServerKey, Suspicion};
use pychat_testkit::{
    dice::Dice,
    faults::Faults,
    sim::world::{Admission, Peer, Wiretap, World},
};
use std::time::Duration;

fn kinds(wiretap: &Wiretap) -> Vec<u8> {
    wiretap.all().iter().map(pychat_testkit::sim::world::Sent::kind).collect()
}

#[test]
fn a_pinned_key_takes_one_round_trip() {
    let mut world = world(1);
    let wiretap = world.wiretap();
    world.join();
    assert_eq!(world.run_until_connected(), ROUND_TRIP);
    assert_eq!(kinds(&wiretap)[..2], [Wiretap::INIT, Wiretap::RESP]);
    assert!(wiretap.all()[..2].iter().all(|sent| sent.bytes.len() == 1200));
    world.run_for(ROUND_TRIP);
    assert_eq!(world.account(0).unwrap().confirmed(), 1);
}

#[test]
fn a_first_contact_learns_the_key_and_the_next_login_pins_it() {
    let mut world = world(2);
    let wiretap = world.wiretap();
    let id = world.add(ServerKey::Unknown);
    world.connect(id);
    // INIT and RETRY, INIT and RESP, FIN and the welcome.
    assert_eq!(world.run_until_connected(), 3 * ROUND_TRIP);
    let first = [Wiretap::INIT, Wiretap::RETRY, Wiretap::INIT, Wiretap::RESP, Wiretap::FIN];
    assert_eq!(kinds(&wiretap)[..5], first);
    let events = world.peer(id).events();
    assert_eq!(events[0].1, ClientEvent::ServerKeyLearned(world.relay.key()));
    assert!(matches!(events[1].1, ClientEvent::Connected { .. }));
    world.send_up(id, b"hello");
    world.send_down(id, b"hello");
    world.run_until(SECOND, World::is_settled);

    world.run_for(SECOND);
    wiretap.clear();
    world.restart_client(id);
    assert_eq!(world.run_until_connected(), ROUND_TRIP);
    assert_eq!(kinds(&wiretap)[..2], [Wiretap::INIT, Wiretap::RESP]);
}

#[test]
fn a_first_contact_survives_loss() {
    for seed in 1..20 {
        let mut world = world(seed);
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(40.0));
        let id = world.add(ServerKey::Unknown);
        world.connect(id);
        world.send_up(id, &message(0, 3_000));
        world.send_down(id, &message(0, 3_000));
        let took = world.run_until(600 * SECOND, World::is_settled);
        let learned = |event: &ClientEvent| matches!(event, ClientEvent::ServerKeyLearned(_));
        assert_eq!(world.peer(id).count_events(learned), 1);
        println!("settled after {took:?}");
    }
}

#[test]
fn logins_survive_loss() {
    for seed in 1..20 {
        let mut world = world(seed);
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(60.0));
        (0..5).for_each(|_| {
            world.join();
        });
        let connected = |world: &World| world.peers().iter().all(Peer::is_connected);
        let took = world.run_until(600 * SECOND, connected);
        println!("connected after {took:?}");
    }
}

#[test]
fn another_servers_key_is_never_accepted() {
    for seed in 1..6 {
        let mut world = connected(seed);
        world.relay.change_identity(&mut Dice::new(99));
        world.restart_server();
        world.send_up(0, b"for the real server only");
        world.run_for(120 * SECOND);
        let changed = ClientEvent::Suspicion(Suspicion::KeyChanged(world.relay.key()));
        assert!(world.peer(0).count_events(|event| *event == changed) > 0, "the person is told");
        assert_eq!(world.relay.incoming(), 1, "only the first login was readable");
        assert_eq!(world.account(0).unwrap().received().len(), 0);
        assert!(
            matches!(world.peer(0).server_key(), ServerKey::Pinned(key) if *key != world.relay.key())
        );
    }
}

#[test]
fn a_login_of_another_version_is_told_which_are_spoken() {
    let mut world = world(3);
    let (wiretap, server) = (world.wiretap(), world.relay.address());
    let address = world.add(ServerKey::Pinned(world.relay.key()));
    let client = world.peer(address).address();
    world.network.set_faults(client, server, Faults::BLACKOUT);
    world.connect(address);
    world.run_for(Duration::ZERO);
    let mut init = wiretap.of_kind(Wiretap::INIT)[0].bytes.clone();
    init[1] = 77;
    world.inject_to_server(client, &init);
    let answers = wiretap.of_kind(Wiretap::VERSION);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].bytes[2..10], init[4..12], "it names the client's connection id");
    assert!(!answers[0].bytes[10..].contains(&77));
}

#[test]
fn a_server_of_another_version_is_a_hint_and_not_the_end() {
    let mut world = world(4);
    let wiretap = world.wiretap();
    let id = world.join();
    world.run_for(Duration::ZERO);
    let init = wiretap.of_kind(Wiretap::INIT)[0].bytes.clone();
    let versions = [&[Wiretap::VERSION, 0][..], &init[4..12], &[77]].concat();
    world.inject_to_client(id, &versions);
    let hint = ClientEvent::Suspicion(Suspicion::Versions(vec![77]));
    assert_eq!(world.peer(id).count_events(|event| *event == hint), 1);
    world.run_until_connected();
}

#[test]
fn under_load_a_login_proves_its_address_first() {
    let mut world = world(5);
    world.relay.set_retry_beyond(0);
    world.restart_server();
    let wiretap = world.wiretap();
    world.join();
    assert_eq!(world.run_until_connected(), 2 * ROUND_TRIP);
    let first = [Wiretap::INIT, Wiretap::RETRY, Wiretap::INIT, Wiretap::RESP];
    assert_eq!(kinds(&wiretap)[..4], first);
    assert_eq!(world.relay.stats().retries, 1);
}

#[test]
fn a_crowd_gets_in() {
    for percent in [0.0, 20.0] {
        let mut world = world(6);
        world.relay.set_retry_beyond(5);
        world.restart_server();
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(percent));
        for id in 0..50 {
            let id = {
                world.join();
                id
            };
            world.send_up(id, &message(id, 100));
        }
        let took = world.run_until(30 * SECOND, World::is_settled);
        println!("50 clients settled after {took:?}, {:?}", world.relay.stats());
    }
}

#[test]
fn a_refused_login_is_told_and_not_tried_again() {
    for first_contact in [false, true] {
        let mut world = world(7);
        let key = world.relay.key();
        let id = world.add(if first_contact { ServerKey::Unknown } else { ServerKey::Pinned(key) });
        world.relay.set_admission(Admission::Nobody {
            code: CloseCode::NameTaken,
            retry_after: Duration::ZERO,
        });
        world.connect(id);
        let refused = |event: &ClientEvent| {
            matches!(event, ClientEvent::Refused(refusal) if refusal.code == CloseCode::NameTaken
                && refusal.reason == "not today")
        };
        world.run_until(5 * SECOND, |world| world.peer(id).count_events(refused) == 1);
        let wiretap = world.wiretap();
        world.run_for(600 * SECOND);
        assert_eq!(wiretap.count(Wiretap::INIT), 0);
        assert_eq!(world.relay.sessions(), 0);
    }
}

#[test]
fn a_busy_server_is_asked_again_when_it_said() {
    let mut world = world(8);
    let id = world.add(ServerKey::Pinned(world.relay.key()));
    let retry_after = 30 * SECOND;
    world.relay.set_admission(Admission::Nobody { code: CloseCode::Busy, retry_after });
    world.connect(id);
    world.run_for(SECOND);
    world.relay.set_admission(Admission::Everybody);
    let busy = |event: &ClientEvent| {
        matches!(event, ClientEvent::Disconnected { code: CloseCode::Busy, .. })
    };
    assert_eq!(world.peer(id).count_events(busy), 1);
    let took = world.run_until(60 * SECOND, |world| world.peer(id).is_connected());
    assert!(took > retry_after - SECOND && took < retry_after + SECOND, "{took:?}");
}

#[test]
fn a_new_login_replaces_the_older_session() {
    let mut world = connected(9);
    world.restart_client(0);
    world.run_until_connected();
    world.run_for(10 * SECOND);
    assert_eq!(world.account(0).unwrap().confirmed(), 2);
    assert_eq!(world.relay.sessions(), 1);
    assert_eq!(world.relay.endpoint().table_len(), 1);
}

#[test]
fn an_unconfirmed_session_is_forgotten_after_ten_seconds() {
    let mut world = world(10);
    let (server, id) = (world.relay.address(), world.add(ServerKey::Pinned(world.relay.key())));
    let client = world.peer(id).address();
    world.network.set_faults(server, client, Faults::BLACKOUT);
    world.connect(id);
    world.run_for(2 * ONE_WAY);
    assert_eq!((world.relay.endpoint().table_len(), world.relay.sessions()), (1, 0));
    world.network.set_faults(client, server, Faults::BLACKOUT);
    world.run_for(10 * SECOND - ONE_WAY - Duration::from_millis(1));
    assert_eq!(world.relay.endpoint().table_len(), 1);
    world.run_for(Duration::from_millis(1));
    assert_eq!(world.relay.endpoint().table_len(), 0);
}

#[test]
fn every_day_the_keys_are_made_anew_without_a_gap() {
    let mut world = connected(11);
    let wiretap = world.wiretap();
    world.run_for(27 * 3_600 * SECOND);
    let logins = wiretap.count(Wiretap::RESP);
    assert!((1..=2).contains(&logins), "{logins} logins in 27 hours");
    let lost = |event: &ClientEvent| matches!(event, ClientEvent::Disconnected { .. });
    assert_eq!(world.peer(0).count_events(lost), 0);
    world.send_up(0, b"hello");
    world.send_down(0, b"hello");
    world.run_until(SECOND, World::is_settled);
}
