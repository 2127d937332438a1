//! Files under a passphrase, in the age format, version 1 (<https://c2sp.org/age>), so that the `age`
//! program opens what we write: `age -d FILE`.
//!
//! `header` holds the file's key, wrapped under the passphrase with scrypt; `stream` holds what follows,
//! sealed chunk by chunk, so that files of any size take the same memory. The format is small and needs
//! nothing but what seals our packets and scrypt; the `age` crate is not used, since it brings plugins,
//! translations and post-quantum keys with it, 88 more crates.

mod header;
mod stream;
#[cfg(test)]
mod tests;

pub use header::{DamagedHeader, Passphrase, PassphraseError, Work};
pub use stream::{Opener, Sealer};

use header::FileKey;
use std::io::{self, BufRead, Write};
use zeroize::Zeroizing;

/// The random numbers of one file. They must never have been used before.
pub struct Fresh {
    /// The key of the file.
    pub file_key: Zeroizing<[u8; 16]>,
    /// What the passphrase is salted with.
    pub salt: [u8; 16],
    /// What the key of the content is derived with.
    pub nonce: [u8; 16],
}

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    /// It does not begin as a file under a passphrase does.
    #[error("{0}")]
    Header(#[from] DamagedHeader),
    /// The passphrase is another one. A damaged wrapped key looks the same.
    #[error("the passphrase is wrong (or the beginning of the file is damaged)")]
    WrongPassphrase,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Begins a file: what is written to the result is sealed, and is whole once it was finished.
///
/// # Errors
/// `out` cannot be written.
pub fn encrypt<W: Write>(
    mut out: W,
    passphrase: &Passphrase,
    work: Work,
    fresh: &Fresh,
) -> io::Result<Sealer<W>> {
    let file_key = FileKey(fresh.file_key.clone());
    out.write_all(&header::write(&file_key, passphrase, work, &fresh.salt))?;
    out.write_all(&fresh.nonce)?;
    Ok(Sealer::new(out, &file_key, &fresh.nonce))
}

/// Opens a file: what is read from the result is what was sealed. It takes at most the work `work_max`
/// to check the passphrase.
///
/// # Errors
/// Says what is wrong with the file or the passphrase.
pub fn decrypt<R: BufRead>(
    mut input: R,
    passphrase: &Passphrase,
    work_max: Work,
) -> Result<Opener<R>, DecryptError> {
    let file_key = header::read(&mut input, passphrase, work_max)?;
    let mut nonce = [0; 16];
    input.read_exact(&mut nonce)?;
    Ok(Opener::new(input, &file_key, &nonce))
}
