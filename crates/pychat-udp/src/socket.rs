//! A UDP socket of a tokio runtime.

use crate::{
    address::canonical,
    batch::Batches,
    bind::{Sharing, open_or_fall_back, widen},
};
use pychat_proto::Transmit;
use quinn_udp::UdpSockRef;
use socket2::SockRef;
use std::{io, net::SocketAddr};
use tokio::io::Interest;

/// A bound UDP socket of a tokio runtime.
///
/// IPv4 addresses come out and go in as IPv4, though the socket may be a dual-stack one. Datagrams
/// are never fragmented.
#[derive(Debug)]
pub struct Socket {
    io: tokio::net::UdpSocket,
    batches: Batches,
}

impl Socket {
    /// Binds to `address`, alone. The IPv6 any-address takes IPv4 too, and falls back to the IPv4
    /// any-address on a machine without IPv6.
    ///
    /// # Errors
    /// The address is taken, not ours or not permitted.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = open_or_fall_back(address, Sharing::Alone)?;
        widen(&SockRef::from(&socket));
        socket.set_nonblocking(true)?;
        let batches = Batches::new(UdpSockRef::from(&socket), socket.local_addr()?)?;
        Ok(Self { io: tokio::net::UdpSocket::from_std(socket)?, batches })
    }

    /// Where the socket is bound.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(canonical)
    }

    /// Waits for datagrams and hands one batch of them to `sink`, at least one. Cancel-safe: what
    /// was not handed out stays with the kernel.
    ///
    /// # Errors
    /// The socket is broken and has to be bound anew. What a network reports of one peer (a closed
    /// port, an unreachable host) is no error here.
    pub async fn recv(&mut self, mut sink: impl FnMut(SocketAddr, &mut [u8])) -> io::Result<()> {
        let Self { io, batches } = self;
        loop {
            let receive = || batches.receive(UdpSockRef::from(&*io), &mut sink);
            if io.async_io(Interest::READABLE, receive).await?.datagrams > 0 {
                return Ok(());
            }
        }
    }

    /// Sends the datagrams of a `transmit`: a train of them with one system call where possible.
    /// What the network cannot take (too long for the path, no route) is lost, as it would be
    /// further on.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: nothing was sent; try again after [`Socket::writable`]. (If
    /// only a part of a train fits, its rest is lost.) Other errors: the socket is broken and has
    /// to be bound anew.
    pub fn try_send(&self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<()> {
        self.batches.send(transmit, datagrams, |state, train| {
            let send = || state.try_send(UdpSockRef::from(&self.io), train);
            self.io.try_io(Interest::WRITABLE, send)
        })
    }

    /// Waits until [`Socket::try_send`] is worth a try.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }
}

#[cfg(test)]
mod tests;
