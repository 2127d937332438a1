//! The relay as its users see it: real clients, real shards, a real store in memory, and a time
//! that passes only when nothing else is left to do.

mod bounds;
mod cluster;
mod delivery;
mod failing;
mod keys;
mod logins;
mod nodes;
mod person;
mod refusals;
mod store;
mod world;

use world::{Options, World};
