//! What so many users need: a model that multiplies, and a simulation of people, shards, streams and servers beside
//! it, to see where multiplication is wrong. docs/SCALING.md, "How far it goes".
//!
//! [`Model`] computes the document's table. [`play()`] plays some seconds of the busiest hour with all who are connected,
//! and then a node's death: people who talk (`traffic`) and whom their number and the seed describe (`people`),
//! queues with the measured costs (`cluster`), the server's own choice of shard and stream. [`report()`] puts both beside each
//! other.

mod cluster;
mod death;
mod errand;
mod figures;
mod model;
mod people;
mod phase;
mod play;
mod proofs;
mod queues;
mod report;
mod traffic;

pub use model::{Deployment, Model};
pub use play::{Outcome, Plan, play};
pub use report::report;

/// Fewest and most users that are played: fewer are no crowd, and more would need numbers, names and streams of another
/// size.
pub const USERS: [u32; 2] = [10_000, 100_000_000];
