//! Long-lived keys: a device's or server's identity, and what the server derives its secrets from.

use aws_lc_rs::agreement;
use data_encoding::BASE64URL_NOPAD;
use std::{fmt, str::FromStr};
use zeroize::ZeroizeOnDrop;

/// An X25519 public key: who a device or a server is. Its text form is 43 characters of URL-safe
/// base64, as in a join link.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// An X25519 secret key, wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key has 43 characters of A-Z, a-z, 0-9, '-' and '_'")]
pub struct InvalidKey;

impl SecretKey {
    /// Takes 32 random bytes as a key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, to be stored in a file of mode 0600.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half.
    ///
    /// # Panics
    /// Never: every 32 bytes are an X25519 secret key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let key = agreement::PrivateKey::from_private_key(&agreement::X25519, &self.0)
            .expect("every 32 bytes are an X25519 secret key");
        let public = key.compute_public_key().expect("a secret key has a public half");
        let mut bytes = [0; 32];
        bytes.copy_from_slice(public.as_ref());
        PublicKey(bytes)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl PublicKey {
    /// A short form for people to compare: eight groups of four hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = crate::crypto::hash(b"pychat fingerprint", &[&self.0]);
        let groups: Vec<String> =
            hash[..16].chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
        groups.join(" ")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| InvalidKey)?;
        bytes.try_into().map(Self).map_err(|_| InvalidKey)
    }
}

/// All that a server must keep secret, and keep at all: lose it and clients see a changed server.
#[derive(Clone, Debug)]
pub struct ServerSecrets {
    /// The server's identity.
    pub identity: SecretKey,
    /// Reset tokens come from this one, so that they outlive a restart.
    pub reset: SecretKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_text_form() {
        for seed in 0..=255_u8 {
            let key =
                PublicKey(std::array::from_fn(|i| seed.wrapping_mul(31).wrapping_add(i as u8)));
            assert_eq!(key.to_string().len(), 43);
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        assert_eq!("short".parse::<PublicKey>(), Err(InvalidKey));
    }
}
