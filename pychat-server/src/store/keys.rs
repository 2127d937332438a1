//! What the store keeps of end-to-end keys: bytes that it never looks into.

use pychat_proto::chat::{DEVICE_KEY_BYTES_MAX, PREKEY_BYTES_MAX};

/// The highest number of a one-time key; far beyond any honest one, and far from where a store's
/// integers end. docs/PROTOCOL.md, "Limits".
pub const PREKEY_NUMBER_MAX: u64 = 1 << 48;

/// A signed device key.
pub type DeviceKey = Opaque<DEVICE_KEY_BYTES_MAX>;

/// A signed one-time or fallback key.
pub type Prekey = Opaque<PREKEY_BYTES_MAX>;

/// At least one byte and at most `MAX`; no bytes at all say that there is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque<const MAX: usize>(Box<[u8]>);

impl<const MAX: usize> Opaque<MAX> {
    /// Takes bytes whose number is within the bounds.
    #[must_use]
    pub fn parse(bytes: impl Into<Box<[u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        (1..=MAX).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_byte_to_its_bound() {
        for length in [1, PREKEY_BYTES_MAX] {
            assert_eq!(Prekey::parse(vec![7; length]).unwrap().as_bytes(), vec![7; length]);
        }
        assert_eq!(Prekey::parse(Vec::new()), None);
        assert_eq!(Prekey::parse(vec![7; PREKEY_BYTES_MAX + 1]), None);
        assert!(DeviceKey::parse(vec![7; DEVICE_KEY_BYTES_MAX]).is_some());
        assert_eq!(DeviceKey::parse(vec![7; DEVICE_KEY_BYTES_MAX + 1]), None);
    }
}
