//! A stage's own end of a session's keys: through the exchange, and into the hybrid epoch.

use crate::{
    crypto::{Forged, PacketKey},
    hybrid::{self, Secret},
    noise::Keys,
    wire::{
        Reader,
        frame::Frame,
        packet::{DATA_HEADER_BYTES, DataHeader},
    },
};

/// Whose end it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Server,
}

/// The keys of both epochs, as far as there are any.
pub(crate) struct Ends {
    end: End,
    first: Keys,
    hybrid: Option<Keys>,
    /// What came of the other end's key or answer, in order.
    pub(crate) pieces: Vec<u8>,
}

impl Ends {
    pub(crate) fn new(end: End, first: Keys) -> Self {
        Self { end, first, hybrid: None, pieces: Vec::new() }
    }

    /// From now on this end sends in the hybrid epoch.
    pub(crate) fn enter(&mut self, secret: &Secret) {
        let Keys { from_client, from_server, handshake } = &self.first;
        self.hybrid = Some(Keys {
            from_client: hybrid::mix(from_client, secret, handshake),
            from_server: hybrid::mix(from_server, secret, handshake),
            handshake: *handshake,
        });
    }

    /// Seals what stands behind a header that is to be written.
    pub(crate) fn seal(&self, mut header: DataHeader, frames: &[u8]) -> Vec<u8> {
        let keys = self.hybrid.as_ref().unwrap_or(&self.first);
        header.phase = self.hybrid.is_some().into();
        let mut packet = header.encode().to_vec();
        packet.extend_from_slice(frames);
        let (ours, _) = self.of(keys);
        ours.seal(header.number, &mut packet);
        packet
    }

    /// Opens what the other end sent, and keeps the pieces in it.
    pub(crate) fn open(&mut self, datagram: &[u8]) -> Result<Vec<u8>, Forged> {
        let header = DataHeader::decode(datagram).unwrap();
        assert!(datagram.len() > DATA_HEADER_BYTES);
        let keys = match (header.phase, &self.hybrid) {
            (1, Some(hybrid)) => hybrid,
            (1, None) => return Err(Forged),
            _ => &self.first,
        };
        let (_, theirs) = self.of(keys);
        let frames = theirs.open(header.number, &mut datagram.to_vec())?.to_vec();
        let mut reader = Reader(&frames);
        while !reader.is_empty() {
            if let Ok(Frame::Hybrid { bytes, .. }) = Frame::decode(&mut reader) {
                self.pieces.extend_from_slice(bytes);
            }
        }
        Ok(frames)
    }

    fn of<'a>(&self, keys: &'a Keys) -> (&'a PacketKey, &'a PacketKey) {
        match self.end {
            End::Client => (&keys.from_client, &keys.from_server),
            End::Server => (&keys.from_server, &keys.from_client),
        }
    }
}
