//! One packet a datagram. docs/PROTOCOL.md, "Packets".

use super::{Malformed, Reader};
use crate::{ConnectionId, DATAGRAM_BYTES_MAX};

/// The protocol version that this crate speaks.
pub(crate) const VERSION: u8 = 1;
/// The one cipher suite: X25519 and ML-KEM-768, ChaCha20-Poly1305, BLAKE2s.
pub(crate) const SUITE: u8 = 2;

pub(crate) const TYPE_INIT: u8 = 0x01;
pub(crate) const TYPE_RETRY: u8 = 0x02;
pub(crate) const TYPE_RESP: u8 = 0x03;
pub(crate) const TYPE_FIN: u8 = 0x04;
pub(crate) const TYPE_RESET: u8 = 0x05;
pub(crate) const TYPE_VERSION: u8 = 0x06;
/// DATA; the lowest bit is the key phase.
pub(crate) const TYPE_DATA: u8 = 0x40;

pub(crate) const MAC_BYTES: usize = 16;
pub(crate) const TAG_BYTES: usize = 16;
pub(crate) const TOKEN_BYTES: usize = 24;
/// An INIT's and a RESP's whole size; the padding makes the answer no larger than the question.
pub(crate) const HANDSHAKE_BYTES: usize = DATAGRAM_BYTES_MAX;
pub(crate) const RESET_BYTES: usize = 25;
pub(crate) const DATA_HEADER_BYTES: usize = 16;
/// What DATA adds to its frames.
pub(crate) const DATA_OVERHEAD_BYTES: usize = DATA_HEADER_BYTES + TAG_BYTES;
/// Largest packet number: 56 bits.
pub(crate) const PACKET_NUMBER_MAX: u64 = (1 << 56) - 1;

pub(crate) type Token = [u8; TOKEN_BYTES];

/// An INIT, without its padding. `mac1` is checked apart, over the whole datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Init<'a> {
    pub(crate) version: u8,
    pub(crate) suite: u8,
    pub(crate) client: ConnectionId,
    pub(crate) server_key_id: [u8; 4],
    pub(crate) token: Option<Token>,
    pub(crate) noise: &'a [u8],
}

impl<'a> Init<'a> {
    /// Encodes all but `mac1`, whose bytes come last.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(HANDSHAKE_BYTES);
        let token: &[u8] = self.token.as_ref().map_or(&[], |token| token);
        to.extend_from_slice(&[TYPE_INIT, self.version, self.suite, token.len() as u8]);
        to.extend_from_slice(&self.client.0.to_be_bytes());
        to.extend_from_slice(&self.server_key_id);
        to.extend_from_slice(&(self.noise.len() as u16).to_be_bytes());
        to.extend_from_slice(token);
        to.extend_from_slice(self.noise);
        to.resize(HANDSHAKE_BYTES - MAC_BYTES, 0);
        to
    }

    /// The version and the client's id, which lie there in every version.
    pub(crate) fn decode_invariant(datagram: &[u8]) -> Result<(u8, ConnectionId), Malformed> {
        if datagram.len() < HANDSHAKE_BYTES {
            return Err(Malformed);
        }
        let mut from = Reader(&datagram[1..]);
        let version = from.u8()?;
        from.bytes(2)?;
        Ok((version, ConnectionId(from.u64()?)))
    }

    pub(crate) fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if datagram.len() != HANDSHAKE_BYTES {
            return Err(Malformed);
        }
        let mut from = Reader(&datagram[1..HANDSHAKE_BYTES - MAC_BYTES]);
        let version = from.u8()?;
        let suite = from.u8()?;
        let token_len = from.u8()?;
        let client = ConnectionId(from.u64()?);
        let server_key_id = from.array()?;
        let noise_len = usize::from(from.u16()?);
        let token = match usize::from(token_len) {
            0 => None,
            TOKEN_BYTES => Some(from.array()?),
            _ => return Err(Malformed),
        };
        let noise = from.bytes(noise_len)?;
        Ok(Self { version, suite, client, server_key_id, token, noise })
    }
}

/// The server's stateless question for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) client: ConnectionId,
    pub(crate) token: Token,
}

