//! A store that fails: senders wait, nothing is refused, nothing is lost, nothing comes twice.

use super::{Options, World, person::Reading, store::Mood};
use pychat_proto::{RECORD_WINDOW, Seq};
use std::{collections::BTreeSet, time::Duration};

#[test]
fn while_nothing_can_be_written_senders_wait_and_then_all_arrives() {
    for shards in [1, 2] {
        let options = Options { shards, ..Options::default() };
        let (mut world, [alice, bob]) = World::with_people(options, ["alice", "bob"]);
        world.set_mood(Mood::WritesNothing);
        let bodies: Vec<String> = (0..100).map(|number| format!("text {number}")).collect();
        world.write_all(alice, "bob", &bodies);
        world.run(Duration::from_secs(60));
        assert_eq!(world.person(alice).committed, Seq::NONE);
        assert_eq!(world.person(alice).refused, []);
        assert!(world.person(alice).client.is_connected());
        world.set_mood(Mood::Works);
        world.run(Duration::from_secs(10));
        assert_eq!(world.person(bob).texts(), bodies);
        assert_eq!(world.person(alice).delivered().len(), 100);
        assert_eq!(world.person(alice).committed, Seq(100));
    }
}

#[test]
fn senders_are_told_once_a_try_that_nothing_can_be_written() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.write(alice, "bob", "before");
    world.run(Duration::from_secs(1));
    assert_eq!(world.person(alice).not_storing, 0);
    world.leave(bob);
    world.set_mood(Mood::WritesNothing);
    world.write_all(alice, "bob", &["1", "2", "3"]);
    world.run(Duration::from_secs(20));
    // Tries after 0.1, 0.3, 0.7, 1.5, 3.1 and 6.3 s, then every 5 s, and the first one.
    let told = world.person(alice).not_storing;
    assert!((6..=10).contains(&told), "{told}");
    assert_eq!(world.person(bob).not_storing, 0, "he sent nothing");
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(10));
    let told = world.person(alice).not_storing;
    world.come_back(bob);
    world.write(alice, "bob", "after");
    world.run(Duration::from_secs(10));
    assert_eq!(world.person(alice).not_storing, told);
    assert_eq!(world.person(bob).texts(), ["before", "1", "2", "3", "after"]);
}

#[test]
fn what_was_written_in_secret_arrives_once() {
    for shards in [1, 2] {
        let options = Options { shards, ..Options::default() };
        let (mut world, [alice, bob]) = World::with_people(options, ["alice", "bob"]);
        world.set_mood(Mood::WritesInSecret);
        world.write_all(alice, "bob", &["1", "2", "3"]);
        world.run(Duration::from_secs(1));
        assert_eq!(world.person(bob).texts(), [""; 0]);
        world.set_mood(Mood::Works);
        world.run(Duration::from_secs(10));
        assert_eq!(world.person(bob).texts(), ["1", "2", "3"]);
        assert_eq!(world.person(alice).delivered().len(), 3);
    }
}

#[test]
fn receipts_wait_for_the_store_and_the_mailbox_for_the_receipts() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.leave(bob);
    let ids = ["1", "2"].map(|body| world.write(alice, "bob", body));
    world.settle();
    world.set_mood(Mood::WritesNothing);
    world.come_back(bob);
    world.run(Duration::from_secs(20));
    assert_eq!(world.person(bob).texts(), ["1", "2"]);
    assert_eq!(world.person(alice).delivered(), []);
    // A crash now: the mailbox was not trimmed, and the next login brings the receipts.
    world.restart();
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(60));
    assert_eq!(world.person(alice).delivered(), ids);
    assert_eq!(world.person(bob).texts(), ["1", "2"]);
}

#[test]
fn receipts_are_written_when_the_store_works_again_though_nothing_else_happens() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.person(bob).reading = Reading::Slow;
    let id = world.write(alice, "bob", "hello");
    world.settle();
    world.set_mood(Mood::WritesNothing);
    let now = world.now().mono;
    world.person(bob).catch_up(now);
    world.run(Duration::from_secs(5));
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(20));
    assert_eq!(world.person(alice).delivered(), [id]);
}

#[test]
fn pages_wait_for_a_store_that_cannot_be_read() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.person(bob).reading = Reading::Slow;
    let bodies: Vec<String> = (0..RECORD_WINDOW + 50).map(|number| number.to_string()).collect();
    world.write_all(alice, "bob", &bodies);
    world.run(Duration::from_secs(30));
    assert_eq!(world.person(bob).texts().len() as u64, RECORD_WINDOW);
    // The others are in his mailbox, and nobody can read it.
    world.set_mood(Mood::Dead);
    let now = world.now().mono;
    world.person(bob).catch_up(now);
    world.run(Duration::from_secs(20));
    assert_eq!(world.person(bob).texts().len() as u64, RECORD_WINDOW);
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(20));
    assert_eq!(world.person(bob).texts(), bodies);
}

