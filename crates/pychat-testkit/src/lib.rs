//! What PyChat's tests run on.
//!
//! - [`sim`]: a simulated network under a virtual clock. Seconds of bad network take milliseconds,
//!   and the same seed gives the same run, byte for byte.
//! - [`proxy`]: the same faults on real sockets, for the real programs.
//! - [`harness`]: the real programs in private directories, stopped and killed as a test likes.
//!
//! [`faults`] describes what a network does to datagrams; both networks obey it.

pub mod dice;
pub mod faults;
pub mod harness;
pub mod proxy;
pub mod sim;
