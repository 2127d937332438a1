//! The same for a cluster: three NATS servers, three nodes and their people, in network namespaces.
//!
//! In each round people at several sites write to each other while two mishaps happen: any of the six programs is
//! killed or stopped, all NATS servers are killed at once, or some of them no longer reach each other.
//! Everything heals, everything must arrive, and the checker has the last word.

mod network;
mod people;
pub mod plan;
mod programs;
pub mod report;
pub mod run;
mod talk;
