//! Where the server listens: each shard gets a socket of its own at every address.

use super::Failure;
use pychat_udp::PollSocket;
use std::net::{SocketAddr, UdpSocket};

/// The addresses, settled before any shard starts.
#[derive(Debug)]
pub(super) struct Listeners {
    addresses: Vec<SocketAddr>,
    sources: Vec<Source>,
    shards: u8,
}

#[derive(Debug)]
enum Source {
    /// Each shard binds it.
    Address(SocketAddr),
    /// The service manager has bound it; the shards share it.
    Inherited(UdpSocket),
}

impl Listeners {
    /// Takes the service manager's sockets, or finds out where `listen` leads: port 0 becomes a
    /// port, and an address that somebody else listens on is an error.
    pub(super) fn open(listen: &[SocketAddr], shards: u8) -> Result<Self, Failure> {
        let inherited = inherited()?;
        if !inherited.is_empty() {
            let addresses = inherited.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>();
            let addresses = addresses.map_err(Failure::Inherited)?;
            let sources = inherited.into_iter().map(Source::Inherited).collect();
            return Ok(Self { addresses, sources, shards });
        }
        let mut addresses = Vec::with_capacity(listen.len());
        for &address in listen {
            // Bound alone for a moment: sockets that are shared would quietly share with another
            // server, too.
            let socket = PollSocket::bind(address).and_then(|socket| socket.local_addr());
            addresses.push(socket.map_err(|source| Failure::Listen { address, source })?);
        }
        let sources = addresses.iter().copied().map(Source::Address).collect();
        Ok(Self { addresses, sources, shards })
    }

    /// Where the server listens; never empty.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A shard's sockets, in the order of the addresses.
    pub(super) fn sockets(&self) -> Result<Vec<PollSocket>, Failure> {
        self.sources.iter().map(|source| self.socket(source)).collect()
    }

    fn socket(&self, source: &Source) -> Result<PollSocket, Failure> {
        match source {
            Source::Address(address) => {
                let bound = match self.shards {
                    1 => PollSocket::bind(*address),
                    _ => PollSocket::bind_shared(*address),
                };
                bound.map_err(|source| Failure::Listen { address: *address, source })
            }
            Source::Inherited(socket) => {
                socket.try_clone().and_then(PollSocket::from_std).map_err(Failure::Inherited)
            }
        }
    }
}

/// What systemd has bound for us.
#[cfg(unix)]
fn inherited() -> Result<Vec<UdpSocket>, Failure> {
    let mut passed = listenfd::ListenFd::from_env();
    let sockets = (0..passed.len()).map(|index| passed.take_udp_socket(index));
    let sockets: Result<Vec<_>, _> = sockets.collect();
    Ok(sockets.map_err(Failure::Inherited)?.into_iter().flatten().collect())
}

/// No service manager binds sockets there.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
const fn inherited() -> Result<Vec<UdpSocket>, Failure> {
    Ok(Vec::new())
}
