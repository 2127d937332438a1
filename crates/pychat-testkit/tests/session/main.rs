//! The protocol's promises, client and server together, on a simulated network. One file a topic.
//!
//! Every test prints its seed; the same seed gives the same run.

mod handshake;
mod hostile;
mod loss;
mod messages;
mod migration;
mod restart;

use pychat_testkit::{faults::Faults, sim::world::World};
use std::time::Duration;

/// From a client to the server, unless a test says otherwise.
const ONE_WAY: Duration = Duration::from_millis(50);
const ROUND_TRIP: Duration = Duration::from_millis(100);

const SECOND: Duration = Duration::from_secs(1);

/// A world on a network with a round trip of 100 ms and no other faults.
fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.network.set_all_faults(Faults::delayed(ONE_WAY));
    world
}

/// The same with one client, logged in and quiet.
fn connected(seed: u64) -> World {
    let mut world = world(seed);
    world.join();
    world.run_until_connected();
    world.run_for(SECOND);
    world
}

/// A message that differs from all others.
fn message(number: usize, bytes: usize) -> Vec<u8> {
    let mut text = format!("message {number} ").into_bytes();
    text.resize(bytes.max(text.len()), b'x');
    text
}
