//! The echo peer.

use super::{Options, World, store::Mood};
use pychat_proto::chat::ToClient;
use std::time::Duration;

fn options(shards: u8) -> Options {
    Options { shards, dev_echo: true, ..Options::default() }
}

#[test]
fn it_answers_each_text_with_the_same_text() {
    for shards in [1, 3] {
        let (mut world, [alice]) = World::with_people(options(shards), ["alice"]);
        let bodies: Vec<String> = (0..200).map(|number| format!("text {number}")).collect();
        let ids: Vec<_> = bodies.iter().map(|body| world.write(alice, "echo", body)).collect();
        world.run(Duration::from_secs(10));
        assert_eq!(world.person(alice).texts(), bodies);
        assert_eq!(world.person(alice).delivered(), ids);
        let read = |entry: &ToClient| matches!(entry, ToClient::Read { .. });
        assert_eq!(world.person(alice).inbox.iter().filter(|(_, entry)| read(entry)).count(), 200);
    }
}

#[test]
fn without_dev_there_is_no_such_user() {
    let (mut world, [alice]) = World::with_people(Options::default(), ["alice"]);
    world.write(alice, "echo", "hello");
    world.settle();
    assert_eq!(world.person(alice).refused.len(), 1);
}

#[test]
fn it_answers_what_came_before_a_restart_and_while_the_store_failed() {
    let (mut world, [alice]) = World::with_people(options(2), ["alice"]);
    world.set_mood(Mood::WritesNothing);
    world.write(alice, "echo", "one");
    world.run(Duration::from_secs(5));
    world.set_mood(Mood::Works);
    world.run(Duration::from_secs(20));
    world.write(alice, "echo", "two");
    world.restart();
    world.run(Duration::from_secs(120));
    assert_eq!(world.person(alice).texts(), ["one", "two"]);
}
