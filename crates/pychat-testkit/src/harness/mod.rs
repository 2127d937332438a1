//! The real programs, in private directories on free loopback ports.
//!
//! [`Server`] is a `pychat-server`, [`Profile`] is one person's `pychatctl` and `pychatd`, and
//! [`Tmux`] a terminal. All stop what they started when dropped. Everything waits with a deadline, and
//! what fails says what the programs wrote.

mod log;
pub mod nats;
mod process;
mod profile;
mod programs;
mod run;
mod server;
#[cfg(unix)]
mod tmux;

pub use process::{is_running, kill9_and_wait};
pub use profile::{CTL_DEADLINE, Profile};
pub use programs::Programs;
pub use run::{Output, Running};
pub use server::{Options, Server};
#[cfg(unix)]
pub use tmux::{Modes, PROMPT, Tmux};

use pychat_proto::JoinLink;
use std::net::SocketAddr;

/// `link` to the same server, but by way of `address`, a proxy's.
#[must_use]
pub fn link_via(link: &JoinLink, address: SocketAddr) -> JoinLink {
    JoinLink::to_place(address.into(), link.key)
}

#[cfg(test)]
mod tests;