impl Retry {
    /// Encodes all but the tag, whose bytes come last.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = vec![TYPE_RETRY, VERSION];
        to.extend_from_slice(&self.client.0.to_be_bytes());
        to.extend_from_slice(&self.token);
        to
    }

    /// What the tag covers, the packet, the tag.
    pub(crate) fn decode(datagram: &[u8]) -> Result<(&[u8], Self, [u8; TAG_BYTES]), Malformed> {
        let covered = datagram.get(..2 + 8 + TOKEN_BYTES).ok_or(Malformed)?;
        let mut from = Reader(&datagram[1..]);
        if from.u8()? != VERSION {
            return Err(Malformed);
        }
        let packet = Self { client: ConnectionId(from.u64()?), token: from.array()? };
        let tag = from.array()?;
        if from.is_empty() { Ok((covered, packet, tag)) } else { Err(Malformed) }
    }
}

/// The server's answer to an INIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resp<'a> {
    pub(crate) client: ConnectionId,
    /// Its payload names the server's connection id: outside, nothing would authenticate it.
    pub(crate) noise: &'a [u8],
}

impl<'a> Resp<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(HANDSHAKE_BYTES);
        to.extend_from_slice(&[TYPE_RESP, VERSION, SUITE]);
        to.extend_from_slice(&self.client.0.to_be_bytes());
        to.extend_from_slice(&(self.noise.len() as u16).to_be_bytes());
        to.extend_from_slice(self.noise);
        to.resize(HANDSHAKE_BYTES, 0);
        to
    }

    pub(crate) fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if datagram.len() != HANDSHAKE_BYTES {
            return Err(Malformed);
        }
        let mut from = Reader(&datagram[1..]);
        if from.u8()? != VERSION || from.u8()? != SUITE {
            return Err(Malformed);
        }
        let client = ConnectionId(from.u64()?);
        let noise_len = usize::from(from.u16()?);
        let noise = from.bytes(noise_len)?;
        // The padding is the one part that nothing authenticates, so it has one form only.
        if from.0.iter().any(|byte| *byte != 0) {
            return Err(Malformed);
        }
        Ok(Self { client, noise })
    }
}

/// The third Noise message, after a first contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fin<'a> {
    pub(crate) server: ConnectionId,
    pub(crate) noise: &'a [u8],
}

impl<'a> Fin<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = vec![TYPE_FIN];
        to.extend_from_slice(&self.server.0.to_be_bytes());
        to.extend_from_slice(self.noise);
        to
    }

    pub(crate) fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(Malformed);
        }
        let mut from = Reader(&datagram[1..]);
        Ok(Self { server: ConnectionId(from.u64()?), noise: from.0 })
    }
}

/// "I do not know this session."
pub(crate) fn encode_reset(server: ConnectionId, token: [u8; 16]) -> Vec<u8> {
    let mut to = vec![TYPE_RESET];
    to.extend_from_slice(&server.0.to_be_bytes());
    to.extend_from_slice(&token);
    to
}

pub(crate) fn decode_reset(datagram: &[u8]) -> Result<(ConnectionId, [u8; 16]), Malformed> {
    let mut from = Reader(&datagram[1..]);
    let (server, token) = (ConnectionId(from.u64()?), from.array()?);
    if from.is_empty() { Ok((server, token)) } else { Err(Malformed) }
}

/// "I speak these versions only."
pub(crate) fn encode_versions(client: ConnectionId) -> Vec<u8> {
    let mut to = vec![TYPE_VERSION, 0];
    to.extend_from_slice(&client.0.to_be_bytes());
    to.push(VERSION);
    to
}

pub(crate) fn decode_versions(datagram: &[u8]) -> Result<(ConnectionId, &[u8]), Malformed> {
    let mut from = Reader(&datagram[1..]);
    if from.u8()? != 0 {
        return Err(Malformed);
    }
    let client = ConnectionId(from.u64()?);
    if from.0.is_empty() || from.0.len() > 16 { Err(Malformed) } else { Ok((client, from.0)) }
}

/// A DATA packet's header; the 16 bytes are its associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataHeader {
    pub(crate) phase: u8,
    pub(crate) to: ConnectionId,
    pub(crate) number: u64,
}

impl DataHeader {
    pub(crate) fn encode(&self) -> [u8; DATA_HEADER_BYTES] {
        let mut bytes = [0; DATA_HEADER_BYTES];
        bytes[0] = TYPE_DATA | self.phase;
        bytes[1..9].copy_from_slice(&self.to.0.to_be_bytes());
        bytes[9..].copy_from_slice(&self.number.to_be_bytes()[1..]);
        bytes
    }

