//! The daemon's UDP sockets: one for each address family, replaced together.

use pychat_proto::Transmit;
use pychat_udp::Socket;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Both families, and what they received.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    v4: Option<Inbound>,
    v6: Option<Inbound>,
    /// Closed because one broke.
    broken: bool,
}

/// A socket and the datagrams that it brought.
#[derive(Debug)]
struct Inbound {
    socket: Socket,
    /// The datagrams' bytes, one after the other.
    bytes: Vec<u8>,
    /// Where each came from and how long it is.
    received: Vec<(SocketAddr, usize)>,
}

impl Sockets {
    /// New sockets with new local ports. A family that the machine does not have stays without.
    pub(super) fn open_fresh(&mut self) {
        self.v4 = Inbound::open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        self.v6 = Inbound::open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
        self.broken = self.v4.is_none() && self.v6.is_none();
        if self.broken {
            tracing::warn!("no socket can be opened");
        }
    }

    /// A socket broke: until [`Self::reopen_closed`], nothing is sent or received.
    pub(super) fn close(&mut self) {
        *self = Self { broken: true, ..Self::default() };
    }

    /// Opens what [`Self::close`] closed. Says whether it did.
    pub(super) fn reopen_closed(&mut self) -> bool {
        if !self.broken {
            return false;
        }
        self.open_fresh();
        !self.broken
    }

    /// Waits until there are datagrams for [`Self::drain`]. Cancel-safe.
    pub(super) async fn recv(&mut self) -> io::Result<()> {
        let Self { v4, v6, broken: _ } = self;
        tokio::select! {
            result = receive(v4) => result,
            result = receive(v6) => result,
        }
    }

    /// Hands out what was received.
    pub(super) fn drain(&mut self, mut sink: impl FnMut(SocketAddr, &mut [u8])) {
        for inbound in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            let mut rest = inbound.bytes.as_mut_slice();
            for (from, length) in inbound.received.drain(..) {
                let (datagram, after) = rest.split_at_mut(length);
                sink(from, datagram);
                rest = after;
            }
            inbound.bytes.clear();
        }
    }

    /// Sends; what cannot be sent now is lost, as on the way, and the protocol sends it again.
    pub(super) fn send(&mut self, transmit: &Transmit, datagrams: &[u8]) {
        let inbound = if transmit.to.is_ipv4() { &self.v4 } else { &self.v6 };
        let Some(inbound) = inbound else { return };
        match inbound.socket.try_send(transmit, datagrams) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::warn!(%error, "a socket broke; it is opened anew");
                self.close();
            }
        }
    }
}

impl Inbound {
    fn open(address: SocketAddr) -> Option<Self> {
        match Socket::bind(address) {
            Ok(socket) => Some(Self { socket, bytes: Vec::new(), received: Vec::new() }),
            Err(error) => {
                tracing::debug!(%error, %address, "no socket of this family");
                None
            }
        }
    }
}

async fn receive(inbound: &mut Option<Inbound>) -> io::Result<()> {
    let Some(Inbound { socket, bytes, received }) = inbound else {
        return std::future::pending().await;
    };
    socket
        .recv(|from, datagram| {
            bytes.extend_from_slice(datagram);
            received.push((from, datagram.len()));
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn datagrams_of_both_families_come_out_as_they_came_in() {
        let mut sockets = Sockets::default();
        sockets.open_fresh();
        for (inbound, local) in [(&sockets.v4, "127.0.0.1:0"), (&sockets.v6, "[::1]:0")] {
            let Some(inbound) = inbound else { continue };
            let port = inbound.socket.local_addr().unwrap().port();
            let sender = std::net::UdpSocket::bind(local).unwrap();
            let to = SocketAddr::new(sender.local_addr().unwrap().ip(), port);
            sender.send_to(b"first", to).unwrap();
            sender.send_to(b"second", to).unwrap();
        }
        let families = [&sockets.v4, &sockets.v6].into_iter().flatten().count();
        let mut got = Vec::new();
        while got.len() < 2 * families {
            let deadline = Duration::from_secs(10);
            tokio::time::timeout(deadline, sockets.recv()).await.unwrap().unwrap();
            sockets.drain(|from, datagram| got.push((from.is_ipv4(), datagram.to_vec())));
        }
        got.sort();
        let expected: Vec<(bool, Vec<u8>)> = [&sockets.v6, &sockets.v4]
            .into_iter()
            .zip([false, true])
            .filter(|(inbound, _)| inbound.is_some())
            .flat_map(|(_, v4)| [(v4, b"first".to_vec()), (v4, b"second".to_vec())])
            .collect();
        assert_eq!(got, expected);
    }

    #[tokio::test]
    async fn closed_sockets_are_opened_again_once() {
        let mut sockets = Sockets::default();
        assert!(!sockets.reopen_closed(), "sockets that were never wanted stay closed");
        sockets.open_fresh();
        sockets.close();
        assert!(sockets.reopen_closed());
        assert!(!sockets.reopen_closed());
    }
}
