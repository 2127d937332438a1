//! ML-KEM-768 on top of the handshake: the key that a client offers, the server's answer, and packet
//! keys with the shared secret in them. docs/PROTOCOL.md, "Hybrid keys".
//!
//! aws-lc draws the randomness of ML-KEM itself: it has no call that takes a seed. So these bytes, and
//! nothing else in this crate, differ from run to run. How many they are, and what is done with them, does
//! not depend on their values.

use crate::crypto::PacketKey;
use aws_lc_rs::kem::{
    AlgorithmId, Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768, SharedSecret,
};

/// An encapsulation key, which the client sends. FIPS 203, table 3.
pub(crate) const KEY_BYTES: usize = 1184;
/// A ciphertext, which the server sends. FIPS 203, table 3.
pub(crate) const CIPHERTEXT_BYTES: usize = 1088;

/// A client's key pair for one session. The library wipes the secret half when it is dropped.
pub(crate) struct Offer {
    secret: DecapsulationKey<AlgorithmId>,
    public: Box<[u8]>,
}

/// What both sides know after the exchange and nobody else; wiped when dropped.
pub(crate) struct Secret(SharedSecret);

/// A key or an answer that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unusable;

impl Offer {
    /// Draws a key pair.
    pub(crate) fn new() -> Self {
        let made = DecapsulationKey::generate(&ML_KEM_768)
            .and_then(|secret| Ok((secret.encapsulation_key()?.key_bytes()?, secret)));
        // It fails only where memory or the system's randomness does.
        let (public, secret) = made.expect("a key pair can always be made");
        Self { secret, public: public.as_ref().into() }
    }

    /// The half that the server needs, [`KEY_BYTES`] long.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The secret in the server's answer. An answer to another key opens too, to a secret that nobody
    /// else knows: that is how ML-KEM tells nothing about what it refuses.
    pub(crate) fn open(&self, ciphertext: &[u8]) -> Result<Secret, Unusable> {
        self.secret.decapsulate(Ciphertext::from(ciphertext)).map(Secret).map_err(|_| Unusable)
    }
}

/// The server's answer to a client's key, and the secret in it.
pub(crate) fn answer(key: &[u8]) -> Result<(Box<[u8]>, Secret), Unusable> {
    let key = EncapsulationKey::new(&ML_KEM_768, key).map_err(|_| Unusable)?;
    let (ciphertext, secret) = key.encapsulate().map_err(|_| Unusable)?;
    Ok((ciphertext.as_ref().into(), Secret(secret)))
}

/// The key of a direction's hybrid epoch, from its first one.
pub(crate) fn mix(first: &PacketKey, secret: &Secret, handshake: &[u8; 32]) -> PacketKey {
    first.mixed_with(secret.0.as_ref(), handshake)
}

#[cfg(test)]
impl Offer {
    /// A key pair that was written down.
    pub(crate) fn known(secret: &[u8], public: &[u8]) -> Self {
        let secret = DecapsulationKey::new(&ML_KEM_768, secret).unwrap();
        Self { secret, public: public.into() }
    }

    pub(crate) fn secret_bytes(&self) -> Vec<u8> {
        self.secret.key_bytes().unwrap().as_ref().to_vec()
    }
}

#[cfg(test)]
impl Secret {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: [u8; 32] = [7; 32];

    #[test]
    fn both_sides_agree_and_the_keys_are_new() {
        let offer = Offer::new();
        assert_eq!(offer.public().len(), KEY_BYTES);
        let (ciphertext, theirs) = answer(offer.public()).unwrap();
        assert_eq!(ciphertext.len(), CIPHERTEXT_BYTES);
        let ours = offer.open(&ciphertext).unwrap();
        let first = PacketKey::new([1; 32]);
        let key = mix(&first, &ours, &HANDSHAKE);
        let bytes = |key: &PacketKey| *key.bytes().get();
        assert_eq!(bytes(&key), bytes(&mix(&first, &theirs, &HANDSHAKE)));
        let others = [
            first.clone(),
            first.ratchet(),
            mix(&PacketKey::new([2; 32]), &ours, &HANDSHAKE),
            mix(&first, &ours, &[8; 32]),
            mix(&first, &answer(offer.public()).unwrap().1, &HANDSHAKE),
        ];
        assert!(others.iter().all(|other| bytes(other) != bytes(&key)));
    }

    #[test]
    fn a_changed_answer_leads_to_another_secret_and_one_of_another_length_to_none() {
        let offer = Offer::new();
        let (ciphertext, theirs) = answer(offer.public()).unwrap();
        for bit in [0, 77, CIPHERTEXT_BYTES * 8 - 1] {
            let mut changed = ciphertext.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let secret = offer.open(&changed);
            assert!(secret.is_ok_and(|secret| secret.bytes() != theirs.bytes()));
        }
        assert!(offer.open(&ciphertext[1..]).is_err());
        assert!(offer.open(&[]).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let offer = Offer::new();
        assert!(answer(&offer.public()[1..]).is_err());
        assert!(answer(&[]).is_err());
        // No coefficient is as large as that. FIPS 203, section 7.2, "modulus check".
        assert!(answer(&[0xff; KEY_BYTES]).is_err());
    }
}
