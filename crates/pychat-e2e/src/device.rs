//! A device's keys: what it publishes, signed by the login key, and the account behind it.

use crate::{
    CONFIG, Content, Damaged, Identity, Opened, Session, Unopenable, Vault,
    identity::{SIGNATURE_BYTES, is_signed},
    session::content_of,
};
use pychat_proto::{PublicKey, UserName, chat::UnixMillis};
use vodozemac::{
    Curve25519PublicKey,
    olm::{Account, AccountPickle, PreKeyMessage},
};
use zeroize::Zeroizing;

/// Says whose device it is: the login key, and signed by it the device's Olm key.
///
/// ```text
/// | version 1 | login key 32 | Olm key 32 | since, ms 8 | signature 64 |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceKey {
    /// Who signed.
    pub login: PublicKey,
    /// The device's Curve25519 identity in Olm.
    pub olm: [u8; 32],
    /// When it was signed; an older one never takes the place of a newer one.
    pub since: UnixMillis,
    signature: [u8; SIGNATURE_BYTES],
}

/// What a stranger begins a session with, signed.
///
/// ```text
/// | kind 1 | key 32 | signature 64 |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prekey {
    /// How often it is handed out.
    pub kind: PrekeyKind,
    /// A Curve25519 key.
    pub key: [u8; 32],
    signature: [u8; SIGNATURE_BYTES],
}

/// How often a prekey is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrekeyKind {
    /// Once.
    OneTime,
    /// Whenever the one-time keys are used up.
    Fallback,
}

/// Published keys that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// The bytes are no keys of this version.
    #[error("they are not keys of this version")]
    Malformed,
    /// The login key that they name did not sign them for this user.
    #[error("their signature is wrong")]
    Forged,
    /// A key of low order: whoever uses it has no secret.
    #[error("a key is degenerate")]
    Weak,
}

/// A device: an Olm account.
pub struct Device(Account);

const VERSION: u8 = 1;
const KIND_ONE_TIME: u8 = 1;
const KIND_FALLBACK: u8 = 2;
/// Bytes of a device key.
const DEVICE_KEY_BYTES: usize = 1 + 32 + 32 + 8 + SIGNATURE_BYTES;
/// Bytes of a prekey.
const PREKEY_BYTES: usize = 1 + 32 + SIGNATURE_BYTES;

const _: () = assert!(DEVICE_KEY_BYTES <= pychat_proto::chat::DEVICE_KEY_BYTES_MAX);
const _: () = assert!(PREKEY_BYTES <= pychat_proto::chat::PREKEY_BYTES_MAX);

impl DeviceKey {
    /// How many bytes it takes.
    pub const BYTES: usize = DEVICE_KEY_BYTES;

    /// Signs a device in as `user`'s.
    #[must_use]
    pub fn sign(identity: &Identity, user: &UserName, olm: [u8; 32], since: UnixMillis) -> Self {
        let parts: [&[u8]; 3] = [user.as_str().as_bytes(), &olm, &since.to_be_bytes()];
        let signature = identity.sign(b"pychat device key", &parts);
        Self { login: identity.public(), olm, since, signature }
    }

    /// The bytes to publish.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let since = self.since.to_be_bytes();
        [&[VERSION], &self.login.0[..], &self.olm, &since, &self.signature].concat()
    }

    /// What was published as `user`'s. The login key in it is only what it claims: whether it is the
    /// one that we know is the caller's to look at.
    ///
    /// # Errors
    /// It is no such thing, or the login key did not sign it.
    pub fn decode(bytes: &[u8], user: &UserName) -> Result<Self, InvalidKeys> {
        let key = Self::from_disk(bytes)?;
        let parts: [&[u8]; 3] = [user.as_str().as_bytes(), &key.olm, &key.since.to_be_bytes()];
        if !is_signed(&key.login, b"pychat device key", &parts, &key.signature) {
            return Err(InvalidKeys::Forged);
        }
        Ok(key)
    }

    /// What we signed ourselves and kept: not looked at again.
    ///
    /// # Errors
    /// It is no such thing.
    pub fn from_disk(bytes: &[u8]) -> Result<Self, InvalidKeys> {
        if bytes.len() != DEVICE_KEY_BYTES || bytes[0] != VERSION {
            return Err(InvalidKeys::Malformed);
        }
        Ok(Self {
            login: PublicKey(array(&bytes[1..33])),
            olm: array(&bytes[33..65]),
            since: u64::from_be_bytes(array(&bytes[65..73])),
            signature: array(&bytes[73..]),
        })
    }
}

