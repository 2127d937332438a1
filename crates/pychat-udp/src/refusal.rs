//! Whether anybody listens at an address, as far as the system tells.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{net::UdpSocket, time::timeout};

/// A refusal takes one way there and back; whoever has not refused by then has not.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// A datagram of an unknown type, which every receiver drops.
const PROBE: [u8; 1] = [0];

/// Whether the machine at `address` says that nobody listens there. The system tells that of a socket with one
/// peer only, so one is made for it: the session's own hears nothing of it.
pub async fn is_refused(address: SocketAddr) -> bool {
    let refused = timeout(REFUSED_WITHIN, refusal(address)).await;
    matches!(refused, Ok(Err(error)) if is_refusal(error.kind()))
}

fn is_refusal(kind: io::ErrorKind) -> bool {
    // Windows says that a connection was reset.
    matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

async fn refusal(address: SocketAddr) -> io::Result<()> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    socket.send(&PROBE).await?;
    let mut answer = [0; 1];
    socket.recv(&mut answer).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_listening_is_told_and_somebody_silent_is_not() {
        let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = there.local_addr().unwrap();
        assert!(!is_refused(address).await);
        drop(there);
        assert!(is_refused(address).await);
    }
}
