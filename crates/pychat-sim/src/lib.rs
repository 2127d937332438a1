//! The whole of PyChat in one thread under a virtual clock: daemons' cores, server shards, the
//! committer and real SQLite databases, on a simulated network, with crashes at any write to disk.
//!
//! One seed decides everything. [`World::run`] plays it and checks the promises while it goes. [`soak`] plays
//! the server alone, on a real disk, for a day. [`capacity`] plays no code of PyChat's, but what it costs, with millions of users.

pub mod capacity;
mod daemon;
mod disk;
mod keys;
mod machine;
mod server;
pub mod soak;
mod trace;
mod wire;
mod world;

pub use wire::WireCheck;
pub use world::{Outcome, Plan, World};