impl Prekey {
    /// Signs a key of the device `olm`.
    #[must_use]
    pub fn sign(identity: &Identity, olm: &[u8; 32], kind: PrekeyKind, key: [u8; 32]) -> Self {
        let signature = identity.sign(b"pychat prekey", &[olm, &[kind.byte()], &key]);
        Self { kind, key, signature }
    }

    /// The bytes to publish.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&[self.kind.byte()], &self.key[..], &self.signature].concat()
    }

    /// What was published with `device`.
    ///
    /// # Errors
    /// It is no such thing, or the device's login key did not sign it for this device.
    pub fn decode(bytes: &[u8], device: &DeviceKey) -> Result<Self, InvalidKeys> {
        let prekey = Self::from_disk(bytes)?;
        let parts: [&[u8]; 3] = [&device.olm, &[prekey.kind.byte()], &prekey.key];
        if !is_signed(&device.login, b"pychat prekey", &parts, &prekey.signature) {
            return Err(InvalidKeys::Forged);
        }
        Ok(prekey)
    }

    /// What we signed ourselves and kept: not looked at again.
    ///
    /// # Errors
    /// It is no such thing.
    pub fn from_disk(bytes: &[u8]) -> Result<Self, InvalidKeys> {
        if bytes.len() != PREKEY_BYTES {
            return Err(InvalidKeys::Malformed);
        }
        let kind = match bytes[0] {
            KIND_ONE_TIME => PrekeyKind::OneTime,
            KIND_FALLBACK => PrekeyKind::Fallback,
            _ => return Err(InvalidKeys::Malformed),
        };
        Ok(Self { kind, key: array(&bytes[1..33]), signature: array(&bytes[33..]) })
    }
}

impl PrekeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::OneTime => KIND_ONE_TIME,
            Self::Fallback => KIND_FALLBACK,
        }
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl Device {
    /// A new device with keys of its own.
    #[must_use]
    pub fn new() -> Self {
        Self(Account::new())
    }

    /// Its Curve25519 identity in Olm.
    #[must_use]
    pub fn olm_key(&self) -> [u8; 32] {
        self.0.curve25519_key().to_bytes()
    }

    /// Makes `count` more one-time keys. They wait for [`Self::unpublished`].
    pub fn make_one_time_keys(&mut self, count: usize) {
        self.0.generate_one_time_keys(count);
    }

    /// One-time keys that were made and not called published yet, in the order of their making.
    #[must_use]
    pub fn unpublished(&self) -> Vec<[u8; 32]> {
        let mut keys: Vec<_> = self.0.one_time_keys().into_iter().collect();
        keys.sort_unstable_by_key(|(id, _)| *id);
        keys.into_iter().map(|(_, key)| key.to_bytes()).collect()
    }

    /// The server holds all one-time keys that were made so far.
    pub fn mark_published(&mut self) {
        self.0.mark_keys_as_published();
    }

    /// Makes a new fallback key; the one before still opens what was sealed with it, the one before that
    /// does not.
    ///
    /// # Panics
    /// Never: a key that was just made and not published is there.
    pub fn make_fallback_key(&mut self) -> [u8; 32] {
        self.0.generate_fallback_key();
        let made = self.0.fallback_key().into_values().next();
        made.expect("a new fallback key is not published yet").to_bytes()
    }

    /// Begins a session with somebody's device.
    ///
    /// # Errors
    /// [`InvalidKeys::Weak`].
    pub fn begin(&self, device: &DeviceKey, prekey: &Prekey) -> Result<Session, InvalidKeys> {
        let (theirs, prekey) = (public(&device.olm), public(&prekey.key));
        let session = self.0.create_outbound_session(CONFIG, theirs, prekey);
        session.map(Session::from_olm).map_err(|_| InvalidKeys::Weak)
    }

    /// Takes up the session that `device` began with `message`. The one-time key that it used is gone from
    /// then on. On an error nothing changes.
    pub(crate) fn take_up(
        &mut self,
        device: &DeviceKey,
        message: &PreKeyMessage,
    ) -> Result<Opened<Session>, Unopenable> {
        let theirs = public(&device.olm);
        let made = self.0.create_inbound_session(CONFIG, theirs, message);
        let made = made.map_err(|_| Unopenable::NoSession)?;
        let content: Content = content_of(&Zeroizing::new(made.plaintext))?;
        Ok(Opened { session: Session::from_olm(made.session), content })
    }

    /// Seals it for the disk.
    ///
    /// # Panics
    /// Never: an account is plain data.
    #[must_use]
    pub fn seal(&self, vault: &Vault) -> Vec<u8> {
        vault.seal_plain(PLACE, &self.0.pickle())
    }

    /// Opens what was sealed for the disk.
    ///
    /// # Errors
    /// It is damaged.
    pub fn open(vault: &Vault, sealed: &[u8]) -> Result<Self, Damaged> {
        let pickle: AccountPickle = vault.open_plain(PLACE, sealed)?;
        Ok(Self(Account::from_pickle(pickle)))
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Device(..)")
    }
}

