//! From a host's name to its addresses, in the order in which they are tried.

use crate::{address::canonical, srv};
use pychat_proto::{DEFAULT_PORT, Node, Place};
use std::{io, net::SocketAddr, pin::pin, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

/// Most addresses that one look-up yields. A server has a handful; a name with hundreds would only
/// make the race for the first answer a flood.
pub const ADDRESSES_MAX: usize = 8;

/// Most nodes that one look-up yields: as many as a client takes. docs/PROTOCOL.md, "Limits".
pub const NODES_MAX: usize = pychat_proto::chat::NODES_MAX;

/// Places that are looked up: those of a link and those that the server told.
const PLACES_MAX: usize = pychat_proto::HOSTS_MAX + NODES_MAX;

/// Once the first place is found, others may take so much longer: one is enough to begin with.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long SRV records may take where the name has addresses of its own, and where it has none.
const SRV_PATIENCE: Duration = Duration::from_millis(500);
const SRV_MAX: Duration = Duration::from_secs(2);

/// Looks places up, all at once, and tells the nodes there, in the places' order. A name may have SRV records,
/// which name several nodes, and several addresses, of which each pair of IPv6 and IPv4 is taken for a node. An
/// address occurs once; what is left out is what comes last.
///
/// # Errors
/// Not one of them was found; what is said of the first to fail.
pub async fn resolve_nodes(places: &[Place]) -> io::Result<Vec<Node>> {
    let found = look_up(places, |place| async move { named_by(&place).await }).await?;
    let mut nodes: Vec<Node> = Vec::new();
    for Node { place, mut addresses } in found {
        addresses.retain(|address| !nodes.iter().any(|node| node.addresses.contains(address)));
        if !addresses.is_empty() && nodes.len() < NODES_MAX {
            nodes.push(Node { place, addresses });
        }
    }
    Ok(nodes)
}

/// Looks each place up in its own way, all at once.
async fn look_up<F>(places: &[Place], way: fn(Place) -> F) -> io::Result<Vec<Node>>
where
    F: Future<Output = io::Result<Vec<Node>>> + Send + 'static,
{
    let mut asked = JoinSet::new();
    for (index, place) in places.iter().take(PLACES_MAX).cloned().enumerate() {
        let answer = way(place);
        asked.spawn(async move { (index, answer.await) });
    }
    let (mut found, mut failure, mut deadline) = (Vec::new(), None, None);
    loop {
        let next = match deadline {
            Some(deadline) => timeout_at(deadline, asked.join_next()).await.ok().flatten(),
            None => asked.join_next().await,
        };
        match next {
            Some(Ok((index, Ok(nodes)))) => {
                found.push((index, nodes));
                deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            }
            Some(Ok((_, Err(error)))) => drop(failure.get_or_insert(error)),
            Some(Err(_)) => {}
            None => break,
        }
    }
    if found.is_empty() {
        return Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
    }
    found.sort_by_key(|(index, _)| *index);
    Ok(found.into_iter().flat_map(|(_, nodes)| nodes).collect())
}

/// The nodes that a place leads to, by SRV records if it has any: only a place at the default port, as any other
/// is where somebody put a server on purpose.
async fn named_by(place: &Place) -> io::Result<Vec<Node>> {
    if place.port() != DEFAULT_PORT || !srv::may_have(place.host()) {
        return nodes_at(place).await;
    }
    let mut records = pin!(srv::look_up(place.host()));
    let (own, early) = tokio::join!(nodes_at(place), timeout(SRV_PATIENCE, &mut records));
    let named = match (early, &own) {
        (Ok(named), _) => named,
        (Err(_), Ok(_)) => Vec::new(),
        (Err(_), Err(_)) => timeout(SRV_MAX, records).await.unwrap_or_default(),
    };
    if named.is_empty() {
        return own;
    }
    match look_up(&named, |place| async move { nodes_at(&place).await }).await {
        Ok(nodes) => Ok(nodes),
        Err(_) => own,
    }
}

/// The nodes at a place's own addresses.
async fn nodes_at(place: &Place) -> io::Result<Vec<Node>> {
    let addresses = resolve(place.host(), place.port()).await?;
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let pairs = std::iter::from_fn(|| {
        let addresses: Vec<_> = v6.next().into_iter().chain(v4.next()).collect();
        (!addresses.is_empty()).then(|| Node { place: place.clone(), addresses })
    });
    Ok(pairs.collect())
}

/// Looks `host` up: a name or an address. IPv6 and IPv4 take turns, IPv6 first, so that a dead
/// family costs one try; at most [`ADDRESSES_MAX`].
///
/// # Errors
/// The name has no address, or the resolver cannot be reached.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses = interleave(tokio::net::lookup_host((host, port)).await?);
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")));
    }
    Ok(addresses)
}

fn interleave(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut unique = Vec::new();
    for address in found.map(canonical) {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    let (v6, v4): (Vec<_>, Vec<_>) = unique.into_iter().partition(SocketAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut turns = Vec::new();
    loop {
        let pair = [v6.next(), v4.next()];
        if pair == [None, None] {
            break;
        }
        turns.extend(pair.into_iter().flatten());
    }
    turns.truncate(ADDRESSES_MAX);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_repeats_are_dropped() {
        let found = addresses(&["1.0.0.1:9", "1.0.0.2:9", "[::ffff:1.0.0.1]:9", "[2::1]:9"]);
        let expected = addresses(&["[2::1]:9", "1.0.0.1:9", "1.0.0.2:9"]);
        assert_eq!(interleave(found.into_iter()), expected);
    }

    #[test]
    fn a_name_with_too_many_addresses_is_cut_at_the_bound() {
        for count in [ADDRESSES_MAX, ADDRESSES_MAX + 1] {
            let found = (0..count).map(|i| SocketAddr::from(([10, 0, 0, i as u8], 9)));
            assert_eq!(interleave(found).len(), ADDRESSES_MAX);
        }
    }

    #[tokio::test]
    async fn an_address_resolves_to_itself() {
        assert_eq!(resolve("127.0.0.1", 7).await.unwrap(), addresses(&["127.0.0.1:7"]));
        assert_eq!(resolve("::1", 7).await.unwrap(), addresses(&["[::1]:7"]));
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_is_an_error() {
        assert!(resolve("no such host", 7).await.is_err());
    }

    fn places(texts: &[&str]) -> Vec<Place> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn places_become_nodes_in_their_order_and_each_address_one_once() {
        let asked = places(&["127.0.0.2:7", "[::1]:8", "127.0.0.2:7", "[::ffff:127.0.0.2]:7"]);
        let nodes = resolve_nodes(&asked).await.unwrap();
        let found: Vec<_> = nodes.iter().map(|node| node.addresses.clone()).collect();
        assert_eq!(found, [addresses(&["127.0.0.2:7"]), addresses(&["[::1]:8"])]);
        assert_eq!(nodes[0].place, asked[0]);
    }

    #[tokio::test]
    async fn a_place_that_is_not_found_is_left_out_unless_all_are() {
        let gone = "nowhere.invalid:7";
        let nodes = resolve_nodes(&places(&[gone, "127.0.0.1:7"])).await.unwrap();
        assert_eq!(nodes.len(), 1);
        assert!(resolve_nodes(&places(&[gone])).await.is_err());
    }

    #[tokio::test]
    async fn so_many_nodes_are_found_and_no_more() {
        let texts: Vec<_> = (0..=NODES_MAX).map(|n| format!("127.0.0.{}:7", n + 1)).collect();
        let asked: Vec<Place> = texts.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(resolve_nodes(&asked).await.unwrap().len(), NODES_MAX);
    }
}
