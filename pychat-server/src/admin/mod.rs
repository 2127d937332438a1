//! Administration of a running server over a local socket.
//!
//! `api` says what may be asked, `client` asks, `socket` (on Windows a pipe) lets the operator in, `talk` talks to him, `desk` answers, `show`
//! turns answers into text.

pub mod api;
pub mod client;
mod desk;
pub mod show;
#[cfg_attr(windows, path = "pipe.rs")]
mod socket;
pub(crate) mod stats;
mod talk;
mod words;

pub(crate) use desk::Desk;
pub(crate) use socket::Socket;
