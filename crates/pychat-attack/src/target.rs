//! The server under attack.

use pychat_proto::PublicKey;
use pychat_testkit::harness::Server;
use std::net::SocketAddr;

/// What an attacker knows of a server, and what we know besides.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its public key, which every join link names.
    pub key: PublicKey,
    /// Its process.
    pub pid: u32,
}

impl Target {
    /// A server of the harness.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        Self {
            address: server.address(),
            key: server.printed_link().key.expect("a server's link names its key"),
            pid: server.pid().expect("the server runs"),
        }
    }
}
