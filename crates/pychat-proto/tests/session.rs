//! A client and an endpoint talk over a simulated link.

mod world;

use pychat_proto::{ClientEvent, CloseCode, Suspicion};
use std::time::Duration;
use world::{Link, World};

const MINUTE: Duration = Duration::from_secs(60);

fn connected(world: &World) -> bool {
    world.client.is_connected() && world.session.is_some()
}

fn numbered(count: u32) -> Vec<Option<Vec<u8>>> {
    (0..count).map(|n| Some(n.to_be_bytes().to_vec())).collect()
}

fn texts(world: &World) -> Vec<Vec<u8>> {
    world.outbox.iter().flatten().cloned().collect()
}

#[test]
fn a_pinned_server_is_reached_in_one_round_trip() {
    let mut world = World::new(1, true);
    world.connect();
    let time = world.run_until(MINUTE, |w| w.client.is_connected());
    assert_eq!(time, Duration::from_millis(50));
}

#[test]
fn the_first_text_is_at_the_server_after_two_round_trips_and_its_own_way() {
    for (pinned, round_trips) in [(true, 2), (false, 4)] {
        let mut world = World::new(1, pinned);
        world.connect();
        world.outbox = numbered(1);
        let time = world.run_until(MINUTE, |w| w.at_server.len() == 1);
        assert_eq!(time, Duration::from_millis(50 * round_trips + 25));
    }
}

#[test]
fn a_login_costs_so_many_datagrams_and_bytes() {
    let mut world = World::new(1, true);
    world.connect();
    world.run_for(Duration::from_secs(5));
    let of = |client: bool| {
        let from = |from: &std::net::SocketAddr| (*from == world.client_address) == client;
        let sizes = world.sent.iter().filter(|(a, _)| from(a)).map(|(_, bytes)| bytes.len());
        sizes.collect::<Vec<_>>()
    };
    // INIT, the two pieces of the key, the first packet of the hybrid epoch.
    assert_eq!(of(true), [1200, 1124, 132, 64]);
    // RESP, the answer, the acknowledgement.
    assert_eq!(of(false), [1200, 1144, 55]);
}

#[test]
fn a_first_contact_learns_the_key_behind_a_retry_and_logs_in() {
    let mut world = World::new(1, false);
    world.connect();
    world.run_until(MINUTE, connected);
    let key = world.secrets.identity.public();
    assert_eq!(world.client_events[0], ClientEvent::ServerKeyLearned(key));
    assert!(matches!(world.client_events[1], ClientEvent::Connected { .. }));
    assert_eq!(world.server.stats().retries, 1);
    assert_eq!(world.server.table_len(), 1, "the handshake left nothing behind");
}

#[test]
fn messages_arrive_once_and_in_order_both_ways_whatever_the_link_loses() {
    for (seed, loss) in [(1, 0), (2, 5), (3, 20), (4, 40), (5, 40)] {
        for pinned in [true, false] {
            let mut world = World::new(seed, pinned);
            world.link =
                Link { loss, duplicated: 10, jitter: Duration::from_millis(30), ..Link::default() };
            world.connect();
            world.run_until(10 * MINUTE, connected);
            world.outbox = numbered(300);
            for n in 0..200_u32 {
                assert!(world.send_to_client(&n.to_be_bytes()));
            }
            world.run_until(10 * MINUTE, |w| w.at_server.len() >= 300 && w.at_client.len() >= 200);
            world.run_for(MINUTE);
            assert_eq!(world.at_server, texts(&world));
            let expected: Vec<Vec<u8>> = (0..200_u32).map(|n| n.to_be_bytes().to_vec()).collect();
            assert_eq!(world.at_client, expected);
        }
    }
}

#[test]
fn a_message_of_the_full_size_arrives() {
    let mut world = World::new(1, true);
    world.link.loss = 10;
    world.connect();
    world.run_until(MINUTE, connected);
    let large: Vec<u8> = (0..pychat_proto::MESSAGE_BYTES_MAX).map(|n| n as u8).collect();
    assert!(world.send_to_client(&large));
    world.run_until(MINUTE, |w| w.at_client.len() == 1);
    assert_eq!(world.at_client[0], large);
}

#[test]
fn a_refused_message_is_skipped_and_nothing_passes_it() {
    let mut world = World::new(7, true);
    world.link = Link { loss: 20, ..Link::default() };
    world.refused_byte = Some(0xee);
    world.connect();
    world.run_until(MINUTE, connected);
    world.outbox = numbered(40);
    world.outbox[10] = Some(vec![0xee, 1]);
    world.outbox[39] = Some(vec![0xee, 2]);
    world.outbox[20] = None;
    world.run_until(MINUTE, |w| w.committed == 40);
    assert_eq!(world.at_server, texts(&world));
    assert_eq!(world.at_server.len(), 37);
}

#[test]
fn a_restarted_server_is_noticed_and_reached_in_three_round_trips() {
    let mut world = World::new(3, true);
    world.connect();
    world.run_until(MINUTE, connected);
    world.outbox = numbered(10);
    world.run_until(MINUTE, |w| w.at_server.len() == 10);
    world.run_for(Duration::from_secs(10));
    world.restart_server();
    world.outbox = numbered(11);
    world.client_events.clear();
    let time = world.run_until(MINUTE, |w| w.at_server.len() == 11);
    // RESET; INIT and RESP; the key and its answer; and the text's own way.
    assert!(time <= Duration::from_millis(180), "{time:?}");
    let CloseCode::Restarting = (match &world.client_events[0] {
        ClientEvent::Disconnected { code, .. } => *code,
        other => panic!("{other:?}"),
    }) else {
        panic!("the reset says what happened")
    };
    assert_eq!(world.at_server, texts(&world));
}

