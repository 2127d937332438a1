//! One UDP socket: datagrams in and out in batches, with the kernel's offloads.

use crate::address::{Family, canonical};
use pychat_proto::Transmit;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Type};
use std::{
    future::poll_fn,
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddr},
    task::{Context, Poll, ready},
};
use tokio::io::Interest;
use tracing::debug;

/// What the kernel may hold for us until we read: 3,400 full datagrams. The kernel takes less where
/// its own limit (`net.core.rmem_max`) is lower.
pub const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// What the kernel may hold of ours until the network takes it. Lowered by `net.core.wmem_max`.
pub const SEND_BUFFER_BYTES: usize = 2 << 20;

/// Messages that one receive call fetches.
const RECEIVE_BATCH: usize = quinn_udp::BATCH_SIZE;

/// Room for one datagram where the kernel does not coalesce. More than we ever send; a longer one
/// is not ours and may be cut.
const DATAGRAM_ROOM_BYTES: usize = 2048;

/// Room for one message of coalesced datagrams: more than a UDP packet can hold. Untouched pages of
/// it cost nothing.
const COALESCED_ROOM_BYTES: usize = 1 << 16;

/// Most bytes in one train of datagrams: what fits a UDP packet over IPv4.
const TRAIN_BYTES_MAX: usize = 65_507;

/// A bound UDP socket of a tokio runtime.
///
/// IPv4 addresses come out and go in as IPv4, though the socket may be a dual-stack one. Datagrams
/// are never fragmented.
#[derive(Debug)]
pub struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    family: Family,
    room: Box<[u8]>,
    message_bytes: usize,
}

impl Socket {
    /// Binds to `address`, alone. The IPv6 any-address takes IPv4 too, and falls back to the IPv4
    /// any-address on a machine without IPv6.
    ///
    /// # Errors
    /// The address is taken, not ours or not permitted.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::from_std(open_or_fall_back(address, Sharing::Alone)?)
    }

    /// Binds to `address` beside other sockets of this program: the kernel spreads the senders over
    /// them (`SO_REUSEPORT`; on Windows the same as [`Socket::bind`]).
    ///
    /// # Errors
    /// As for [`Socket::bind`].
    pub fn bind_shared(address: SocketAddr) -> io::Result<Self> {
        Self::from_std(open_or_fall_back(address, Sharing::Shared)?)
    }

    /// Takes a socket that somebody else has bound, systemd for example.
    ///
    /// # Errors
    /// It is no UDP socket, or there is no runtime.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        widen(&SockRef::from(&socket));
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        socket.set_nonblocking(true)?;
        let family = Family::of(socket.local_addr()?);
        let io = tokio::net::UdpSocket::from_std(socket)?;
        let message_bytes =
            if state.gro_segments() > 1 { COALESCED_ROOM_BYTES } else { DATAGRAM_ROOM_BYTES };
        let room = vec![0; message_bytes * RECEIVE_BATCH].into_boxed_slice();
        Ok(Self { io, state, family, room, message_bytes })
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
        poll_fn(|context| self.poll_recv(context, &mut sink)).await
    }

    /// As [`Socket::recv`], for who waits for several sockets.
    ///
    /// # Errors
    /// As for [`Socket::recv`].
    pub fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
        mut sink: impl FnMut(SocketAddr, &mut [u8]),
    ) -> Poll<io::Result<()>> {
        let Self { io, state, room, message_bytes, .. } = self;
        loop {
            ready!(io.poll_recv_ready(context))?;
            let receive = || {
                let mut metas = [RecvMeta::default(); RECEIVE_BATCH];
                let mut slices = room.chunks_exact_mut(*message_bytes).map(IoSliceMut::new);
                let mut buffers: [IoSliceMut<'_>; RECEIVE_BATCH] =
                    std::array::from_fn(|_| slices.next().expect("the room has a chunk for each"));
                let count = state.recv(UdpSockRef::from(&*io), &mut buffers, &mut metas)?;
                Ok((metas, count))
            };
            match io.try_io(Interest::READABLE, receive) {
                Ok((metas, count)) => {
                    let messages = room.chunks_exact_mut(*message_bytes).zip(&metas[..count]);
                    if messages.map(|(bytes, meta)| hand_out(bytes, meta, &mut sink)).sum::<usize>()
                        > 0
                    {
                        return Poll::Ready(Ok(()));
                    }
                }
                // The kernel was not ready after all.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if concerns_one_peer(&error) => debug!(%error, "a peer is out of reach"),
                Err(error) => return Poll::Ready(Err(error)),
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
        if !is_reachable(transmit.to) {
            debug!(to = %transmit.to, "no datagram can go there");
            return Ok(());
        }
        let segment_bytes = transmit.segment_bytes.max(1);
        let mut rest = datagrams;
        while !rest.is_empty() {
            let train = self.train_bytes(segment_bytes).min(rest.len());
            let result = self.send_train(transmit.to, segment_bytes, &rest[..train]);
            match result {
                // The kernel cannot cut trains after all and now says so: send one at a time.
                Err(error) if self.train_bytes(segment_bytes) < train => {
                    debug!(%error, "no segmentation offload");
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if rest.len() == datagrams.len() {
                        return Err(error);
                    }
                    debug!(to = %transmit.to, bytes = rest.len(), "the rest of a train is lost");
                    return Ok(());
                }
                Err(error) if breaks_socket(&error) => return Err(error),
                Err(error) => debug!(to = %transmit.to, bytes = train, %error, "datagram lost"),
                Ok(()) => {}
            }
            rest = &rest[train..];
        }
        Ok(())
    }

    /// Waits until [`Socket::try_send`] is worth a try.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    /// Most bytes to send with one call: whole datagrams, as many as the kernel cuts apart.
    fn train_bytes(&self, segment_bytes: usize) -> usize {
        let segments = self.state.max_gso_segments().min(TRAIN_BYTES_MAX / segment_bytes).max(1);
        segments * segment_bytes
    }

    fn send_train(&self, to: SocketAddr, segment_bytes: usize, train: &[u8]) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: self.family.spell(to),
            ecn: None,
            contents: train,
            segment_size: (segment_bytes < train.len()).then_some(segment_bytes),
            src_ip: None,
        };
        self.io.try_io(Interest::WRITABLE, || {
            self.state.try_send(UdpSockRef::from(&self.io), &transmit)
        })
    }
}

