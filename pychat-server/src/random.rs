//! Randomness from the operating system.

use std::io;
use zeroize::Zeroizing;

/// Thirty-two random bytes: a key, or a seed.
pub(crate) fn bytes() -> io::Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