#[test]
fn people_who_are_there_go_on_talking_though_nothing_can_be_written() {
    for shards in [1, 2] {
        let options = Options { shards, ..Options::default() };
        let (mut world, [alice, bob]) = World::with_people(options, ["alice", "bob"]);
        let mut ids = vec![world.write(alice, "bob", "before")];
        ids.push(world.write(alice, "bob", "before"));
        world.settle();
        world.write(bob, "alice", "before");
        world.settle();
        world.set_mood(Mood::WritesNothing);
        let more = ["1", "2", "3"].map(|body| world.write(alice, "bob", body));
        ids.extend(more);
        world.run(Duration::from_secs(1));
        assert_eq!(world.person(bob).texts(), ["before", "before", "1", "2", "3"]);
        assert_eq!(world.person(alice).delivered(), ids);
        assert_eq!(world.person(alice).committed, Seq(5));
    }
}

#[test]
fn places_handed_out_while_the_store_failed_are_not_handed_out_again() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let before = ["1", "2", "3", "4"];
    for body in before {
        world.write(alice, "bob", body);
        world.settle();
    }
    world.set_mood(Mood::WritesNothing);
    world.leave(bob);
    world.run(Duration::from_secs(1));
    world.set_mood(Mood::Works);
    world.write(alice, "bob", "5");
    world.run(Duration::from_secs(20));
    world.come_back(bob);
    world.run(Duration::from_secs(20));
    assert_eq!(world.person(bob).texts(), ["1", "2", "3", "4", "5"]);
    assert_eq!(world.person(alice).delivered().len(), 5);
    assert!(world.shards.iter().all(|shard| shard.handed_out.is_empty()));
}

#[test]
fn what_was_sent_after_something_that_could_not_be_written_is_not_written_before_it() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    for body in ["1", "2"] {
        world.write(alice, "bob", body);
        world.settle();
    }
    // He has all that came, so that it goes out at once; and he is slow to say so.
    let safe = world.person(bob).inbox.len();
    world.person(bob).reading = Reading::Slow;
    world.is_busy = true;
    world.set_mood(Mood::WritesNothing);
    world.write(alice, "bob", "3");
    world.run(Duration::from_millis(20));
    // It is being written. The next one is out and held back from the disk when that fails.
    world.write(alice, "bob", "4");
    world.run(Duration::from_millis(1));
    world.is_busy = false;
    world.run(Duration::from_millis(1));
    world.set_mood(Mood::Works);
    world.run(Duration::from_millis(40));
    // A crash before the first one could be tried again, and he has lost what he did not commit.
    world.restart();
    world.person(bob).reading = Reading::Prompt;
    world.person(bob).inbox.truncate(safe);
    world.run(Duration::from_secs(60));
    assert_eq!(world.person(bob).texts(), ["1", "2", "3", "4"]);
    let delivered: BTreeSet<_> = world.person(alice).delivered().into_iter().collect();
    assert_eq!(delivered.len(), 4);
}

#[test]
fn a_claim_that_cannot_be_written_holds_everything_back_until_it_can() {
    let (mut world, [alice]) = World::with_people(Options::default(), ["alice"]);
    world.set_mood(Mood::WritesNothing);
    let bob = world.join_as("bob");
    world.settle();
    world.write(bob, "alice", "hello");
    world.run(Duration::from_secs(20));
    assert_eq!(world.person(alice).texts(), [""; 0]);
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(20));
    assert_eq!(world.person(alice).texts(), ["hello"]);
    assert_eq!(world.person(bob).delivered().len(), 1);
}

#[test]
fn a_store_that_comes_and_goes_loses_and_doubles_nothing() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let moods = [Mood::WritesNothing, Mood::Works, Mood::WritesInSecret, Mood::Dead, Mood::Works];
    let mut bodies = Vec::new();
    for (round, mood) in moods.iter().cycle().take(40).enumerate() {
        world.set_mood(*mood);
        for number in 0..7 {
            let body = format!("{round}.{number}");
            world.write(alice, "bob", &body);
            bodies.push(body);
        }
        world.run(Duration::from_millis(30 + 61 * (round as u64 % 7)));
    }
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(60));
    assert_eq!(world.person(bob).texts(), bodies);
    let mut delivered = world.person(alice).delivered();
    delivered.sort_unstable();
    delivered.dedup();
    assert_eq!(delivered.len(), bodies.len());
}
