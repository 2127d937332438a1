//! The server's nodes as one client sees them: which it tries, and in which order.

use super::ADDRESSES_MAX;
use crate::{
    Instant,
    crypto::{self, Rng},
};
use std::net::SocketAddr;

/// Nodes that are known at once; those after them are left out. Whoever loses its node needs one other, and of
/// sixteen one is there. docs/PROTOCOL.md, "Nodes".
pub(crate) const NODES_MAX: usize = 16;

/// The server's nodes.
///
/// A client likes the nodes in an order that it draws for itself, so that many clients spread evenly, and those
/// of a node that is gone spread evenly over the others. The order rests on a secret and the nodes' addresses
/// alone: a new look-up, or a node more, moves nobody who need not move.
#[derive(Default)]
pub(super) struct Nodes {
    /// In the order of liking; a single one as it was given.
    known: Vec<Node>,
    /// What the liking is drawn from, once there are several.
    salt: Option<[u8; 32]>,
    /// The address of the present session, or of the last one.
    home: Option<SocketAddr>,
}

struct Node {
    /// In the order in which they are tried.
    addresses: Vec<SocketAddr>,
    /// It sent us away, and wants to be left alone until then.
    avoided_until: Option<Instant>,
}

impl Node {
    fn is_free(&self, now: Instant) -> bool {
        self.avoided_until.is_none_or(|until| until <= now)
    }
}

impl Nodes {
    /// These are the nodes now, each with its addresses.
    pub(super) fn set(&mut self, nodes: Vec<Vec<SocketAddr>>, rng: &mut Rng) {
        let nodes = nodes.into_iter().filter(|addresses| !addresses.is_empty()).take(NODES_MAX);
        let mut known: Vec<Node> = nodes
            .map(|mut addresses| {
                addresses.truncate(ADDRESSES_MAX);
                let before = self.known.iter().find(|node| shares(&node.addresses, &addresses));
                let avoided_until = before.and_then(|node| node.avoided_until);
                Node { addresses, avoided_until }
            })
            .collect();
        if known.len() > 1 {
            let salt = self.salt.get_or_insert_with(|| rng.bytes());
            known.sort_by_cached_key(|node| rank(salt, &node.addresses));
        }
        self.known = known;
    }

    /// Whether there is more than one.
    pub(super) fn are_several(&self) -> bool {
        self.known.len() > 1
    }

    /// The session is at this address now.
    pub(super) fn settle(&mut self, home: SocketAddr) {
        self.home = Some(home);
    }

    /// The node at `address` wants to be left alone until then.
    pub(super) fn avoid(&mut self, address: SocketAddr, until: Instant) {
        if let Some(node) = self.known.iter_mut().find(|node| node.addresses.contains(&address)) {
            node.avoided_until = Some(until);
        }
    }

    /// When a node may be tried; `None` without nodes.
    pub(super) fn free_at(&self, now: Instant) -> Option<Instant> {
        self.known.iter().map(|node| node.avoided_until.unwrap_or(now).max(now)).min()
    }

    /// Where to log in: at the node where we are or were last, then at the others as we like them. Who sent us
    /// away is left out while anybody else is there.
    pub(super) fn addresses(&self, now: Instant) -> Vec<SocketAddr> {
        let (home, others) = self.divided();
        self.free_of(home.into_iter().chain(others), now)
    }

    /// Where to log in beside a session that is silent.
    pub(super) fn others(&self, now: Instant) -> Vec<SocketAddr> {
        let (_, others) = self.divided();
        self.free_of(others.into_iter(), now)
    }

    /// All addresses, those of the silent session's node last.
    pub(super) fn others_first(&self, now: Instant) -> Vec<SocketAddr> {
        let (home, others) = self.divided();
        self.free_of(others.into_iter().chain(home), now)
    }

    /// Where to log in for fresh keys: where we are.
    pub(super) fn here(&self, now: Instant) -> Vec<SocketAddr> {
        match self.divided() {
            (Some(home), _) => home.addresses.clone(),
            (None, _) => self.addresses(now),
        }
    }

    fn divided(&self) -> (Option<&Node>, Vec<&Node>) {
        let is_home = |node: &&Node| self.home.is_some_and(|home| node.addresses.contains(&home));
        let (mut home, mut others): (Vec<&Node>, Vec<&Node>) = self.known.iter().partition(is_home);
        let first = if home.is_empty() { None } else { Some(home.remove(0)) };
        others.extend(home);
        (first, others)
    }

    fn free_of<'a>(&self, nodes: impl Iterator<Item = &'a Node>, now: Instant) -> Vec<SocketAddr> {
        let (free, avoided): (Vec<_>, Vec<_>) = nodes.partition(|node| node.is_free(now));
        let tried = if free.is_empty() || !self.are_several() {
            free.into_iter().chain(avoided).collect()
        } else {
            free
        };
        tried.into_iter().flat_map(|node| node.addresses.iter().copied()).collect()
    }
}

