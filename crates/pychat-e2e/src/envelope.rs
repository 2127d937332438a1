//! What the server carries: sealed bytes, and whatever the recipient needs to open them.
//!
//! ```text
//! first: | 1 | device key 137 | Olm pre-key message |
//! later: | 2 | Olm message |
//! own:   | 3 | nonce 12 | sealed content | tag 16 |
//! ```

use crate::{Content, DeviceKey, Identity, Vault};
use vodozemac::olm::{Message, PreKeyMessage};

const FIRST: u8 = 1;
const LATER: u8 = 2;
const OWN: u8 = 3;

/// A sealed content on its way.
#[derive(Clone, Debug)]
pub enum Envelope {
    /// Begins a session, or belongs to one that the recipient has not answered in yet.
    First {
        /// Who the sender is: an encoded [`DeviceKey`].
        device: Vec<u8>,
        /// In the sender's session.
        message: Box<PreKeyMessage>,
    },
    /// In a session that both sides have.
    Later(Box<Message>),
    /// To oneself.
    Own(Vec<u8>),
}

/// Bytes that are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came is not sealed, or in a way of a later version")]
pub struct InvalidEnvelope;

impl Envelope {
    /// Seals a note to oneself, under a key that only the login key gives: no session has two equal ends.
    #[must_use]
    pub fn to_oneself(identity: &Identity, content: &Content) -> Self {
        Self::Own(Vault::new(identity, OWN_PURPOSE).seal(b"", &content.encode()))
    }

    /// Opens a note to oneself. `None`: it is another kind of envelope, or not ours.
    #[must_use]
    pub fn open_own(&self, identity: &Identity) -> Option<Content> {
        match self {
            Self::Own(sealed) => {
                let plain = Vault::new(identity, OWN_PURPOSE).open(b"", sealed).ok()?;
                Content::decode(&plain).ok()
            }
            Self::First { .. } | Self::Later(_) => None,
        }
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::First { device, message } => [&[FIRST][..], device, &message.to_bytes()].concat(),
            Self::Later(message) => [&[LATER][..], &message.to_bytes()].concat(),
            Self::Own(sealed) => [&[OWN][..], sealed].concat(),
        }
    }

    /// What came on the wire. There is one encoding of each envelope.
    ///
    /// # Errors
    /// It is no envelope.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidEnvelope> {
        Self::decode_any(bytes).filter(|envelope| envelope.encode() == bytes).ok_or(InvalidEnvelope)
    }

    fn decode_any(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            FIRST => {
                let split = rest.split_at_checked(DeviceKey::BYTES);
                let (device, message) = split?;
                let message = PreKeyMessage::from_bytes(message).ok()?;
                Some(Self::First { device: device.to_vec(), message: Box::new(message) })
            }
            LATER => {
                let message = Message::from_bytes(rest).ok()?;
                Some(Self::Later(Box::new(message)))
            }
            OWN => Some(Self::Own(rest.to_vec())),
            _ => None,
        }
    }
}

const OWN_PURPOSE: &[u8] = b"notes to oneself";
