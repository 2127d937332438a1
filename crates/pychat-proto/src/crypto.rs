//! Hashes and sealing.

use blake2::{Blake2s256, Digest};

/// BLAKE2s-256 of `parts`, separated from every other use by `domain`.
pub(crate) fn hash(domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Blake2s256::new();
    hasher.update([domain.len() as u8]);
    hasher.update(domain);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
