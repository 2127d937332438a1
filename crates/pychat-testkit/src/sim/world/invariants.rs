//! What must hold for every datagram on the wire, whatever the network does.
//!
//! - A nonce is used once: no two DATA packets of one direction share connection id and number.
//! - No datagram is longer than the protocol allows.
//! - An address that has proved nothing gets no more bytes than it sent, and one that a session has
//!   just moved to at most three times as many.

use super::Wiretap;
use crate::sim::{Datagram, Tapped};
use pychat_proto::DATAGRAM_BYTES_MAX;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// Bytes in front of a DATA packet's ciphertext: type, connection id, packet number.
const HEADER_BYTES: usize = 16;

/// Bytes that may go to an address after a move for each one that came from it.
const MOVED_FACTOR: u64 = 3;

/// Watches a server's datagrams.
#[derive(Debug)]
pub struct Invariants {
    server: SocketAddr,
    used: BTreeSet<(SocketAddr, Vec<u8>)>,
    clients: BTreeMap<SocketAddr, Client>,
    broken: Option<String>,
}

/// What the server owes to one address.
#[derive(Debug)]
struct Client {
    proof: Proof,
    bytes_in: u64,
    bytes_out: u64,
}

/// What is known of an address, from the outside.
///
/// ```text
/// Nothing --INIT--> Handshake --DATA--> Proved
///    `-----DATA--> Moved --reached--> Reached --DATA--> Proved
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// No word from it.
    Nothing,
    /// It sent an INIT, which anybody can forge.
    Handshake,
    /// It sent DATA of a session that was elsewhere before.
    Moved,
    /// It moved, and a datagram of the server has reached it.
    Reached,
    /// It answered to what only it could read.
    Proved,
}

impl Invariants {
    /// Watches the datagrams of the server at this address.
    #[must_use]
    pub const fn new(server: SocketAddr) -> Self {
        Self { server, used: BTreeSet::new(), clients: BTreeMap::new(), broken: None }
    }

    /// The first promise that was broken.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Looks at a datagram.
    pub fn see(&mut self, tapped: Tapped<'_>) {
        let verdict = match tapped {
            Tapped::Sent(datagram) => self.sent(datagram),
            Tapped::Delivered { datagram, outside } => {
                self.delivered(datagram, outside);
                Ok(())
            }
        };
        if let (Err(broken), None) = (verdict, &self.broken) {
            self.broken = Some(broken);
        }
    }

    fn sent(&mut self, datagram: &Datagram) -> Result<(), String> {
        let Datagram { from, to, bytes } = datagram;
        if bytes.len() > DATAGRAM_BYTES_MAX {
            return Err(format!("a datagram of {} bytes from {from}", bytes.len()));
        }
        if kind(bytes) == Wiretap::DATA {
            let Some(header) = bytes.get(1..HEADER_BYTES) else {
                return Err(format!("a DATA packet without a header from {from}"));
            };
            if !self.used.insert((*from, header.to_vec())) {
                return Err(format!("{from} used a nonce twice: {header:02x?}"));
            }
        }
        if *from == self.server { self.owe(*to, bytes.len() as u64) } else { Ok(()) }
    }

    /// The server sends: may it send so much?
    fn owe(&mut self, to: SocketAddr, bytes: u64) -> Result<(), String> {
        let client = self.clients.entry(to).or_insert(Client::UNKNOWN);
        client.bytes_out += bytes;
        let allowed = match client.proof {
            Proof::Nothing | Proof::Handshake => client.bytes_in,
            Proof::Moved | Proof::Reached => client.bytes_in * MOVED_FACTOR,
            Proof::Proved => u64::MAX,
        };
        if client.bytes_out > allowed {
            Err(format!("{to} gets too much: {client:?}"))
        } else {
            Ok(())
        }
    }

    fn delivered(&mut self, datagram: &Datagram, outside: SocketAddr) {
        let Datagram { from, to, bytes } = datagram;
        if *to == self.server {
            let client = self.clients.entry(*from).or_insert(Client::UNKNOWN);
            client.bytes_in += bytes.len() as u64;
            client.proof = match (client.proof, kind(bytes)) {
                (Proof::Nothing, Wiretap::INIT) => Proof::Handshake,
                (Proof::Nothing, Wiretap::DATA) => Proof::Moved,
                (Proof::Handshake | Proof::Reached, Wiretap::DATA | Wiretap::FIN) => Proof::Proved,
                (proof, _) => proof,
            };
        } else if *from == self.server {
            match self.clients.get_mut(&outside) {
                Some(client) if client.proof == Proof::Moved => client.proof = Proof::Reached,
                Some(_) | None => {}
            }
        }
    }
}

impl Client {
    const UNKNOWN: Self = Self { proof: Proof::Nothing, bytes_in: 0, bytes_out: 0 };
}

fn kind(bytes: &[u8]) -> u8 {
    match bytes.first() {
        Some(kind) if kind & !1 == Wiretap::DATA => Wiretap::DATA,
        Some(kind) => *kind,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 1))
    }

    fn data(number: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        (bytes[0], bytes[HEADER_BYTES - 1]) = (Wiretap::DATA, number);
        bytes
    }

    fn watch(traffic: &[(u8, u8, Vec<u8>)]) -> Option<String> {
        let mut invariants = Invariants::new(address(1));
        for (from, to, bytes) in traffic {
            let (from, to) = (address(*from), address(*to));
            let datagram = Datagram { from, to, bytes: bytes.clone() };
            invariants.see(Tapped::Sent(&datagram));
            invariants.see(Tapped::Delivered { datagram: &datagram, outside: to });
        }
        invariants.broken().map(str::to_owned)
    }

    #[test]
    fn a_nonce_used_twice_is_found() {
        assert_eq!(watch(&[(2, 1, data(1, 40)), (2, 1, data(2, 40)), (3, 1, data(1, 40))]), None);
        let twice = watch(&[(2, 1, data(1, 40)), (2, 1, data(1, 50))]).unwrap();
        assert!(twice.contains("nonce twice"), "{twice}");
    }

    #[test]
    fn an_unproved_address_gets_as_much_as_it_sent() {
        let init = |length| vec![Wiretap::INIT; length];
        assert_eq!(watch(&[(2, 1, init(100)), (1, 2, init(100))]), None);
        assert!(watch(&[(2, 1, init(100)), (1, 2, init(101))]).is_some());
        assert!(watch(&[(1, 2, init(1))]).is_some());
        let proved = [(2, 1, init(100)), (2, 1, data(1, 40)), (1, 2, data(1, 1_000))];
        assert_eq!(watch(&proved), None);
    }

    #[test]
    fn an_address_moved_to_gets_three_times_as_much_until_it_answers() {
        assert_eq!(watch(&[(2, 1, data(1, 40)), (1, 2, data(1, 120))]), None);
        assert!(watch(&[(2, 1, data(1, 40)), (1, 2, data(1, 121))]).is_some());
        let answered =
            [(2, 1, data(1, 40)), (1, 2, data(1, 40)), (2, 1, data(2, 40)), (1, 2, data(2, 900))];
        assert_eq!(watch(&answered), None);
    }

    #[test]
    fn a_datagram_over_the_limit_is_found() {
        assert_eq!(watch(&[(2, 1, data(1, DATAGRAM_BYTES_MAX))]), None);
        assert!(watch(&[(2, 1, data(1, DATAGRAM_BYTES_MAX + 1))]).is_some());
    }
}
