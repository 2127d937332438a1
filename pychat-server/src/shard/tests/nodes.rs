//! What clients are told of the server's nodes.

use super::{Options, World};
use pychat_proto::{Place, chat::NODES_MAX};

fn places(count: usize) -> Vec<Place> {
    (0..count).map(|number| format!("n{number}").parse().unwrap()).collect()
}

fn set_nodes(world: &mut World, nodes: &[Place]) {
    let now = world.now();
    world.shards.iter_mut().for_each(|shard| shard.set_nodes(now, nodes));
    world.settle();
}

#[test]
fn a_server_that_knows_of_no_nodes_tells_nothing() {
    let (mut world, [alice]) = World::with_people(Options::default(), ["alice"]);
    assert!(world.person(alice).nodes.is_empty());
}

#[test]
fn nodes_are_told_after_a_login_and_when_they_change() {
    let (mut world, [alice]) = World::with_people(Options::default(), ["alice"]);
    set_nodes(&mut world, &places(2));
    assert_eq!(world.person(alice).nodes, [places(2)], "who is here is told");
    let bob = world.join_as("bob");
    world.settle();
    assert_eq!(world.person(bob).nodes, [places(2)], "who comes is told");
    set_nodes(&mut world, &places(2));
    assert_eq!(world.person(alice).nodes.len(), 1, "no news");
    set_nodes(&mut world, &[]);
    assert_eq!(world.person(alice).nodes, [places(2), vec![]]);
    world.leave(alice);
    world.come_back(alice);
    assert_eq!(world.person(alice).nodes.len(), 3, "that there are none is told, too");
}

#[test]
fn as_many_nodes_are_told_as_a_note_has_room_for() {
    let (mut world, [alice]) = World::with_people(Options::default(), ["alice"]);
    set_nodes(&mut world, &places(NODES_MAX + 1));
    assert_eq!(world.person(alice).nodes, [places(NODES_MAX)]);
    let long: Vec<Place> =
        (0..9).map(|number| format!("{}{number}", "h".repeat(200)).parse().unwrap()).collect();
    set_nodes(&mut world, &long);
    assert_eq!(world.person(alice).nodes[1], long[..4]);
}
