//! A client and the nodes of one server: where it goes, when, and when it stays.

mod cluster;

use cluster::{Cluster, Health, address, place};
use pychat_proto::{ClientEvent, CloseCode, NodeTag};
use std::{collections::BTreeMap, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

fn all_connected(cluster: &Cluster) -> bool {
    cluster.people.iter().all(|person| person.client.is_connected())
}

/// One person at some node of `nodes`, with a round trip that is well known.
fn settled(seed: u64, nodes: usize) -> (Cluster, usize) {
    let mut cluster = Cluster::new(seed, nodes, 1);
    cluster.connect();
    cluster.run_until("the login", MINUTE, all_connected);
    for _ in 0..20 {
        cluster.people[0].written += 1;
        cluster.run_for(Duration::from_millis(200));
    }
    let at = cluster.node_of(0).unwrap();
    (cluster, at)
}

/// Writes something and waits until the client is at another node.
fn moved(cluster: &mut Cluster, from: usize) -> Duration {
    cluster.people[0].written += 1;
    let elsewhere = |cluster: &Cluster| cluster.node_of(0).is_some_and(|node| node != from);
    cluster.run_until("another node", MINUTE, elsewhere)
}

#[test]
fn after_two_probe_timeouts_of_silence_a_client_asks_the_others() {
    for seed in 0..20 {
        let (mut cluster, at) = settled(seed, 3);
        cluster.take_down(at, Health::Silent);
        let time = moved(&mut cluster, at);
        // A probe timeout at 50 ms round trip is below 100 ms, and the second one is twice as long; a jitter of up
        // to 100 ms, one round trip.
        assert!(time <= Duration::from_millis(300 + 100 + 50), "{time:?}");
        cluster.run_until("all is taken", MINUTE, |cluster| cluster.people[0].taken.len() == 21);
        assert!(cluster.people[0].taken.iter().copied().eq(1..=21));
    }
}

#[test]
fn a_refusal_makes_it_go_sooner() {
    for seed in 0..20 {
        let (mut cluster, at) = settled(seed, 3);
        cluster.take_down(at, Health::Refusing);
        let time = moved(&mut cluster, at);
        // One probe timeout, the question and its answer, the jitter, one round trip.
        assert!(time <= Duration::from_millis(100 + 50 + 100 + 50), "{time:?}");
    }
}

#[test]
fn a_refusal_that_nothing_confirms_moves_nobody() {
    let (mut cluster, at) = settled(1, 3);
    let now = cluster.now;
    cluster.people[0].client.handle_refused(now, address(at));
    cluster.run_for(MINUTE);
    assert_eq!(cluster.people[0].at.len(), 1);
}

#[test]
fn with_one_node_it_waits_as_ever() {
    let (mut cluster, _) = settled(1, 1);
    cluster.take_down(0, Health::Refusing);
    cluster.people[0].written += 1;
    cluster.run_for(Duration::from_millis(600));
    let unanswered = |event: &&ClientEvent| matches!(event, ClientEvent::Unanswered { .. });
    assert_eq!(cluster.people[0].events.iter().filter(unanswered).count(), 0);
    assert_eq!(cluster.nodes[0].inits.len(), 1);
}

#[test]
fn a_node_that_is_heard_of_again_keeps_its_client() {
    let (mut cluster, at) = settled(3, 3);
    cluster.take_down(at, Health::Silent);
    for node in (0..3).filter(|node| *node != at) {
        cluster.take_down(node, Health::Silent);
    }
    cluster.people[0].written += 1;
    cluster.run_for(Duration::from_millis(600));
    // All come back, and the session's next probe is answered before a new login is.
    (0..3).for_each(|node| cluster.nodes[node].health = Health::Up);
    for node in (0..3).filter(|node| *node != at) {
        cluster.nodes[node].turns_away = Some((CloseCode::Busy, MINUTE));
    }
    cluster.run_until("the text", MINUTE, |cluster| cluster.people[0].taken.len() == 21);
    assert_eq!(cluster.people[0].at.len(), 1, "no new login");
    assert_eq!(cluster.node_of(0), Some(at));
}

#[test]
fn where_much_is_lost_clients_seldom_change_their_node() {
    let mut moves = 0;
    for seed in 0..10 {
        let mut cluster = Cluster::new(seed, 3, 1);
        cluster.loss = 10;
        cluster.connect();
        cluster.run_until("the login", MINUTE, all_connected);
        for _ in 0..100 {
            cluster.people[0].written += 1;
            cluster.run_for(Duration::from_secs(1));
        }
        cluster.run_until("all is taken", MINUTE, |cluster| cluster.people[0].taken.len() == 100);
        moves += cluster.people[0].at.len() - 1;
    }
    println!("{moves} moves for 1000 texts at 10 % loss each way");
    assert!(moves <= 20, "{moves}");
}

#[test]
fn a_node_that_stops_is_not_waited_for() {
    for seed in 0..10 {
        let (mut cluster, at) = settled(seed, 3);
        cluster.drain(at, Duration::from_secs(200));
        let time = moved(&mut cluster, at);
        assert!(time <= Duration::from_millis(1_000 + 75), "{time:?}");
        let told = |event: &ClientEvent| {
            matches!(event, ClientEvent::Disconnected { code: CloseCode::Restarting, .. })
        };
        assert!(cluster.people[0].events.iter().any(told));
        let before = cluster.nodes[at].inits.len();
        cluster.run_for(MINUTE);
        assert_eq!(cluster.nodes[at].inits.len(), before, "it is left alone");
    }
}

#[test]
fn where_all_nodes_stop_a_client_comes_back_when_the_first_wants_it() {
    let (mut cluster, _) = settled(1, 2);
    cluster.drain(0, Duration::from_secs(40));
    cluster.drain(1, Duration::from_secs(20));
    let start = cluster.now;
    cluster
        .run_until("it is turned away", MINUTE, |cluster| !cluster.people[0].client.is_connected());
    cluster.run_for(Duration::from_secs(10));
    (0..2).for_each(|node| cluster.nodes[node].turns_away = None);
    cluster.run_until("it is back", MINUTE, all_connected);
    let waited = cluster.now.since(start);
    assert_eq!(cluster.node_of(0), Some(1));
    assert!((20..23).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn a_busy_node_sends_its_newcomers_to_the_others() {
    let mut cluster = Cluster::new(5, 3, 30);
    cluster.nodes[0].turns_away = Some((CloseCode::Busy, Duration::from_secs(2)));
    cluster.connect();
    let time = cluster.run_until("all are in", MINUTE, all_connected);
    assert!(time <= Duration::from_millis(1_200), "{time:?}");
    assert!((0..30).all(|person| cluster.node_of(person) != Some(0)));
}

#[test]
fn a_busy_node_ends_no_session_that_is_only_silent() {
    // The second time it is silent for so long that it is asked for a new login itself.
    for (silence, logins) in [(1, 1), (4, 2)] {
        let (mut cluster, at) = settled(6, 3);
        for node in (0..3).filter(|node| *node != at) {
            cluster.nodes[node].turns_away = Some((CloseCode::Busy, MINUTE));
        }
        cluster.take_down(at, Health::Silent);
        cluster.people[0].written += 1;
        cluster.run_for(Duration::from_secs(silence));
        cluster.nodes[at].health = Health::Up;
        cluster.run_until("the text", MINUTE, |cluster| cluster.people[0].taken.len() == 21);
        assert_eq!((cluster.node_of(0), cluster.people[0].at.len()), (Some(at), logins));
        let ended = |event: &&ClientEvent| matches!(event, ClientEvent::Disconnected { .. });
        assert_eq!(cluster.people[0].events.iter().filter(ended).count(), 0);
    }
}

#[test]
fn a_first_contact_goes_to_one_of_several_nodes() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(seed, 3, 1);
        cluster.make_stranger(0);
        cluster.take_down(1, Health::Silent);
        cluster.connect();
        cluster.run_until("the login", MINUTE, all_connected);
        cluster.people[0].written = 1;
        cluster.run_until("the text", MINUTE, |cluster| cluster.people[0].taken == [1]);
    }
}

/// Of 240 clients those of a dead node are at the others soon, evenly, and with few questions.
#[test]
fn the_clients_of_a_dead_node_are_no_stampede() {
    const CLIENTS: usize = 240;
    let mut cluster = Cluster::new(7, 3, CLIENTS);
    cluster.connect();
    cluster.run_until("all are in", MINUTE, all_connected);
    cluster.run_for(Duration::from_secs(5));
    let count = |cluster: &Cluster| {
        let mut at = BTreeMap::new();
        (0..CLIENTS).for_each(|it| *at.entry(cluster.node_of(it).unwrap()).or_insert(0) += 1);
        at
    };
    let before = count(&cluster);
    assert!(before.values().all(|clients| (55..105).contains(clients)), "{before:?}");
    let orphans = before[&0];
    cluster.nodes.iter_mut().for_each(|node| node.inits.clear());
    cluster.take_down(0, Health::Silent);
    // All write at one moment: the worst that can be.
    cluster.people.iter_mut().for_each(|person| person.written += 1);
    let gone = |cluster: &Cluster| (0..CLIENTS).all(|it| cluster.node_of(it) != Some(0));
    let time = cluster
        .run_until("all have gone", MINUTE, |cluster| all_connected(cluster) && gone(cluster));
    let after = count(&cluster);
    let inits: Vec<usize> = cluster.nodes.iter().map(|node| node.inits.len()).collect();
    println!(
        "{orphans} clients found another node within {time:?}; INITs {inits:?}; {before:?} -> {after:?}"
    );
    assert!(time <= Duration::from_millis(650), "{time:?}");
    assert!(inits[1] + inits[2] <= orphans + orphans / 10, "one INIT each: {inits:?}");
    let gained = [1, 2].map(|node| after[&node] - before[&node]);
    assert!(gained.iter().all(|gained| gained * 4 >= orphans), "{gained:?}");
}

#[test]
fn texts_arrive_once_and_in_order_while_nodes_come_and_go() {
    const TEXTS: u64 = 200;
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed, 3, 3);
        cluster.loss = [0, 5, 20][seed as usize % 3];
        cluster.connect();
        cluster.run_until("the logins", MINUTE, all_connected);
        for round in 0..TEXTS {
            cluster.people.iter_mut().for_each(|person| person.written += 1);
            cluster.run_for(Duration::from_millis(100));
            // One is away at a time, in turns.
            let (turn, at) = (round / 20, round % 20);
            let node = (turn % 3) as usize;
            if at == 5 {
                let health = if turn % 2 == 0 { Health::Silent } else { Health::Refusing };
                cluster.take_down(node, health);
            } else if at == 15 {
                cluster.bring_up(node);
            }
        }
        cluster.run_until("all is taken", 5 * MINUTE, |cluster| {
            cluster.people.iter().all(|person| person.taken.len() as u64 == TEXTS)
        });
        assert!(cluster.people.iter().all(|person| person.taken.iter().copied().eq(1..=TEXTS)));
    }
}

