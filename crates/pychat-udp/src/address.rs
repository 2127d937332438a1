//! One form for an address: IPv4 is IPv4, though a dual-stack socket spells it as IPv6.

use std::net::{IpAddr, SocketAddr};

/// Which addresses a socket can send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 alone.
    V4,
    /// IPv6, and IPv4 in its mapped form if the socket is dual-stack.
    V6,
}

impl Family {
    /// The family of a socket that is bound to `local`.
    pub(crate) fn of(local: SocketAddr) -> Self {
        match local {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }

    /// `to` as a socket of this family spells it.
    pub(crate) fn spell(self, to: SocketAddr) -> SocketAddr {
        match (self, to) {
            (Self::V6, SocketAddr::V4(v4)) => {
                SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port())
            }
            (Self::V4, to) | (Self::V6, to @ SocketAddr::V6(_)) => to,
        }
    }
}

/// `address` in the one form that the rest of the program sees.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(IpAddr::V4(v4), address.port()),
        // As it came: a link-local address is nothing without its scope.
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_come_out_as_ipv4_and_go_back_in() {
        let plain: SocketAddr = "192.0.2.1:7".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:7".parse().unwrap();
        assert_eq!(canonical(mapped), plain);
        assert_eq!(canonical(plain), plain);
        assert_eq!(Family::V6.spell(plain), mapped);
        assert_eq!(Family::V4.spell(plain), plain);
    }

    #[test]
    fn a_link_local_address_keeps_its_scope() {
        let scoped: SocketAddr = "[fe80::1%3]:7".parse().unwrap();
        assert_eq!(canonical(scoped), scoped);
        assert_eq!(Family::V6.spell(scoped), scoped);
    }
}
