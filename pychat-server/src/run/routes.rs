//! Through which of several sockets a peer is answered: the one it wrote to.

use std::{collections::HashMap, net::SocketAddr};

/// Peers that are remembered; beyond it all are forgotten, and each is known again with its next
/// datagram.
const PEERS_MAX: usize = 65_536;

/// Strangers that are remembered until they are answered; beyond it all are forgotten.
const STRANGERS_MAX: usize = 1_024;

/// Knows each peer's socket. Keeps nothing for those who write to the first socket that can reach
/// them, which with one address is everybody.
#[derive(Debug)]
pub(super) struct Routes {
    /// Where each socket is bound.
    bound: Vec<SocketAddr>,
    others: HashMap<SocketAddr, usize>,
    /// Those without a session, apart: a flood of them pushes nobody else out.
    strangers: HashMap<SocketAddr, usize>,
}

impl Routes {
    /// Routes over sockets bound to these addresses; there is at least one.
    pub(super) fn new(bound: Vec<SocketAddr>) -> Self {
        Self { bound, others: HashMap::new(), strangers: HashMap::new() }
    }

    /// A datagram came in over `socket`.
    pub(super) fn learn(&mut self, peer: SocketAddr, socket: usize) {
        if socket == self.first_for(peer) {
            if !self.others.is_empty() {
                self.others.remove(&peer);
            }
            return;
        }
        if self.others.len() >= PEERS_MAX && !self.others.contains_key(&peer) {
            self.others.clear();
        }
        self.others.insert(peer, socket);
    }

    /// The same of somebody without a session.
    pub(super) fn learn_stranger(&mut self, peer: SocketAddr, socket: usize) {
        if socket == self.first_for(peer) {
            if !self.strangers.is_empty() {
                self.strangers.remove(&peer);
            }
            return;
        }
        if self.strangers.len() >= STRANGERS_MAX && !self.strangers.contains_key(&peer) {
            self.strangers.clear();
        }
        self.strangers.insert(peer, socket);
    }

    /// The socket for a peer.
    pub(super) fn socket_for(&self, peer: SocketAddr) -> usize {
        let known = self.others.get(&peer).or_else(|| self.strangers.get(&peer));
        known.copied().unwrap_or_else(|| self.first_for(peer))
    }

    fn first_for(&self, peer: SocketAddr) -> usize {
        let reaches = |bound: &SocketAddr| {
            // The IPv6 any-address takes IPv4, too.
            bound.is_ipv4() == peer.is_ipv4() || bound.is_ipv6() && bound.ip().is_unspecified()
        };
        self.bound.iter().position(reaches).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn routes(bound: &[&str]) -> Routes {
        Routes::new(bound.iter().map(|text| address(text)).collect())
    }

    #[test]
    fn a_peer_is_answered_from_where_it_wrote_to() {
        let mut routes = routes(&["10.0.0.1:7", "[fd00::1]:7", "10.0.0.1:8"]);
        let (v4, v6) = (address("192.0.2.1:5"), address("[2001:db8::1]:5"));
        assert_eq!((routes.socket_for(v4), routes.socket_for(v6)), (0, 1));
        routes.learn(v4, 2);
        assert_eq!(routes.socket_for(v4), 2);
        routes.learn(v4, 0);
        assert_eq!(routes.socket_for(v4), 0);
        assert!(routes.others.is_empty());
    }

    #[test]
    fn one_socket_for_both_families_needs_no_memory() {
        let mut routes = routes(&["[::]:7"]);
        for peer in ["192.0.2.1:5", "[2001:db8::1]:5"] {
            routes.learn(address(peer), 0);
            assert_eq!(routes.socket_for(address(peer)), 0);
        }
        assert!(routes.others.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut routes = routes(&["0.0.0.0:7", "0.0.0.0:8"]);
        let peer = |number: usize| {
            SocketAddr::from(([10, (number >> 16) as u8, (number >> 8) as u8, number as u8], 9))
        };
        (0..PEERS_MAX).for_each(|number| routes.learn(peer(number), 1));
        routes.learn(peer(0), 1);
        assert_eq!(routes.others.len(), PEERS_MAX);
        routes.learn(peer(PEERS_MAX), 1);
        assert_eq!(routes.others.len(), 1);
        assert_eq!(routes.socket_for(peer(PEERS_MAX)), 1);
    }

    #[test]
    fn a_flood_of_strangers_pushes_nobody_else_out() {
        let mut routes = routes(&["0.0.0.0:7", "0.0.0.0:8"]);
        let friend = address("192.0.2.1:5");
        routes.learn(friend, 1);
        let peer =
            |number: usize| SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 9));
        (0..STRANGERS_MAX).for_each(|number| routes.learn_stranger(peer(number), 1));
        assert_eq!((routes.strangers.len(), routes.socket_for(peer(0))), (STRANGERS_MAX, 1));
        routes.learn_stranger(peer(STRANGERS_MAX), 1);
        assert_eq!(routes.strangers.len(), 1);
        assert_eq!(routes.socket_for(friend), 1);
    }
}
