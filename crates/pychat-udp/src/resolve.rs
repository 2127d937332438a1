//! From a host's name to its addresses, in the order in which they are tried.

use crate::address::canonical;
use std::{io, net::SocketAddr};

/// Most addresses that one look-up yields. A server has a handful; a name with hundreds would only
/// make the race for the first answer a flood.
pub const ADDRESSES_MAX: usize = 8;

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
}
