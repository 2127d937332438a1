//! Several nodes on one store: users at different nodes, users who move, nodes that die or are cut off.

mod seeds;
mod world;

use super::person::{Device, Person};
use crate::store::jetstream::Weather;
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};
use world::Cluster;

/// Each text once, in its order, however often it came.
fn once(texts: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.into_iter().filter(|text| seen.insert(text.clone())).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

#[test]
fn texts_between_nodes_arrive_once_in_order_and_their_senders_are_told() {
    let mut cluster = Cluster::new(2);
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
    let texts = numbered(300);
    for text in &texts {
        cluster.write(alice, "bob", text);
        cluster.write(bob, "alice", text);
    }
    cluster.run(Duration::from_secs(30));
    assert_eq!(cluster.texts(bob), texts);
    assert_eq!(cluster.texts(alice), texts);
    assert_eq!(cluster.delivered(alice), texts.len());
    assert_eq!(cluster.delivered(bob), texts.len());
}

#[test]
fn mail_for_one_who_is_away_waits_for_whichever_node_the_user_comes_to() {
    let mut cluster = Cluster::new(3);
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
    let mono = cluster.mono;
    cluster.people[bob].0.client.close(mono);
    cluster.run(Duration::from_secs(2));
    let texts = numbered(50);
    texts.iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(10));
    let last = cluster.people[alice].0.last();
    assert_eq!(cluster.people[alice].0.committed, last, "all of it is safe");
    cluster.go_to(bob, 2);
    cluster.run(Duration::from_secs(10));
    assert_eq!(cluster.texts(bob), texts);
    assert_eq!(cluster.delivered(alice), texts.len());
}

#[test]
fn one_who_moves_while_texts_come_gets_all_of_them_in_order() {
    let mut cluster = Cluster::new(3);
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
    let texts = numbered(120);
    for (number, text) in texts.iter().enumerate() {
        cluster.write(alice, "bob", text);
        if number % 20 == 19 {
            cluster.run(Duration::from_micros(300 * number as u64));
            cluster.go_to(bob, number / 20 % 3);
        }
    }
    cluster.run(Duration::from_secs(30));
    assert_eq!(once(cluster.texts(bob)), texts);
    assert_eq!(cluster.delivered(alice), texts.len());
}

#[test]
fn what_a_node_had_when_it_died_is_handed_over_anew() {
    let mut cluster = Cluster::new(3);
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
    let texts = numbered(60);
    for (number, text) in texts.iter().enumerate() {
        cluster.write(alice, "bob", text);
        if number == 30 {
            cluster.run(Duration::from_micros(700));
            cluster.kill(1);
            cluster.run(Duration::from_secs(1));
            cluster.go_to(bob, 2);
        }
    }
    cluster.run(Duration::from_secs(30));
    assert_eq!(once(cluster.texts(bob)), texts);
    let last = cluster.people[alice].0.last();
    assert_eq!(cluster.people[alice].0.committed, last);
    assert_eq!(cluster.delivered(alice), texts.len());
}

#[test]
fn texts_for_one_who_has_moved_do_not_wait_until_the_old_node_is_given_up() {
    let mut cluster = Cluster::new(3);
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
    let texts = numbered(30);
    texts[..10].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(2));
    // It is dead, and nobody knows.
    cluster.server(1).is_frozen = true;
    texts[10..20].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_millis(200));
    cluster.go_to(bob, 2);
    texts[20..].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(2));
    assert_eq!(once(cluster.texts(bob)), texts);
    assert_eq!(cluster.delivered(alice), texts.len());
}

#[test]
fn a_node_that_only_stood_still_spoils_nothing() {
    let mut cluster = Cluster::new(3);
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
    let texts = numbered(90);
    for (number, text) in texts.iter().enumerate() {
        cluster.write(alice, "bob", text);
        match number {
            30 => {
                cluster.run(Duration::from_micros(700));
                cluster.freeze(1);
                cluster.run(Duration::from_secs(1));
            }
            50 => cluster.go_to(bob, 2),
            70 => cluster.thaw(1),
            _ => {}
        }
    }
    cluster.run(Duration::from_secs(30));
    assert_eq!(once(cluster.texts(bob)), texts);
    assert_eq!(cluster.delivered(alice), texts.len());
}

