//! A UDP socket for a thread that waits for several things itself, without a runtime.

use crate::{
    address::canonical,
    batch::Batches,
    bind::{Sharing, open_or_fall_back, widen},
};
use mio::{Interest, Registry, Token, event::Source};
use pychat_proto::Transmit;
use quinn_udp::UdpSockRef;
use socket2::SockRef;
use std::{io, net::SocketAddr};

/// A bound UDP socket that a [`mio::Poll`] tells of. As [`crate::Socket`] in all else.
#[derive(Debug)]
pub struct PollSocket {
    io: mio::net::UdpSocket,
    batches: Batches,
    readable: bool,
}

impl PollSocket {
    /// Binds to `address`, alone; see [`crate::Socket::bind`].
    ///
    /// # Errors
    /// The address is taken, not ours or not permitted.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::from_std(open_or_fall_back(address, Sharing::Alone)?)
    }

    /// Binds to `address` beside other sockets of this program: the kernel spreads the senders over
    /// them (`SO_REUSEPORT`; on Windows the same as [`PollSocket::bind`]).
    ///
    /// # Errors
    /// As for [`PollSocket::bind`].
    pub fn bind_shared(address: SocketAddr) -> io::Result<Self> {
        Self::from_std(open_or_fall_back(address, Sharing::Shared)?)
    }

    /// Takes a socket that somebody else has bound, systemd for example.
    ///
    /// # Errors
    /// It is no UDP socket.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        widen(&SockRef::from(&socket));
        socket.set_nonblocking(true)?;
        let batches = Batches::new(UdpSockRef::from(&socket), socket.local_addr()?)?;
        // Whatever came before it was registered is looked for.
        Ok(Self { io: mio::net::UdpSocket::from_std(socket), batches, readable: true })
    }

    /// Has `registry`'s poll tell of datagrams under `token`.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        // Only to be read from: whenever a datagram has left, the kernel would tell that there is room.
        self.io.register(registry, token, Interest::READABLE)
    }

    /// Where the socket is bound.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(canonical)
    }

    /// The poll told of it: there is something to receive.
    pub fn set_readable(&mut self) {
        self.readable = true;
    }

    /// Whether there may be something to receive that no poll will tell of again.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Hands one batch of datagrams to `sink`, if there are any; says how many.
    ///
    /// # Errors
    /// The socket is broken and has to be bound anew; see [`crate::Socket::recv`].
    pub fn try_recv(&mut self, sink: impl FnMut(SocketAddr, &mut [u8])) -> io::Result<usize> {
        if !self.readable {
            return Ok(0);
        }
        let Self { io, batches, .. } = self;
        match io.try_io(|| batches.receive(UdpSockRef::from(&*io), sink)) {
            Ok(received) => {
                // A batch that is not full has emptied the kernel's buffer.
                self.readable = received.more;
                Ok(received.datagrams)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the datagrams of a `transmit`; see [`crate::Socket::try_send`].
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: nothing was sent; try again a little later. Other errors: the
    /// socket is broken and has to be bound anew.
    pub fn try_send(&self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<()> {
        self.batches.send(transmit, datagrams, |state, train| {
            self.io.try_io(|| state.try_send(UdpSockRef::from(&self.io), train))
        })
    }
}
