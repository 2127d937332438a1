//! The join link: under which host and port people reach this server.

use pychat_proto::{JoinLink, Place, ServerSecrets};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// An address that nobody has (RFC 5737): routing to it tells which of our addresses faces the
/// world. Nothing is ever sent there.
const ELSEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// The link to a server that listens on `address`. Without a `host` of the operator's choice it names the nodes,
/// and where there are none that address; for the any-address, the one of this machine's that faces the world.
#[must_use]
pub fn join_link(
    host: Option<&str>,
    nodes: &[Place],
    address: SocketAddr,
    secrets: &ServerSecrets,
) -> JoinLink {
    let key = Some(secrets.identity.public());
    let chosen = host.and_then(|host| Place::new(host, address.port()).ok());
    if let Some(chosen) = chosen {
        return JoinLink::to_place(chosen, key);
    }
    JoinLink::to_places(nodes.to_vec(), key).unwrap_or_else(|_| {
        let place = Place::from(SocketAddr::new(reachable(address.ip()), address.port()));
        JoinLink::to_place(place, key)
    })
}

fn reachable(bound: IpAddr) -> IpAddr {
    if bound.is_unspecified() {
        facing_the_world().unwrap_or(Ipv4Addr::LOCALHOST.into())
    } else {
        bound
    }
}

fn facing_the_world() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_proto::SecretKey;

    fn link(host: Option<&str>, address: &str) -> String {
        link_with(host, &[], address)
    }

    fn link_with(host: Option<&str>, nodes: &[Place], address: &str) -> String {
        let [identity, reset] = [1, 2].map(|byte| SecretKey::from_bytes([byte; 32]));
        let secrets = ServerSecrets { identity, reset };
        join_link(host, nodes, address.parse().unwrap(), &secrets).to_string()
    }

    #[test]
    fn a_link_names_the_chosen_host_or_the_bound_address() {
        assert!(
            link(Some("chat.example.org"), "[::]:7").starts_with("pychat://chat.example.org:7#")
        );
        assert!(link(None, "127.0.0.1:9").starts_with("pychat://127.0.0.1:9#"));
        assert!(link(None, "[::1]:9").starts_with("pychat://[::1]:9#"));
    }

    #[test]
    fn a_link_never_names_the_any_address() {
        for address in ["[::]:7", "0.0.0.0:7"] {
            let link: JoinLink = link(None, address).parse().unwrap();
            assert!(!link.first().host().parse::<IpAddr>().unwrap().is_unspecified());
        }
    }

    #[test]
    fn a_link_names_the_nodes_unless_a_name_was_chosen() {
        let nodes = ["a:7420", "b:7420"].map(|place| place.parse().unwrap());
        assert!(link_with(None, &nodes, "[::]:7").starts_with("pychat://a,b:7420#"));
        assert!(link_with(Some("chat"), &nodes, "[::]:7").starts_with("pychat://chat:7#"));
    }
}
