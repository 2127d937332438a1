//! Opening sockets: families, sharing, buffers.

use crate::address::canonical;
use socket2::{Domain, Protocol, SockRef, Type};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};
use tracing::debug;

/// What the kernel may hold for us until we read: 3,400 full datagrams. The kernel takes less where
/// its own limit (`net.core.rmem_max`) is lower.
pub const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// What the kernel may hold of ours until the network takes it. Lowered by `net.core.wmem_max`.
pub const SEND_BUFFER_BYTES: usize = 2 << 20;

/// Whether a socket is the only one at its address.
#[derive(Clone, Copy)]
pub(crate) enum Sharing {
    Alone,
    Shared,
}

pub(crate) fn open_or_fall_back(
    address: SocketAddr,
    sharing: Sharing,
) -> io::Result<std::net::UdpSocket> {
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
    let socket = bound(address, sharing)?;
    #[cfg(windows)]
    if let SocketAddr::V4(v4) = address
        && SockRef::from(&socket).only_v6().is_err()
    {
        // Wine's IPv4 sockets do not say so, which quinn-udp wants to know of every one; its IPv6
        // sockets do, and take IPv4 too.
        drop(socket);
        return bound((v4.ip().to_ipv6_mapped(), v4.port()).into(), sharing);
    }
    Ok(socket)
}

fn bound(address: SocketAddr, sharing: Sharing) -> io::Result<std::net::UdpSocket> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!takes_ipv4(address))?;
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

/// Whether an IPv6 socket there has to do with IPv4.
fn takes_ipv4(address: SocketAddr) -> bool {
    address.ip().is_unspecified() || canonical(address).is_ipv4()
}

/// Asks for large kernel buffers; smaller ones work too, so a refusal is only noted. One that is
/// large already stays: a service manager may give more than we may ask for.
pub(crate) fn widen(socket: &SockRef<'_>) {
    let narrow = |size: io::Result<usize>, wanted| size.is_ok_and(|size| size < wanted);
    if narrow(socket.recv_buffer_size(), RECEIVE_BUFFER_BYTES)
        && let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)
    {
        debug!(%error, "the receive buffer stays as it is");
    }
    if narrow(socket.send_buffer_size(), SEND_BUFFER_BYTES)
        && let Err(error) = socket.set_send_buffer_size(SEND_BUFFER_BYTES)
    {
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
