//! Datagrams in and out in batches, with the kernel's offloads, whoever waits for the socket.

use crate::address::{Family, canonical};
use pychat_proto::Transmit;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use smallvec::SmallVec;
use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
};
use tracing::debug;

/// Messages that one receive call fetches at most.
const RECEIVE_BATCH: usize = quinn_udp::BATCH_SIZE;

/// A lone message and the sign that there is no other. Where the system hands out one message at a time
/// there is no more to ask for.
const RECEIVE_BATCH_MIN: usize = if RECEIVE_BATCH < 2 { RECEIVE_BATCH } else { 2 };

/// Room for one datagram where the kernel does not coalesce. More than we ever send; a longer one
/// is not ours and may be cut.
const DATAGRAM_ROOM_BYTES: usize = 2048;

/// Room for one message of coalesced datagrams: more than a UDP packet can hold. Untouched pages of
/// it cost nothing.
const COALESCED_ROOM_BYTES: usize = 1 << 16;

/// Most bytes in one train of datagrams: what fits a UDP packet over IPv4.
pub(crate) const TRAIN_BYTES_MAX: usize = 65_507;

/// What goes with a socket to use it in batches.
#[derive(Debug)]
pub(crate) struct Batches {
    state: UdpSocketState,
    family: Family,
    room: Box<[u8]>,
    message_bytes: usize,
    /// Messages that the next receive call fetches: to prepare a call for many costs more than to
    /// receive one.
    batch: usize,
}

/// What one receive call brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) datagrams: usize,
    /// Whether the kernel may hold more.
    pub(crate) more: bool,
}

impl Batches {
    pub(crate) fn new(socket: UdpSockRef<'_>, bound: SocketAddr) -> io::Result<Self> {
        let state = UdpSocketState::new(socket)?;
        let message_bytes =
            if state.gro_segments() > 1 { COALESCED_ROOM_BYTES } else { DATAGRAM_ROOM_BYTES };
        let room = vec![0; message_bytes * RECEIVE_BATCH].into_boxed_slice();
        Ok(Self { state, family: Family::of(bound), room, message_bytes, batch: RECEIVE_BATCH_MIN })
    }

    /// Hands one batch of datagrams to `sink`. What a network reports of one peer (a closed port, an
    /// unreachable host) is no error here and brings nothing.
    pub(crate) fn receive(
        &mut self,
        socket: UdpSockRef<'_>,
        mut sink: impl FnMut(SocketAddr, &mut [u8]),
    ) -> io::Result<Received> {
        let Self { state, room, message_bytes, batch, .. } = self;
        let asked = *batch;
        let mut metas = [RecvMeta::default(); RECEIVE_BATCH];
        let mut buffers: SmallVec<[IoSliceMut<'_>; RECEIVE_BATCH]> =
            room.chunks_exact_mut(*message_bytes).take(asked).map(IoSliceMut::new).collect();
        let count = match state.recv(socket, &mut buffers, &mut metas[..asked]) {
            Ok(count) => count,
            Err(error) if concerns_one_peer(&error) => {
                debug!(%error, "a peer is out of reach");
                return Ok(Received { datagrams: 0, more: true });
            }
            Err(error) => return Err(error),
        };
        *batch = if count == asked {
            (2 * asked).min(RECEIVE_BATCH)
        } else {
            (asked / 2).max(RECEIVE_BATCH_MIN)
        };
        drop(buffers);
        let messages = room.chunks_exact_mut(*message_bytes).zip(&metas[..count]);
        let datagrams = messages.map(|(bytes, meta)| hand_out(bytes, meta, &mut sink)).sum();
        Ok(Received { datagrams, more: count == asked })
    }

    /// Sends the datagrams of a `transmit`, each train of them by `send`.
    pub(crate) fn send(
        &self,
        transmit: &Transmit,
        datagrams: &[u8],
        send: impl Fn(&UdpSocketState, &quinn_udp::Transmit<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if !is_reachable(transmit.to) {
            debug!(to = %transmit.to, "no datagram can go there");
            return Ok(());
        }
        let segment_bytes = transmit.segment_bytes.max(1);
        let mut rest = datagrams;
        while !rest.is_empty() {
            let train = self.train_bytes(segment_bytes).min(rest.len());
            let contents = &rest[..train];
            let result = send(
                &self.state,
                &quinn_udp::Transmit {
                    destination: self.family.spell(transmit.to),
                    ecn: None,
                    contents,
                    segment_size: (segment_bytes < train).then_some(segment_bytes),
                    src_ip: None,
                },
            );
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

    #[cfg(test)]
    pub(crate) fn max_gso_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Most bytes to send with one call: whole datagrams, as many as the kernel cuts apart.
    fn train_bytes(&self, segment_bytes: usize) -> usize {
        let segments = self.state.max_gso_segments().min(TRAIN_BYTES_MAX / segment_bytes).max(1);
        segments * segment_bytes
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
