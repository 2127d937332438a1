//! Notices from outside of the protocol that it should not wait: the machine woke up, or the way to
//! the server begins at another address than before.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

/// A gap between the two clocks that shows a sleep.
const SLEPT: Duration = Duration::from_secs(1);

/// What was seen at the last look.
#[derive(Debug)]
pub(super) struct NetworkWatch {
    /// A clock that stands still while the machine sleeps.
    awake: std::time::Instant,
    /// A clock that does not.
    boot: pychat_proto::Instant,
    /// Our address on the way to the server.
    local: Option<IpAddr>,
}

impl NetworkWatch {
    pub(super) fn new() -> Self {
        Self { awake: std::time::Instant::now(), boot: pychat_udp::now(), local: None }
    }

    /// Whether the last look is `every` ago.
    pub(super) fn is_due(&self, every: Duration) -> bool {
        pychat_udp::now().since(self.boot) >= every
    }

    /// Looks, and says whether the machine slept since the last look, or found another network.
    pub(super) fn changed(&mut self, remote: Option<SocketAddr>) -> bool {
        let awake_for = self.awake.elapsed();
        let boot = pychat_udp::now();
        let slept = boot.since(self.boot).saturating_sub(awake_for) >= SLEPT;
        let local = remote.and_then(local_address_towards);
        // Without a way there is nothing to probe.
        let moved = local.is_some() && local != self.local;
        *self = Self { awake: std::time::Instant::now(), boot, local };
        slept || moved
    }
}

/// The local address that datagrams to `remote` leave from. Sends nothing.
fn local_address_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_ourselves_begins_here() {
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        assert_eq!(local_address_towards(remote), Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_way_that_stays_is_no_change() {
        let mut watch = NetworkWatch::new();
        let remote = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
        assert!(watch.changed(remote), "the first way is a new one");
        assert!(!watch.changed(remote));
        assert!(!watch.changed(None), "without a way there is nothing to probe");
    }
}