/// Cuts one received message into its datagrams; says how many there were.
fn hand_out(
    bytes: &mut [u8],
    meta: &RecvMeta,
    sink: &mut impl FnMut(SocketAddr, &mut [u8]),
) -> usize {
    let from = canonical(meta.addr);
    let length = meta.len.min(bytes.len());
    if length == 0 {
        // An empty one counts too: whoever floods us with them takes its turns as others do.
        sink(from, &mut []);
        return 1;
    }
    let datagrams = bytes[..length].chunks_mut(meta.stride.max(1));
    datagrams.map(|datagram| sink(from, datagram)).count()
}

/// Whether a socket is the only one at its address.
#[derive(Clone, Copy)]
enum Sharing {
    Alone,
    Shared,
}

fn open_or_fall_back(address: SocketAddr, sharing: Sharing) -> io::Result<std::net::UdpSocket> {
    let address = canonical(address);
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    match open(address, sharing) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && lacks_ipv6(&error) => {
            debug!(%error, "no IPv6 on this machine, IPv4 alone");
            open(any, sharing)
        }
        result => result,
    }
}

fn open(address: SocketAddr, sharing: Sharing) -> io::Result<std::net::UdpSocket> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    match sharing {
        Sharing::Alone => {}
        #[cfg(unix)]
        Sharing::Shared => socket.set_reuse_port(true)?,
        #[cfg(not(unix))]
        Sharing::Shared => {}
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Asks for large kernel buffers; smaller ones work too, so a refusal is only noted.
fn widen(socket: &SockRef<'_>) {
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES) {
        debug!(%error, "the receive buffer stays as it is");
    }
    if let Err(error) = socket.set_send_buffer_size(SEND_BUFFER_BYTES) {
        debug!(%error, "the send buffer stays as it is");
    }
}

/// No such family in this kernel, or none switched on.
fn lacks_ipv6(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    const ADDRESS_FAMILY_UNSUPPORTED: i32 = 97;
    #[cfg(windows)]
    const ADDRESS_FAMILY_UNSUPPORTED: i32 = 10047;
    #[cfg(not(any(target_os = "linux", windows)))]
    const ADDRESS_FAMILY_UNSUPPORTED: i32 = 47;
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(ADDRESS_FAMILY_UNSUPPORTED)
}

/// Whether an address can be sent to at all. A forged datagram may name port 0 as its source; the
/// kernel's answer to a reply (`EINVAL`) would be mistaken for missing segmentation offload.
fn is_reachable(to: SocketAddr) -> bool {
    to.port() != 0 && !to.ip().is_unspecified()
}

/// A receive error that tells of an earlier datagram's fate and not of the socket.
fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::Interrupted
    ) || quinn_udp::is_msg_size_err(error)
}

/// A send error after which no later datagram would fare better: the system took the socket away.
fn breaks_socket(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotConnected | io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