fn shares(addresses: &[SocketAddr], others: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| others.contains(address))
}

/// How little a client likes a node.
fn rank(salt: &[u8; 32], addresses: &[SocketAddr]) -> [u8; 16] {
    // A look-up may tell the addresses in another order each time.
    let name = addresses.iter().min().map(ToString::to_string).unwrap_or_default();
    crypto::mac(salt, &[name.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, time::Duration};

    const NOW: Instant = Instant::from_micros(1_000_000);

    fn address(node: u8) -> SocketAddr {
        ([10, 0, 0, node], 7420).into()
    }

    fn of(numbers: impl IntoIterator<Item = u8>) -> Vec<Vec<SocketAddr>> {
        numbers.into_iter().map(|number| vec![address(number)]).collect()
    }

    fn nodes(numbers: impl IntoIterator<Item = u8>, seed: u64) -> (Nodes, Rng) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let (mut nodes, mut rng) = (Nodes::default(), Rng::new(bytes));
        nodes.set(of(numbers), &mut rng);
        (nodes, rng)
    }

    #[test]
    fn a_single_node_is_tried_in_the_order_given_and_draws_nothing() {
        let mut rng = Rng::new([1; 32]);
        let before = rng.clone().u64();
        let mut nodes = Nodes::default();
        let given = vec![address(9), address(3), address(5)];
        nodes.set(vec![given.clone()], &mut rng);
        nodes.avoid(address(9), NOW + Duration::from_secs(1));
        assert_eq!(nodes.addresses(NOW), given);
        assert_eq!(rng.u64(), before);
    }

    #[test]
    fn clients_spread_evenly_and_those_of_a_dead_node_over_the_others() {
        const CLIENTS: u64 = 6000;
        let (mut first, mut second) = (BTreeMap::new(), BTreeMap::new());
        for seed in 0..CLIENTS {
            let (nodes, _) = nodes(1..=3, seed);
            let order = nodes.addresses(NOW);
            *first.entry(order[0]).or_insert(0) += 1;
            if order[0] == address(1) {
                *second.entry(order[1]).or_insert(0) += 1;
            }
        }
        assert!(first.len() == 3 && first.values().all(|count| (1850..2150).contains(count)));
        let half = first[&address(1)] / 2;
        assert!(second.len() == 2);
        assert!(
            second.values().all(|count| (half - 120..half + 120).contains(count)),
            "{second:?}"
        );
    }

    #[test]
    fn a_node_more_or_less_moves_only_who_has_to() {
        for seed in 0..200 {
            let (mut nodes, mut rng) = nodes(1..=4, seed);
            let before = nodes.addresses(NOW);
            nodes.set(of([4, 2, 1, 3, 5]), &mut rng);
            let after: Vec<_> =
                nodes.addresses(NOW).into_iter().filter(|it| *it != address(5)).collect();
            assert_eq!(after, before);
        }
    }

    #[test]
    fn where_we_are_comes_first_and_who_sent_us_away_not_at_all() {
        let (mut nodes, mut rng) = nodes(1..=3, 7);
        let liked = nodes.addresses(NOW);
        nodes.settle(liked[2]);
        assert_eq!(nodes.addresses(NOW), [liked[2], liked[0], liked[1]]);
        assert_eq!(nodes.others(NOW), liked[..2]);
        assert_eq!(nodes.others_first(NOW), liked);
        assert_eq!(nodes.here(NOW), [liked[2]]);
        let until = NOW + Duration::from_secs(9);
        nodes.avoid(liked[2], until);
        nodes.set(of(1..=3), &mut rng);
        assert_eq!(nodes.addresses(NOW), liked[..2], "also after a look-up");
        assert_eq!(nodes.free_at(NOW), Some(NOW));
        assert_eq!(nodes.addresses(until), [liked[2], liked[0], liked[1]]);
        nodes.avoid(liked[0], until + Duration::from_secs(1));
        nodes.avoid(liked[1], until + Duration::from_secs(1));
        assert_eq!(nodes.free_at(NOW), Some(until), "the first that may be tried");
        assert_eq!(nodes.addresses(NOW).len(), 3, "where all sent us away, all are left");
    }

    #[test]
    fn so_many_nodes_are_known_and_no_more() {
        for (count, expected) in [(NODES_MAX, NODES_MAX), (NODES_MAX + 1, NODES_MAX)] {
            let (nodes, _) = nodes((0..count).map(|n| n as u8), 1);
            assert_eq!(nodes.addresses(NOW).len(), expected);
        }
    }
}