#[test]
fn a_new_address_of_the_client_needs_no_new_handshake() {
    let mut world = World::new(4, true);
    world.link.loss = 10;
    world.connect();
    world.run_until(MINUTE, connected);
    let session = world.session;
    world.outbox = numbered(100);
    world.run_until(MINUTE, |w| w.at_server.len() > 30);
    world.client_address = "10.0.0.9:777".parse().unwrap();
    world.run_until(MINUTE, |w| w.at_server.len() == 100);
    assert!(world.send_to_client(b"here?"));
    world.run_until(MINUTE, |w| w.at_client.len() == 1);
    assert_eq!(world.session, session);
    assert_eq!(world.at_server, texts(&world));
    assert_eq!(world.server.remote(session.unwrap()), Some(world.client_address));
}

#[test]
fn a_client_that_moves_at_any_moment_of_a_login_gets_in_and_is_answered() {
    for pinned in [true, false] {
        for after in (0..350).step_by(5) {
            let mut world = World::new(14, pinned);
            world.connect();
            world.outbox = numbered(2);
            world.run_for(Duration::from_millis(after));
            world.client_address = "10.0.0.9:777".parse().unwrap();
            world.run_until(MINUTE, |w| w.at_server.len() == 2);
            assert!(world.send_to_client(b"here?"));
            world.run_until(MINUTE, |w| w.at_client.len() == 1);
        }
    }
}

#[test]
fn a_refused_login_says_why_and_stops() {
    for pinned in [true, false] {
        let mut world = World::new(5, pinned);
        world.refusal = Some(CloseCode::NameTaken);
        world.connect();
        world.run_until(MINUTE, |w| {
            w.client_events.iter().any(|event| {
                matches!(event, ClientEvent::Refused(refusal)
                if refusal.code == CloseCode::NameTaken && refusal.reason == "not here")
            })
        });
        world.run_for(MINUTE);
        let sent = world.sent.len();
        world.run_for(10 * MINUTE);
        assert_eq!(world.sent.len(), sent, "nothing more is tried");
    }
}

#[test]
fn a_question_is_answered_whatever_the_link_loses() {
    let mut world = World::new(6, true);
    world.link.loss = 40;
    world.connect();
    world.run_until(10 * MINUTE, connected);
    let now = world.now;
    let id = world.client.call(now, b"abc").unwrap();
    let answer = ClientEvent::Reply { id, payload: b"cba".to_vec() };
    world.run_until(MINUTE, |w| w.client_events.contains(&answer));
}

#[test]
fn silence_asks_for_new_addresses_and_then_ends_the_session() {
    let mut world = World::new(8, true);
    world.connect();
    world.run_until(MINUTE, connected);
    world.link.loss = 100;
    world.outbox = numbered(1);
    world.run_until(MINUTE, |w| w.client_events.contains(&ClientEvent::NeedAddresses));
    assert!(world.client.is_connected(), "the session may still be there");
    world.run_until(2 * MINUTE, |w| {
        matches!(
            w.client_events.last(),
            Some(ClientEvent::Disconnected { code: CloseCode::Idle, .. })
        )
    });
    world.link.loss = 0;
    world.run_until(MINUTE, |w| w.at_server.len() == 1);
}

#[test]
fn an_idle_session_lives_on_and_a_dead_one_is_dropped_after_900_seconds() {
    let mut world = World::new(9, true);
    world.connect();
    world.run_until(MINUTE, connected);
    world.run_for(60 * MINUTE);
    assert_eq!(world.server.sessions(), 1);
    world.link.loss = 100;
    let time = world.run_until(20 * MINUTE, |w| w.server.sessions() == 0);
    assert!(time >= Duration::from_secs(870) && time <= Duration::from_secs(900), "{time:?}");
    world.run_for(MINUTE);
    assert_eq!(world.server.table_len(), 0);
}

#[test]
fn a_server_with_another_key_is_told_apart_from_a_dead_link() {
    let mut world = World::new(10, true);
    world.secrets = std::sync::Arc::new(pychat_proto::ServerSecrets {
        identity: pychat_proto::SecretKey::from_bytes([77; 32]),
        reset: pychat_proto::SecretKey::from_bytes([78; 32]),
    });
    world.restart_server();
    world.connect();
    let key = world.secrets.identity.public();
    let hint = ClientEvent::Suspicion(Suspicion::KeyChanged(key));
    world.run_until(MINUTE, |w| w.client_events.contains(&hint));
    assert!(!world.client.is_connected());
}

#[test]
fn a_goodbye_ends_the_session_on_both_sides() {
    let mut world = World::new(11, true);
    world.connect();
    world.run_until(MINUTE, connected);
    let now = world.now;
    world.client.close(now);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.server.table_len(), 0);
    let sent = world.sent.len();
    world.run_for(MINUTE);
    assert_eq!(world.sent.len(), sent);
}

#[test]
fn no_answer_is_larger_than_its_question_before_an_address_is_proved() {
    for pinned in [true, false] {
        let mut world = World::new(12, pinned);
        world.link.loss = 30;
        world.connect();
        let mut steps = 0;
        while !connected(&world) && steps < 10_000 {
            let end = world.now + Duration::from_secs(1);
            world.step(end);
            steps += 1;
            let bytes = |client: bool| -> usize {
                let from = |from: &std::net::SocketAddr| (*from == world.client_address) == client;
                world.sent.iter().filter(|(a, _)| from(a)).map(|(_, bytes)| bytes.len()).sum()
            };
            assert!(bytes(false) <= bytes(true));
        }
        assert!(connected(&world));
    }
}