#[test]
fn who_stayed_at_a_node_that_stood_still_gets_what_others_took_over() {
    let mut cluster = Cluster::new(2);
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
    let texts = numbered(60);
    for (number, text) in texts.iter().enumerate() {
        cluster.write(alice, "bob", text);
        match number {
            20 => {
                cluster.run(Duration::from_micros(700));
                cluster.freeze(1);
                cluster.run(Duration::from_secs(1));
            }
            40 => {
                cluster.run(Duration::from_secs(3));
                cluster.thaw(1);
            }
            _ => {}
        }
    }
    cluster.run(Duration::from_secs(60));
    assert_eq!(once(cluster.texts(bob)), texts);
    assert_eq!(cluster.delivered(alice), texts.len());
}

/// Bob is at node 1, and node 0 takes his mailbox over though he is still there and in touch with others.
fn missed() -> (Cluster, usize, usize, Vec<String>) {
    let mut cluster = Cluster::new(3);
    cluster.loses_news = true;
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
    let texts = numbered(60);
    texts[..20].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(5));
    assert_eq!(cluster.texts(bob), texts[..20]);
    cluster.miss(0, 1);
    texts[20..40].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(5));
    assert_eq!(cluster.texts(bob), texts[..20], "they are in the log");
    let last = cluster.people[alice].0.last();
    assert_eq!(cluster.people[alice].0.committed, last);
    (cluster, alice, bob, texts)
}

fn assert_in_order(cluster: &mut Cluster, alice: usize, bob: usize, texts: &[String]) {
    cluster.run(Duration::from_secs(5));
    cluster.wake(1);
    cluster.run(Duration::from_secs(30));
    assert_eq!(once(cluster.texts(bob)), texts);
    assert_eq!(cluster.delivered(alice), texts.len());
}

#[test]
fn who_was_missed_gets_what_others_wrote_without_being_written_to_again() {
    let (mut cluster, alice, bob, texts) = missed();
    cluster.meet_again(0, 1);
    assert_in_order(&mut cluster, alice, bob, &texts[..40]);
}

#[test]
fn who_was_missed_is_told_of_what_was_written() {
    let (mut cluster, alice, bob, texts) = missed();
    cluster.loses_news = false;
    cluster.miss(2, 1);
    // Bob's mailbox goes to yet another node.
    let carol = cluster.join("carol", 2);
    cluster.miss(2, 0);
    cluster.write(carol, "bob", "hello");
    cluster.run(Duration::from_secs(30));
    let mut heard = once(cluster.texts(bob));
    assert_eq!(heard.pop().as_deref(), Some("hello"));
    assert_eq!(heard, texts[..40]);
    assert_eq!(cluster.delivered(alice), 40);
}

#[test]
fn nothing_by_way_of_a_node_that_was_missed_overtakes_what_was_written() {
    let (mut cluster, alice, bob, texts) = missed();
    cluster.meet_again(0, 1);
    texts[40..].iter().for_each(|text| cluster.write(alice, "bob", text));
    assert_in_order(&mut cluster, alice, bob, &texts);
}

#[test]
fn nothing_overtakes_what_is_being_written() {
    let (mut cluster, alice, bob, texts) = missed();
    cluster.meet_again(0, 1);
    cluster.wake(1);
    cluster.run(Duration::from_secs(5));
    cluster.miss(0, 1);
    cluster.server(0).store_waits = true;
    texts[40..45].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(1));
    // From here on node 0 knows better than to write them.
    cluster.meet_again(0, 1);
    texts[45..].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(1));
    cluster.server(0).store_waits = false;
    assert_in_order(&mut cluster, alice, bob, &texts);
}

#[test]
fn nothing_overtakes_what_is_written_after_its_reader_has_moved() {
    let (mut cluster, alice, bob, texts) = missed();
    let carol = cluster.join("carol", 2);
    cluster.miss(0, 2);
    cluster.server(0).store_waits = true;
    texts[40..45].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(1));
    cluster.go_to(bob, 2);
    // So that his new node is sure of his mailbox, and texts go to him unwritten.
    for _ in 0..3 {
        cluster.write(carol, "bob", "hello");
        cluster.run(Duration::from_secs(1));
    }
    // Node 0 has heard where he is, and takes his mailbox from there all the same.
    cluster.server(0).store_waits = false;
    cluster.run(Duration::from_secs(1));
    texts[45..].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(5));
    cluster.wake(2);
    cluster.run(Duration::from_secs(30));
    let mut heard = once(cluster.texts(bob));
    heard.retain(|text| text != "hello");
    assert_eq!(heard, texts);
    assert_eq!(cluster.delivered(alice), texts.len());
}

