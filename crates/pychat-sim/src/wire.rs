//! What must hold for every datagram on the wire, as an eavesdropper sees it.

use pychat_testkit::sim::Tapped;
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

/// Checks each datagram; panics at the first that breaks a promise.
#[derive(Debug)]
pub struct WireCheck {
    server: SocketAddr,
    /// Connection id and packet number of every DATA packet: a key and nonce pair.
    nonces: HashSet<[u8; 15]>,
    /// Bytes that each address sent to the server, less those that it got, until it sent DATA.
    unproved: HashMap<SocketAddr, i64>,
    proved: HashSet<SocketAddr>,
    /// The packets that each program was given since it started, each counted once.
    taken: HashMap<usize, HashSet<Vec<u8>>>,
    /// No datagram may hold any of these.
    secrets: Vec<Vec<u8>>,
}

const TYPE_DATA: u8 = 0x40;

impl WireCheck {
    /// For a server at this address, and texts that must not be seen.
    #[must_use]
    pub fn new(server: SocketAddr, secrets: Vec<Vec<u8>>) -> Self {
        Self {
            server,
            nonces: HashSet::new(),
            unproved: HashMap::new(),
            proved: HashSet::new(),
            taken: HashMap::new(),
            secrets,
        }
    }

    /// Looks at one.
    ///
    /// # Panics
    /// It breaks a promise.
    pub fn look(&mut self, tapped: Tapped<'_>) {
        match tapped {
            Tapped::Sent(datagram) => {
                self.check_secrets(&datagram.bytes);
                self.check_nonce(&datagram.bytes);
                if datagram.from == self.server && !self.proved.contains(&datagram.to) {
                    let balance = self.unproved.entry(datagram.to).or_default();
                    *balance -= datagram.bytes.len() as i64;
                    assert!(*balance >= 0, "{} got more than it sent", datagram.to);
                }
            }
            Tapped::Delivered { datagram, .. } => {
                if datagram.to == self.server {
                    let from = datagram.from;
                    *self.unproved.entry(from).or_default() += datagram.bytes.len() as i64;
                    if datagram.bytes.first().is_some_and(|kind| kind & !1 == TYPE_DATA) {
                        self.proved.insert(from);
                    }
                }
            }
        }
    }

    /// A program is given a datagram.
    pub(crate) fn taken(&mut self, host: usize, bytes: &[u8]) {
        if bytes.len() >= 16 && bytes[0] & !1 == TYPE_DATA {
            self.taken.entry(host).or_default().insert(bytes.to_vec());
        }
    }

    /// A program ended.
    pub(crate) fn forget(&mut self, host: usize) {
        self.taken.remove(&host);
    }

    /// A program says that it took so many packets as authentic and new.
    ///
    /// # Panics
    /// They are more than it was given.
    pub(crate) fn check_opened(&self, host: usize, opened: u64) {
        let given = self.taken.get(&host).map_or(0, HashSet::len) as u64;
        assert!(opened <= given, "{opened} packets were taken, of {given} different ones");
    }

    fn check_nonce(&mut self, bytes: &[u8]) {
        if bytes.len() >= 16 && bytes[0] & !1 == TYPE_DATA {
            let mut nonce = [0; 15];
            nonce.copy_from_slice(&bytes[1..16]);
            assert!(self.nonces.insert(nonce), "a key and nonce pair was used twice");
        }
    }

    fn check_secrets(&self, bytes: &[u8]) {
        for secret in &self.secrets {
            let seen = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!seen, "a text is on the wire in the clear");
        }
    }
}
