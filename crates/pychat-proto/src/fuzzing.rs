//! Decoding and encoding apart from sessions, for fuzzing only (feature `fuzzing`; no program asks
//! for it).

use crate::wire::{
    Reader,
    frame::Frame,
    packet::{
        self, DataHeader, Fin, HANDSHAKE_BYTES, Init, MAC_BYTES, Resp, Retry, TYPE_DATA, TYPE_FIN,
        TYPE_INIT, TYPE_RESET, TYPE_RESP, TYPE_RETRY, TYPE_VERSION,
    },
};
use std::ops::Range;

/// A datagram that was decoded, encoded again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The same packet.
    pub bytes: Vec<u8>,
    /// Where a receiver does not look: the padding of an INIT, which `mac1` covers.
    pub padding: Range<usize>,
}

/// Decodes a datagram as its receiver would, and encodes what came of it. `None`: it is dropped.
#[must_use]
pub fn packet(datagram: &[u8]) -> Option<Packet> {
    let kind = *datagram.first()?;
    let mut padding = 0..0;
    let bytes = match kind {
        TYPE_INIT => {
            let init = Init::decode(datagram).ok()?;
            let mut bytes = init.encode();
            let token = init.token.map_or(0, |token| token.len());
            let (end, mac1) = datagram.split_at(HANDSHAKE_BYTES - MAC_BYTES);
            padding = INIT_HEADER_BYTES + token + init.noise.len()..end.len();
            bytes.extend_from_slice(mac1);
            bytes
        }
        TYPE_RETRY => {
            let (_, retry, tag) = Retry::decode(datagram).ok()?;
            [retry.encode(), tag.to_vec()].concat()
        }
        TYPE_RESP => Resp::decode(datagram).ok()?.encode(),
        TYPE_FIN => Fin::decode(datagram).ok()?.encode(),
        TYPE_RESET => {
            let (server, token) = packet::decode_reset(datagram).ok()?;
            packet::encode_reset(server, token)
        }
        TYPE_VERSION => {
            let (client, versions) = packet::decode_versions(datagram).ok()?;
            let mut bytes = packet::encode_versions(client);
            bytes.pop();
            bytes.extend_from_slice(versions);
            bytes
        }
        _ if kind & !1 == TYPE_DATA => {
            let header = DataHeader::decode(datagram).ok()?.encode();
            [&header, &datagram[header.len()..]].concat()
        }
        _ => return None,
    };
    Some(Packet { bytes, padding })
}

/// What lies before an INIT's token.
const INIT_HEADER_BYTES: usize = 18;

/// Frames that were decoded, encoded again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// How many.
    pub count: usize,
    /// The same frames, each in its shortest form.
    pub bytes: Vec<u8>,
    /// Whether encoding kept everything. What a peer may not say (a delay of years) is cut down.
    pub is_whole: bool,
}

/// Decodes what a DATA packet carries and encodes what came of it. `None`: it is malformed.
#[must_use]
pub fn frames(bytes: &[u8]) -> Option<Frames> {
    let mut reader = Reader(bytes);
    let mut frames = Frames { count: 0, bytes: Vec::new(), is_whole: true };
    while !reader.is_empty() {
        let frame = Frame::decode(&mut reader).ok()?;
        let from = frames.bytes.len();
        frame.encode(&mut frames.bytes);
        frames.count += 1;
        let again = Frame::decode(&mut Reader(&frames.bytes[from..]));
        frames.is_whole &= again.as_ref() == Ok(&frame);
    }
    Some(frames)
}
