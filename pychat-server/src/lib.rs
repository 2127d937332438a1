//! The PyChat server: shards with sessions, a committer, and a store behind a trait.
//!
//! [`shard`] and [`committer`] are the server, without a clock or a socket; [`run`] gives them
//! threads, sockets and signals, and [`bell`] wakes them; [`metrics`] tells how they are; [`cli`], [`config`] and [`identity`] are what surrounds a program.

pub mod admin;
pub mod bell;
pub mod cli;
mod cluster;
pub mod committer;
pub mod config;
pub mod identity;
pub mod metrics;
pub mod migrate;
pub mod person;
mod random;
pub mod run;
pub mod shard;
pub mod store;
