//! What the store keeps of end-to-end keys: bytes that it never looks into.

use pychat_proto::chat::{DEVICE_KEY_BYTES_MAX, OwnKeys, PREKEY_BYTES_MAX, PREKEYS_MAX, UserKeys};

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

/// The keys of a user's device, as an engine holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(super) device: DeviceKey,
    pub(super) fallback: Prekey,
    /// The lowest number that a new one-time key may have.
    pub(super) next: u64,
    pub(super) unused: Packed,
}

impl Keys {
    /// Sets a device's key and its fallback key; another device than before begins anew. Says whether
    /// anything changed.
    pub(super) fn publish_device(
        keys: &mut Option<Self>,
        device: &DeviceKey,
        fallback: &Prekey,
    ) -> bool {
        match keys.as_mut().filter(|keys| keys.device == *device) {
            Some(keys) => {
                let changed = keys.fallback != *fallback;
                keys.fallback = fallback.clone();
                changed
            }
            None => {
                let (device, fallback) = (device.clone(), fallback.clone());
                *keys = Some(Self { device, fallback, next: 0, unused: Packed::default() });
                true
            }
        }
    }

    /// Adds those of the keys whose number is new and for which there is room. Says whether anything
    /// changed.
    pub(super) fn publish_prekeys(&mut self, first: u64, prekeys: &[Prekey]) -> bool {
        let mut changed = false;
        for (number, prekey) in (first..=PREKEY_NUMBER_MAX).zip(prekeys) {
            if self.unused.count == PREKEYS_MAX {
                break;
            }
            if number >= self.next {
                self.unused.push(prekey);
                self.next = number + 1;
                changed = true;
            }
        }
        changed
    }

    /// Takes the oldest one-time key out; the fallback key stays. Says whether anything changed.
    pub(super) fn claim(&mut self) -> (UserKeys, bool) {
        let taken = self.unused.pop();
        let changed = taken.is_some();
        let prekey = taken.unwrap_or_else(|| self.fallback.as_bytes().into());
        (UserKeys { device: self.device.as_bytes().into(), prekey }, changed)
    }

    /// What their owner is told of them.
    pub(super) fn own(keys: Option<&Self>) -> OwnKeys {
        match keys {
            None => OwnKeys { device: Vec::new(), fallback: Vec::new(), unused: 0, next: 0 },
            Some(keys) => OwnKeys {
                device: keys.device.as_bytes().into(),
                fallback: keys.fallback.as_bytes().into(),
                unused: keys.unused.count as u32,
                next: keys.next,
            },
        }
    }
}

/// What others are told of one who has no device.
pub(super) const fn no_device() -> UserKeys {
    UserKeys { device: Vec::new(), prekey: Vec::new() }
}

/// One-time keys that nobody has taken, the oldest first, each behind its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(super) bytes: Vec<u8>,
    count: usize,
}

/// The length of a one-time key stands before it, in one byte.
const _: () = assert!(PREKEY_BYTES_MAX <= u8::MAX as usize);

impl Packed {
    /// Takes bytes if they are whole keys, and no more of them than are kept.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let (mut rest, mut count) = (&bytes[..], 0);
        while let Some((&length, tail)) = rest.split_first() {
            let (key, tail) = tail.split_at_checked(usize::from(length))?;
            Prekey::parse(key)?;
            (rest, count) = (tail, count + 1);
        }
        (count <= PREKEYS_MAX).then_some(Self { bytes, count })
    }

    fn push(&mut self, prekey: &Prekey) {
        // A key's bound fits a byte: asserted above.
        self.bytes.push(prekey.as_bytes().len() as u8);
        self.bytes.extend_from_slice(prekey.as_bytes());
        self.count += 1;
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(*self.bytes.first()?);
        self.count -= 1;
        Some(self.bytes.drain(..=length).skip(1).collect())
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

    fn key(byte: u8, length: usize) -> Prekey {
        Prekey::parse(vec![byte; length]).unwrap()
    }

    #[test]
    fn packed_keys_come_out_whole_and_the_oldest_first() {
        let mut packed = Packed::default();
        packed.push(&key(1, PREKEY_BYTES_MAX));
        packed.push(&key(2, 1));
        let mut packed = Packed::parse(packed.bytes).unwrap();
        assert_eq!(packed.count, 2);
        assert_eq!(packed.pop(), Some(vec![1; PREKEY_BYTES_MAX]));
        assert_eq!(packed.pop(), Some(vec![2]));
        assert_eq!((packed.pop(), packed.count), (None, 0));
    }

    #[test]
    fn bytes_that_are_no_whole_keys_are_not_taken() {
        let mut most = Packed::default();
        (0..PREKEYS_MAX).for_each(|_| most.push(&key(1, 2)));
        assert!(Packed::parse(most.bytes.clone()).is_some());
        most.push(&key(1, 2));
        let long = [&[PREKEY_BYTES_MAX as u8 + 1][..], &[7; PREKEY_BYTES_MAX + 1]].concat();
        for bytes in [vec![0], vec![2, 7], vec![1, 7, 9], long, most.bytes] {
            assert!(Packed::parse(bytes.clone()).is_none(), "{bytes:?}");
        }
    }
}
