//! The key that logs in, as one that signs.
//!
//! A login key is an X25519 key. It signs as `XEdDSA` does: the Edwards point of the same scalar, with its
//! sign bit cleared, is the public key of an ordinary Ed25519 signature. So the one key that people
//! compare and that the server knows a user by speaks for all others, and the server can swap none of
//! them without the other.

use curve25519_dalek::{EdwardsPoint, MontgomeryPoint, Scalar, scalar::clamp_integer};
use ed25519_dalek::{
    Signature, VerifyingKey,
    hazmat::{ExpandedSecretKey, raw_sign},
};
use pychat_proto::{PublicKey, SecretKey};
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// A login key's secret half, ready to sign.
pub struct Identity {
    secret: SecretKey,
    public: PublicKey,
    /// The same scalar, or its negative, whose point has its sign bit cleared.
    scalar: Scalar,
    /// That point.
    point: VerifyingKey,
    nonces: Zeroizing<[u8; 32]>,
}

impl Identity {
    /// The identity of a login key.
    ///
    /// # Panics
    /// Never: a multiple of the base is a point.
    #[must_use]
    pub fn new(secret: &SecretKey) -> Self {
        let clamped = Zeroizing::new(clamp_integer(*secret.as_bytes()));
        let mut scalar = Scalar::from_bytes_mod_order(*clamped);
        let mut point = EdwardsPoint::mul_base(&scalar).compress();
        if point.0[31] & SIGN_BIT != 0 {
            scalar = -scalar;
            point.0[31] &= !SIGN_BIT;
        }
        let point = VerifyingKey::from_bytes(&point.0).expect("a multiple of the base is a point");
        let nonces = derive(secret, b"signature nonces");
        Self { secret: secret.clone(), public: secret.public(), scalar, point, nonces }
    }

    /// The login key's public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// 32 bytes that only the holder of the login key can know, for one `purpose`.
    pub(crate) fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        derive(&self.secret, purpose)
    }

    /// Signs `parts`, separated from every other use by `domain`.
    pub(crate) fn sign(&self, domain: &[u8], parts: &[&[u8]]) -> [u8; SIGNATURE_BYTES] {
        let message = message(domain, &self.public, parts);
        // It wipes itself when it goes.
        let key = ExpandedSecretKey { scalar: self.scalar, hash_prefix: *self.nonces };
        raw_sign::<Sha512>(&key, &message, &self.point).to_bytes()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.scalar.zeroize();
    }
}

fn derive(secret: &SecretKey, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let hash = Sha512::new_with_prefix(b"pychat derive")
        .chain_update(purpose)
        .chain_update(secret.as_bytes())
        .finalize();
    let hash = Zeroizing::new(<[u8; 64]>::from(hash));
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&hash[..32]);
    key
}

/// Whether `signature` is the login key's, of the same `domain` and `parts`.
pub(crate) fn is_signed(
    by: &PublicKey,
    domain: &[u8],
    parts: &[&[u8]],
    signature: &[u8; SIGNATURE_BYTES],
) -> bool {
    let Some(point) = MontgomeryPoint(by.0).to_edwards(0) else { return false };
    let Ok(key) = VerifyingKey::from_bytes(&point.compress().0) else { return false };
    key.verify_strict(&message(domain, by, parts), &Signature::from_bytes(signature)).is_ok()
}

const SIGN_BIT: u8 = 0x80;

/// Each part with its length before it, so that no two lists of parts are the same message. The signer's
/// key is one of them, as several byte strings are the same key to X25519.
fn message(domain: &[u8], by: &PublicKey, parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::new();
    for part in [domain, &by.0].iter().chain(parts) {
        let length = u32::try_from(part.len()).expect("keys and names are short");
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_login_key_signs_and_nothing_else_passes(
            secret: [u8; 32],
            other: [u8; 32],
            text: Vec<u8>,
            flip in 0..512_usize,
        ) {
            let identity = Identity::new(&SecretKey::from_bytes(secret));
            let signature = identity.sign(b"test", &[&text, b"x"]);
            prop_assert!(is_signed(&identity.public(), b"test", &[&text, b"x"], &signature));
            prop_assert!(!is_signed(&identity.public(), b"Test", &[&text, b"x"], &signature));
            prop_assert!(!is_signed(&identity.public(), b"test", &[&text, b"y"], &signature));
            prop_assert!(!is_signed(&identity.public(), b"test", &[&[&text[..], b"x"].concat()], &signature));
            let stranger = SecretKey::from_bytes(other).public();
            prop_assume!(stranger != identity.public());
            prop_assert!(!is_signed(&stranger, b"test", &[&text, b"x"], &signature));
            let mut flipped = signature;
            flipped[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(!is_signed(&identity.public(), b"test", &[&text, b"x"], &flipped));
        }

        #[test]
        fn any_bytes_are_a_key_that_signs_nothing(key: [u8; 32], signature: Vec<u8>) {
            let mut bytes = [0; SIGNATURE_BYTES];
            for (to, from) in bytes.iter_mut().zip(&signature) {
                *to = *from;
            }
            prop_assert!(!is_signed(&PublicKey(key), b"test", &[b"x"], &bytes));
        }
    }

    #[test]
    fn keys_of_small_order_sign_nothing() {
        for key in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            let mut forged = [0; SIGNATURE_BYTES];
            forged[0] = 1;
            assert!(!is_signed(&PublicKey(key), b"test", &[b"x"], &forged));
        }
    }

    #[test]
    fn what_is_derived_differs_by_purpose() {
        let identity = Identity::new(&SecretKey::from_bytes([7; 32]));
        assert_ne!(*identity.derive(b"a"), *identity.derive(b"b"));
        assert_eq!(*identity.derive(b"a"), *identity.derive(b"a"));
    }
}
