//! Tables that end.

use super::{Options, World, person::Device, store::Mood};
use crate::shard::SKIP_MAX;
use pychat_proto::{CloseCode, Lane};
use std::time::Duration;

#[test]
fn accepted_logins_that_never_come_are_forgotten() {
    let mut world = World::new(Options::default());
    let ghost = world.join(Device::new("ghost", 9));
    // Its first datagram arrives, and it never hears the answer.
    let now = world.now();
    let mut buffer = Vec::new();
    let address = world.person(ghost).address;
    world.person(ghost).client.handle_timeout(now.mono);
    world.person(ghost).client.poll_transmit(now.mono, &mut buffer).unwrap();
    world.person(ghost).client.close(now.mono);
    let shard = usize::from(address.port()) % world.shards.len();
    world.shards[shard].handle_datagram(now, address, &mut buffer);
    world.run(Duration::from_millis(1));
    let accepted =
        |world: &World| world.shards.iter().map(|shard| shard.applicants.accepted()).sum::<usize>();
    assert_eq!(accepted(&world), 1);
    world.run(Duration::from_secs(61));
    assert_eq!(accepted(&world), 0);
    assert!(world.shards.iter().all(|shard| shard.sessions() == 0));
}

#[test]
fn a_session_that_ends_leaves_nothing_behind() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    world.set_mood(Mood::WritesNothing);
    world.write(alice, "bob", "hello");
    world.settle();
    world.leave(alice);
    world.leave(bob);
    for shard in &world.shards {
        assert!(shard.sessions.is_empty() && shard.stalled.is_empty());
        assert_eq!(shard.jobs_under_way(), 0);
    }
}

#[test]
fn the_farthest_skip_is_taken_and_one_beyond_it_is_a_breach() {
    let (mut world, [alice, bob]) = World::with_people(Options::default(), ["alice", "bob"]);
    let now = world.now().mono;
    world.person(alice).client.skip(now, Lane::CHAT, SKIP_MAX);
    world.person(bob).client.skip(now, Lane::CHAT, SKIP_MAX.next());
    world.run(Duration::from_millis(500));
    assert_eq!(world.person(alice).committed, SKIP_MAX);
    assert_eq!(world.person(alice).ended, []);
    assert_eq!(world.person(bob).ended[0].0, CloseCode::Protocol);
}