    pub(crate) fn decode(datagram: &[u8]) -> Result<Self, Malformed> {
        if datagram.len() < DATA_OVERHEAD_BYTES {
            return Err(Malformed);
        }
        let mut from = Reader(datagram);
        let phase = from.u8()? & 1;
        let to = ConnectionId(from.u64()?);
        let mut number = [0; 8];
        number[1..].copy_from_slice(from.bytes(7)?);
        Ok(Self { phase, to, number: u64::from_be_bytes(number) })
    }
}

/// The connection id that a datagram of the established phase is for.
pub(crate) fn destination(datagram: &[u8]) -> Option<ConnectionId> {
    let mut from = Reader(datagram);
    match from.u8().ok()? {
        kind if kind & !1 == TYPE_DATA => from.u64().ok().map(ConnectionId),
        TYPE_FIN => from.u64().ok().map(ConnectionId),
        _ => None,
    }
}

/// By which id a client knows that a datagram is for it, as [`crate::Client::connection_ids`] has them:
/// its own one, or for a RESET, which names no other, the server's. `None`: no datagram for a client.
/// For programs that keep many clients on one socket. Authenticates nothing.
#[must_use]
pub fn client_id_of(datagram: &[u8]) -> Option<ConnectionId> {
    let mut from = Reader(datagram);
    let before = match from.u8().ok()? {
        kind if kind & !1 == TYPE_DATA => 0,
        TYPE_RESET => 0,
        TYPE_RETRY | TYPE_VERSION => 1,
        TYPE_RESP => 2,
        _ => return None,
    };
    from.bytes(before).ok()?;
    from.u64().ok().map(ConnectionId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_datagram_for_a_client_tells_for_which() {
        let client = ConnectionId(0x0102_0304_0506_0708);
        let data = DataHeader { phase: 1, to: client, number: 3 }.encode().to_vec();
        let resp = Resp { client, noise: b"answer" }.encode();
        let retry = Retry { client, token: [9; TOKEN_BYTES] }.encode();
        for datagram in [data, resp, retry, encode_versions(client), encode_reset(client, [4; 16])]
        {
            assert_eq!(client_id_of(&datagram), Some(client), "{datagram:?}");
            assert_eq!(client_id_of(&datagram[..8]), None, "cut off");
        }
        let fin = Fin { server: client, noise: b"login" }.encode();
        assert_eq!(client_id_of(&fin), None, "for a server");
        assert_eq!(client_id_of(&[]), None);
    }

    #[test]
    fn packets_survive_encoding() {
        let init = Init {
            version: VERSION,
            suite: SUITE,
            client: ConnectionId(7),
            server_key_id: [1, 2, 3, 4],
            token: Some([9; TOKEN_BYTES]),
            noise: b"noise",
        };
        let mut bytes = init.encode();
        bytes.extend_from_slice(&[0; MAC_BYTES]);
        assert_eq!(bytes.len(), HANDSHAKE_BYTES);
        assert_eq!(Init::decode(&bytes), Ok(init));

        let resp = Resp { client: ConnectionId(1), noise: b"answer" };
        let mut bytes = resp.encode();
        assert_eq!(Resp::decode(&bytes), Ok(resp));
        bytes[HANDSHAKE_BYTES - 1] = 1;
        assert_eq!(Resp::decode(&bytes), Err(Malformed), "padding has one form");

        let header = DataHeader { phase: 1, to: ConnectionId(u64::MAX), number: PACKET_NUMBER_MAX };
        let mut bytes = header.encode().to_vec();
        assert_eq!(DataHeader::decode(&bytes), Err(Malformed), "no room for a tag");
        bytes.extend_from_slice(&[0; TAG_BYTES]);
        assert_eq!(DataHeader::decode(&bytes), Ok(header));
        assert_eq!(destination(&bytes), Some(ConnectionId(u64::MAX)));

        let mut fin = Fin { server: ConnectionId(1), noise: &[7; 1191] }.encode();
        assert_eq!(fin.len(), DATAGRAM_BYTES_MAX);
        assert!(Fin::decode(&fin).is_ok());
        fin.push(7);
        assert_eq!(Fin::decode(&fin), Err(Malformed), "no login is longer than a datagram");

        let reset = encode_reset(ConnectionId(3), [4; 16]);
        assert_eq!(reset.len(), RESET_BYTES);
        assert_eq!(decode_reset(&reset), Ok((ConnectionId(3), [4; 16])));
        assert_eq!(
            decode_versions(&encode_versions(ConnectionId(5))),
            Ok((ConnectionId(5), &[VERSION][..]))
        );
    }
}
