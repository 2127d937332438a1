//! Bytes to and from addresses that have proved nothing.

use crate::pair::Datagram;
use std::{collections::BTreeMap, net::SocketAddr};

/// Holds a server to its promise: never more bytes out than came in.
pub(crate) struct Ledger {
    server: SocketAddr,
    balance: BTreeMap<SocketAddr, usize>,
}

impl Ledger {
    pub(crate) const fn new(server: SocketAddr) -> Self {
        Self { server, balance: BTreeMap::new() }
    }

    /// The server received so much from an address.
    pub(crate) fn received(&mut self, from: SocketAddr, bytes: usize) {
        *self.balance.entry(from).or_default() += bytes;
    }

    /// The server sent these.
    pub(crate) fn sent_all(&mut self, datagrams: &[Datagram]) {
        let server = self.server;
        for datagram in datagrams.iter().filter(|datagram| datagram.from == server) {
            self.sent(datagram.to, datagram.bytes.len());
        }
    }

    /// The server sent so much to an address.
    pub(crate) fn sent(&mut self, to: SocketAddr, bytes: usize) {
        let left = self.balance.entry(to).or_default();
        assert!(*left >= bytes, "{to} got {bytes} bytes and had sent only {left} more than it got");
        *left -= bytes;
    }
}
