//! Administration of a running server over a local socket.
//!
//! `api` says what may be asked, `client` asks, `socket` lets the operator in, `desk` answers, `show`
//! turns answers into text.

pub mod api;
pub mod client;
mod desk;
pub mod show;
#[cfg(unix)]
mod socket;
#[cfg(not(unix))]
#[path = "no_socket.rs"]
mod socket;
pub(crate) mod stats;
mod words;

pub(crate) use desk::Desk;
pub(crate) use socket::Socket;
