//! Tokens of RETRY: the server remembers nothing, the client brings it back. docs/PROTOCOL.md, "RETRY".

use crate::{ConnectionId, Instant, crypto, wire::packet::Token};
use std::{net::SocketAddr, time::Duration};

/// How long a token is good for.
const LIFETIME: Duration = Duration::from_secs(15);
/// The key changes this often.
const KEY_AGE: Duration = Duration::from_secs(120);

fn key(root: &[u8; 32], at: Instant) -> [u8; 32] {
    let epoch = u128::from(at.as_micros()) / KEY_AGE.as_micros();
    crypto::hash(b"pychat token", &[root, &epoch.to_be_bytes()])
}

fn tag(
    root: &[u8; 32],
    at: Instant,
    from: SocketAddr,
    client: ConnectionId,
    first_message: &[u8],
) -> [u8; 16] {
    let ip = match from.ip() {
        std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        std::net::IpAddr::V6(ip) => ip.octets(),
    };
    let message = crypto::hash(b"pychat first message", &[first_message]);
    let parts: [&[u8]; 5] = [
        &at.as_micros().to_be_bytes(),
        &ip,
        &from.port().to_be_bytes(),
        &client.0.to_be_bytes(),
        &message,
    ];
    crypto::mac(&key(root, at), &parts)
}

/// A token for who sent `first_message` from `from`.
pub(super) fn mint(
    root: &[u8; 32],
    now: Instant,
    from: SocketAddr,
    client: ConnectionId,
    first_message: &[u8],
) -> Token {
    let mut token = [0; 24];
    token[..8].copy_from_slice(&now.as_micros().to_be_bytes());
    token[8..].copy_from_slice(&tag(root, now, from, client, first_message));
    token
}

/// Whether the token is ours, for this sender and message, and fresh.
pub(super) fn is_valid(
    token: &Token,
    root: &[u8; 32],
    now: Instant,
    from: SocketAddr,
    client: ConnectionId,
    first_message: &[u8],
) -> bool {
    let mut at = [0; 8];
    at.copy_from_slice(&token[..8]);
    let at = Instant::from_micros(u64::from_be_bytes(at));
    let fresh = at <= now && now.since(at) <= LIFETIME;
    fresh && crypto::equal(&token[8..], &tag(root, at, from, client, first_message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_sender_its_message_and_15_seconds() {
        let root = [1; 32];
        let (a, b): (SocketAddr, SocketAddr) = (([1, 2, 3, 4], 5).into(), ([1, 2, 3, 4], 6).into());
        let (now, client) = (Instant::from_micros(119_000_000), ConnectionId(7));
        let token = mint(&root, now, a, client, b"first");
        let valid = |token: &Token, at, from, client, message: &[u8]| {
            is_valid(token, &root, at, from, client, message)
        };
        assert!(valid(&token, now + LIFETIME, a, client, b"first"), "over the change of the key");
        assert!(!valid(&token, now + LIFETIME + Duration::from_micros(1), a, client, b"first"));
        assert!(!valid(&token, now - Duration::from_micros(1), a, client, b"first"));
        assert!(!valid(&token, now, b, client, b"first"));
        assert!(!valid(&token, now, a, ConnectionId(8), b"first"));
        assert!(!valid(&token, now, a, client, b"other"));
        for bit in 0..token.len() * 8 {
            let mut damaged = token;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!valid(&damaged, now, a, client, b"first"), "bit {bit}");
        }
    }
}