const PLACE: &[u8] = b"device";

fn public(bytes: &[u8; 32]) -> Curve25519PublicKey {
    Curve25519PublicKey::from_bytes(*bytes)
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller cut it to this length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_proto::SecretKey;

    fn identity(seed: u8) -> Identity {
        Identity::new(&SecretKey::from_bytes([seed; 32]))
    }

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    #[test]
    fn device_keys_hold_for_their_user_and_signer_only() {
        let key = DeviceKey::sign(&identity(1), &user("bob"), [5; 32], 77);
        let bytes = key.encode();
        assert_eq!(bytes.len(), DeviceKey::BYTES);
        assert_eq!(DeviceKey::decode(&bytes, &user("bob")), Ok(key));
        assert_eq!(DeviceKey::decode(&bytes, &user("rob")), Err(InvalidKeys::Forged));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(DeviceKey::decode(&flipped, &user("bob")).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            let cut = DeviceKey::decode(&bytes[..length], &user("bob"));
            assert_eq!(cut, Err(InvalidKeys::Malformed));
        }
    }

    #[test]
    fn prekeys_hold_for_their_device_only() {
        let device = DeviceKey::sign(&identity(1), &user("bob"), [5; 32], 77);
        let other = DeviceKey::sign(&identity(1), &user("bob"), [6; 32], 78);
        let prekey = Prekey::sign(&identity(1), &device.olm, PrekeyKind::OneTime, [7; 32]);
        let bytes = prekey.encode();
        assert_eq!(Prekey::decode(&bytes, &device), Ok(prekey));
        assert_eq!(Prekey::decode(&bytes, &other), Err(InvalidKeys::Forged));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Prekey::decode(&flipped, &device).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn one_time_keys_wait_in_order_until_they_are_published() {
        let mut device = Device::new();
        device.make_one_time_keys(3);
        let first = device.unpublished();
        device.make_one_time_keys(2);
        assert_eq!(device.unpublished()[..3], first[..]);
        assert_eq!(device.unpublished().len(), 5);
        device.mark_published();
        assert!(device.unpublished().is_empty());
    }

    #[test]
    fn a_degenerate_key_begins_no_session() {
        let theirs = DeviceKey::sign(&identity(1), &user("bob"), [0; 32], 77);
        let prekey = Prekey::sign(&identity(1), &theirs.olm, PrekeyKind::OneTime, [0; 32]);
        assert_eq!(Device::new().begin(&theirs, &prekey).err(), Some(InvalidKeys::Weak));
    }

    #[test]
    fn a_device_survives_the_disk() {
        let vault = Vault::for_disk(&identity(1));
        let mut device = Device::new();
        device.make_one_time_keys(50);
        device.make_fallback_key();
        let again = Device::open(&vault, &device.seal(&vault)).unwrap();
        assert_eq!(again.olm_key(), device.olm_key());
        assert_eq!(again.unpublished(), device.unpublished());
        assert!(Device::open(&vault, b"noise").is_err());
    }
}
