//! Hashes, MACs and the sealing of packets. docs/PROTOCOL.md, "Cryptography".

use crate::wire::packet::{DATA_HEADER_BYTES, TAG_BYTES};
use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    constant_time,
};
use blake2::{
    Blake2s256, Blake2sMac, Digest,
    digest::{FixedOutput, KeyInit, Update, consts::U16},
};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use std::cell::OnceCell;
use zeroize::ZeroizeOnDrop;

/// BLAKE2s-256 of `parts`, separated from every other use by `domain`.
pub(crate) fn hash(domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Blake2s256::new();
    Digest::update(&mut hasher, [domain.len() as u8]);
    Digest::update(&mut hasher, domain);
    for part in parts {
        Digest::update(&mut hasher, part);
    }
    hasher.finalize().into()
}

/// Keyed BLAKE2s with 16 bytes of output.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Blake2sMac::<U16>::new_from_slice(key).expect("BLAKE2s takes keys of 32 bytes");
    for part in parts {
        Update::update(&mut mac, part);
    }
    mac.finalize_fixed().into()
}

/// Compares without telling by its time where the difference is.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// The bytes of a packet key, which is all that a session at rest keeps of it.
#[derive(Clone, ZeroizeOnDrop)]
pub(crate) struct KeyBytes([u8; 32]);

/// One direction's packet key. The cipher is made with the first packet and then used for all, so that a
/// packet allocates nothing; it wipes itself.
pub(crate) struct PacketKey {
    bytes: KeyBytes,
    cipher: OnceCell<LessSafeKey>,
}

/// A packet that does not open: forged, damaged, or of another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

impl PacketKey {
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self { bytes: KeyBytes(bytes), cipher: OnceCell::new() }
    }

    pub(crate) fn bytes(&self) -> &KeyBytes {
        &self.bytes
    }

    /// The key of the next phase; the way back is closed.
    pub(crate) fn ratchet(&self) -> Self {
        Self::new(hash(b"pychat ratchet", &[&self.bytes.0]))
    }

    /// The key of the hybrid epoch: it takes this key and the secret to make it.
    pub(crate) fn mixed_with(&self, secret: &[u8], handshake: &[u8; 32]) -> Self {
        Self::new(hash(b"pychat hybrid", &[&self.bytes.0, secret, handshake]))
    }

    fn cipher(&self) -> &LessSafeKey {
        self.cipher.get_or_init(|| {
            let key = UnboundKey::new(&CHACHA20_POLY1305, &self.bytes.0);
            LessSafeKey::new(key.expect("ChaCha20-Poly1305 takes keys of 32 bytes"))
        })
    }

    /// Seals what stands in `packet` behind the header, and appends the tag.
    pub(crate) fn seal(&self, number: u64, packet: &mut Vec<u8>) {
        let (header, frames) = packet.split_at_mut(DATA_HEADER_BYTES);
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(nonce(number), Aad::from(&*header), frames)
            .expect("a datagram is far below the cipher's limit");
        packet.extend_from_slice(tag.as_ref());
    }

    /// Opens in place; the frames are returned. What does not open is destroyed.
    pub(crate) fn open<'a>(&self, number: u64, packet: &'a mut [u8]) -> Result<&'a [u8], Forged> {
        if packet.len() < DATA_HEADER_BYTES + TAG_BYTES {
            return Err(Forged);
        }
        let (header, sealed) = packet.split_at_mut(DATA_HEADER_BYTES);
        let opened = self.cipher().open_in_place(nonce(number), Aad::from(&*header), sealed);
        opened.map(|frames| &*frames).map_err(|_| Forged)
    }
}

impl From<&KeyBytes> for PacketKey {
    fn from(bytes: &KeyBytes) -> Self {
        Self { bytes: bytes.clone(), cipher: OnceCell::new() }
    }
}

impl Clone for PacketKey {
    fn clone(&self) -> Self {
        Self::from(&self.bytes)
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// All randomness of a client or an endpoint, from the seed that its driver gave.
#[derive(Clone)]
pub(crate) struct Rng(ChaCha12Rng);

impl Rng {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform enough in `0..below` for jitter; `below` is small against 2^64.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.u64() % below.max(1)
    }

    /// `duration` give or take `percent`.
    pub(crate) fn jitter(
        &mut self,
        duration: std::time::Duration,
        percent: u64,
    ) -> std::time::Duration {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 200);
        let span = micros * percent / 100;
        std::time::Duration::from_micros(micros - span + self.below(2 * span + 1))
    }
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_opens_only_whole_under_its_number_and_key() {
        let key = PacketKey::new([7; 32]);
        let mut packet = vec![1; DATA_HEADER_BYTES];
        packet.extend_from_slice(b"frames");
        key.seal(9, &mut packet);
        assert_eq!(key.open(9, &mut packet.clone()), Ok(&b"frames"[..]));
        assert_eq!(key.open(8, &mut packet.clone()), Err(Forged));
        assert_eq!(key.ratchet().open(9, &mut packet.clone()), Err(Forged));
        for bit in 0..packet.len() * 8 {
            let mut damaged = packet.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(9, &mut damaged), Err(Forged), "bit {bit}");
        }
    }
}