#[test]
fn nothing_overtakes_what_a_slow_store_will_not_write() {
    let mut cluster = Cluster::new(1);
    let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 0));
    let mono = cluster.mono;
    cluster.people[bob].0.client.close(mono);
    cluster.run(Duration::from_secs(10));
    let texts = numbered(20);
    cluster.server(0).store_waits = true;
    texts[..10].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(1));
    assert_eq!(cluster.server(0).jobs.len(), 10);
    // The first fails, and the store takes its time with the others.
    cluster.server(0).store.set_weather(Weather::Cut);
    cluster.write_down(0, 1);
    cluster.server(0).store.set_weather(Weather::Fair);
    cluster.run(Duration::from_secs(2));
    texts[10..].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(2));
    cluster.server(0).store_waits = false;
    cluster.run(Duration::from_secs(30));
    cluster.go_to(bob, 0);
    cluster.run(Duration::from_secs(10));
    assert_eq!(cluster.texts(bob), texts);
}

#[test]
fn one_who_moves_to_a_node_that_was_missed_does_not_overtake_what_was_written() {
    let (mut cluster, alice, bob, texts) = missed();
    cluster.go_to(alice, 1);
    texts[40..].iter().for_each(|text| cluster.write(alice, "bob", text));
    assert_in_order(&mut cluster, alice, bob, &texts);
}

#[test]
fn one_who_moves_to_a_node_that_missed_nobody_does_not_overtake_what_was_written() {
    let (mut cluster, alice, bob, texts) = missed();
    let carol = cluster.join("carol", 2);
    // Node 2 knows the way, and node 1 has proven it to be right, for what carol has to know.
    (0..2).for_each(|_| cluster.write(carol, "bob", "hello"));
    cluster.go_to(alice, 2);
    texts[40..].iter().for_each(|text| cluster.write(alice, "bob", text));
    cluster.run(Duration::from_secs(5));
    cluster.wake(1);
    cluster.run(Duration::from_secs(30));
    let mut heard = once(cluster.texts(bob));
    heard.retain(|text| text != "hello");
    assert_eq!(heard, texts);
}

#[test]
fn mail_between_nodes_may_get_lost() {
    // Whatever is lost: the first parcel, a fate, several in a row, one in each run.
    for step in [1, 13, 77, 90, 150, 211] {
        let mut cluster = Cluster::new(2);
        let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
        let first = cluster.mails + 1;
        cluster.loses = (0..12).map(|number| first + number * step).collect();
        let texts = numbered(100);
        for text in &texts {
            cluster.write(alice, "bob", text);
            cluster.write(bob, "alice", text);
        }
        cluster.run(Duration::from_secs(60));
        assert_eq!(once(cluster.texts(bob)), texts, "step {step}");
        assert_eq!(once(cluster.texts(alice)), texts, "step {step}");
        assert_eq!(cluster.delivered(alice), texts.len(), "step {step}");
        assert_eq!(cluster.delivered(bob), texts.len(), "step {step}");
    }
}

#[test]
fn while_the_store_is_out_of_reach_texts_wait_and_none_is_lost() {
    for weather in [Weather::Cut, Weather::Deaf] {
        let mut cluster = Cluster::new(2);
        let (alice, bob) = (cluster.join("alice", 0), cluster.join("bob", 1));
        let mono = cluster.mono;
        cluster.people[bob].0.client.close(mono);
        cluster.run(Duration::from_secs(2));
        let texts = numbered(40);
        for (number, text) in texts.iter().enumerate() {
            cluster.write(alice, "bob", text);
            if number == 10 {
                cluster.server(0).store.set_weather(weather);
                cluster.server(1).store.set_weather(weather);
                cluster.run(Duration::from_secs(3));
            }
        }
        for number in [0, 1] {
            cluster.server(number).store.set_weather(Weather::Fair);
        }
        cluster.run(Duration::from_secs(30));
        cluster.go_to(bob, 0);
        cluster.run(Duration::from_secs(30));
        assert_eq!(once(cluster.texts(bob)), texts, "{weather:?}");
        assert_eq!(cluster.delivered(alice), texts.len(), "{weather:?}");
    }
}

#[test]
fn the_newest_of_two_logins_stays_wherever_it_is() {
    let mut cluster = Cluster::new(2);
    let first = cluster.join("bob", 0);
    let second = cluster.people.len();
    let address = SocketAddr::from(([10, 99, 0, 1], 5_099));
    let key = cluster.secrets.identity.public();
    let person = Person::new(Device::new("bob", 1), key, address, [99; 32]);
    cluster.people.push((person, 1));
    cluster.go_to(second, 1);
    assert!(cluster.people[second].0.client.is_connected());
    assert!(!cluster.people[first].0.client.is_connected());
    let (code, reason) = cluster.people[first].0.ended[0].clone();
    assert_eq!(
        (code, &*reason),
        (pychat_proto::CloseCode::Replaced, "this name has logged in anew")
    );
}
