//! The work that is put on a server, a file for each kind.

mod relay;

pub use relay::{Load, Relay, relay};
