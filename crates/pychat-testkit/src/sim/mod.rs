//! A simulated network under a virtual clock, and the protocol's machines on it.

mod network;
pub mod world;

pub use network::{Datagram, Network, Tapped};