/// A packet of a session at one node reaches another: by an address that changed, or as somebody sends it there.
#[test]
fn a_node_ends_no_session_that_may_live_at_another() {
    let (mut cluster, at) = settled(1, 3);
    let other = (at + 1) % 3;
    cluster.people[0].written += 1;
    cluster.run_for(Duration::from_millis(1));
    let (_, packet) = cluster.last_sent.clone().unwrap();
    assert!(packet[0] & !1 == 0x40 && packet.len() > 25, "a DATA packet");
    let from = cluster.people[0].address;
    let before = cluster.nodes[other].endpoint.stats().resets;
    cluster.inject(other, from, &packet);
    assert_eq!(cluster.nodes[other].endpoint.stats().resets, before);
    cluster.run_for(MINUTE);
    assert_eq!(cluster.people[0].at.len(), 1, "the session lives on");

    // The node is gone for good, as the other one was told: whoever still names its sessions is sent a RESET, which
    // the client believes, as all make the same tokens.
    let alive = (0..3).filter(|node| *node != at).map(|node| NodeTag::of(&place(node)));
    let own = Some(NodeTag::of(&place(other)));
    cluster.nodes[other].endpoint.set_nodes(own, alive);
    cluster.inject(other, from, &packet);
    assert_eq!(cluster.nodes[other].endpoint.stats().resets, before + 1);
    cluster.run_until("a new login", MINUTE, |cluster| cluster.people[0].at.len() == 2);
}

#[test]
fn a_node_that_was_restarted_says_so_itself() {
    let (mut cluster, at) = settled(2, 3);
    cluster.bring_up(at);
    cluster.people[0].written += 1;
    cluster.run_until("the text", MINUTE, |cluster| cluster.people[0].taken.len() == 21);
    assert_eq!(cluster.node_of(0), Some(at), "it is there, so nobody moves");
    assert_eq!(cluster.people[0].at.len(), 2);
}

#[test]
fn a_network_that_changed_moves_nobody_whose_node_answers() {
    let (mut cluster, at) = settled(4, 3);
    (0..3).for_each(|node| cluster.take_down(node, Health::Silent));
    cluster.people[0].written += 1;
    cluster.run_for(Duration::from_secs(1));
    (0..3).for_each(|node| cluster.nodes[node].health = Health::Up);
    let now = cluster.now;
    cluster.people[0].client.handle_network_change(now);
    cluster.run_until("the text", MINUTE, |cluster| cluster.people[0].taken.len() == 21);
    assert_eq!((cluster.node_of(0), cluster.people[0].at.len()), (Some(at), 1));
}
