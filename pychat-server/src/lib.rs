//! The PyChat server: shards with sessions, a committer, and a store behind a trait.

pub mod committer;
pub mod store;
