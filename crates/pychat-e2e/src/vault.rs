//! Seals for the disk what must not lie there in clear.

use crate::Identity;
use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// A key that comes from the login key, which lies in a file of mode 0600. AES-256-GCM-SIV, so that even a
/// nonce drawn twice would tell no more than that two texts are equal.
pub struct Vault(LessSafeKey);

/// What was sealed does not open: it was changed, moved to another place, or sealed under another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed under the identity key does not open with it")]
pub struct Damaged;

impl Vault {
    /// The vault of that identity, for one `purpose`.
    pub(crate) fn new(identity: &Identity, purpose: &[u8]) -> Self {
        let key = identity.derive(purpose);
        let key = UnboundKey::new(&AES_256_GCM_SIV, key.as_ref());
        Self(LessSafeKey::new(key.expect("AES-256 takes keys of 32 bytes")))
    }

    /// For what lies in the daemon's database.
    #[must_use]
    pub fn for_disk(identity: &Identity) -> Self {
        Self::new(identity, b"vault for the disk")
    }

    /// Seals `bytes` for one `place`: elsewhere they do not open.
    ///
    /// # Panics
    /// The operating system has no randomness to give.
    #[must_use]
    pub fn seal(&self, place: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).expect("the operating system gives randomness");
        let mut sealed = Vec::with_capacity(NONCE_LEN + bytes.len() + self.0.algorithm().tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(bytes);
        let (_, text) = sealed.split_at_mut(NONCE_LEN);
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), text)
            .expect("what is sealed is far below the cipher's limit");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Seals plain data as JSON, which is the form that Olm's library stands by.
    ///
    /// # Panics
    /// What is given is no plain data.
    pub(crate) fn seal_plain(&self, place: &[u8], data: &impl Serialize) -> Vec<u8> {
        // As much room as it takes: a buffer that grows would leave copies behind.
        let mut room = Room(0);
        serde_json::to_writer(&mut room, data).expect("it is plain data");
        let mut bytes = Zeroizing::new(Vec::with_capacity(room.0));
        serde_json::to_writer(&mut *bytes, data).expect("it is plain data");
        self.seal(place, &bytes)
    }

    /// Opens what was sealed by [`Self::seal_plain`].
    pub(crate) fn open_plain<T: DeserializeOwned>(
        &self,
        place: &[u8],
        sealed: &[u8],
    ) -> Result<T, Damaged> {
        serde_json::from_slice(&self.open(place, sealed)?).map_err(|_| Damaged)
    }

    /// Opens what was sealed for the same `place`.
    ///
    /// # Errors
    /// It was not.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Damaged> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Damaged)?;
        let mut bytes = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(place), &mut bytes);
        let length = opened.map_err(|_| Damaged)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// Counts what would be written.
struct Room(usize);

impl std::io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_proto::SecretKey;

    fn vault(seed: u8) -> Vault {
        Vault::for_disk(&Identity::new(&SecretKey::from_bytes([seed; 32])))
    }

    #[test]
    fn what_was_sealed_opens_in_its_place_under_its_key_only() {
        let sealed = vault(1).seal(b"a", b"secret");
        assert_eq!(vault(1).open(b"a", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(vault(1).open(b"b", &sealed), Err(Damaged));
        assert_eq!(vault(2).open(b"a", &sealed), Err(Damaged));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(vault(1).open(b"a", &flipped), Err(Damaged), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(vault(1).open(b"a", &sealed[..length]), Err(Damaged), "{length} bytes");
        }
    }
}
