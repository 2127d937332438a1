//! The handshake: Noise IK where the server's key is pinned, XX at a first contact.
//!
//! `snow` runs the patterns; X25519 comes from aws-lc, which halves the server's time for a login.

use crate::{
    ConnectionId, PublicKey, SecretKey,
    crypto::{self, PacketKey, Rng},
    wire::packet::{SUITE, VERSION},
};
use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use snow::{
    Builder, HandshakeState,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{CryptoResolver, DefaultResolver},
    types::{Cipher, Dh, Hash, Random},
};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

const PATTERN_IK: &str = "Noise_IK_25519_ChaChaPoly_BLAKE2s";
const PATTERN_XX: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";

/// Longest Noise message: it fits an INIT with its token.
pub(crate) const NOISE_BYTES_MAX: usize = 1000;

/// Which pattern a handshake follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// The server's key is known.
    Ik,
    /// First contact.
    Xx,
}

/// A handshake message that does not check, or comes at the wrong time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the handshake message does not check")]
pub(crate) struct BadHandshake;

/// Names the server's key in an INIT: all zero for XX.
pub(crate) fn key_id(server: Option<&PublicKey>) -> [u8; 4] {
    server.map_or([0; 4], |key| {
        let hash = crypto::hash(b"pychat server key id", &[&key.0]);
        [hash[0], hash[1], hash[2], hash[3]]
    })
}

/// The key of an INIT's `mac1`: who knows the server's public key can make it.
pub(crate) fn mac1_key(server: Option<&PublicKey>) -> [u8; 32] {
    crypto::hash(b"pychat mac1", &[server.map_or(&[0; 32], |key| &key.0)])
}

fn prologue(client: ConnectionId, key_id: [u8; 4]) -> Vec<u8> {
    let mut bytes = b"pychat".to_vec();
    bytes.extend_from_slice(&[VERSION, SUITE]);
    bytes.extend_from_slice(&client.0.to_be_bytes());
    bytes.extend_from_slice(&key_id);
    bytes
}

/// A long-lived key, made ready once: to load it costs a fifth of a login.
#[derive(Clone)]
pub(crate) struct Identity {
    secret: SecretKey,
    public: PublicKey,
    loaded: Arc<agreement::PrivateKey>,
}

impl Identity {
    pub(crate) fn new(secret: &SecretKey) -> Self {
        let (loaded, public) = load(secret.as_bytes());
        Self { secret: secret.clone(), public: PublicKey(public), loaded: Arc::new(loaded) }
    }

    pub(crate) const fn public(&self) -> PublicKey {
        self.public
    }
}

/// One side's handshake.
pub(crate) struct Handshake(HandshakeState);

/// What a handshake leads to.
pub(crate) struct Keys {
    /// Both directions' first packet keys.
    pub(crate) from_client: PacketKey,
    pub(crate) from_server: PacketKey,
    /// Noise's hash of all that was said.
    pub(crate) handshake: [u8; 32],
}

impl Handshake {
    /// The client's side; `server` is given exactly where its key is pinned (IK).
    pub(crate) fn client(
        identity: &SecretKey,
        server: Option<&PublicKey>,
        client: ConnectionId,
        rng: &mut Rng,
    ) -> Self {
        let pattern = if server.is_some() { PATTERN_IK } else { PATTERN_XX };
        let prologue = prologue(client, key_id(server));
        let identity = Identity::new(identity);
        let mut builder = builder(pattern, &identity, rng)
            .local_private_key(identity.secret.as_bytes())
            .and_then(|builder| builder.prologue(&prologue))
            .expect("each part is set once");
        if let Some(key) = server {
            builder = builder.remote_public_key(&key.0).expect("each part is set once");
        }
        Self(builder.build_initiator().expect("the pattern's keys are all given"))
    }

    /// The server's side.
    pub(crate) fn server(
        identity: &Identity,
        pattern: Pattern,
        client: ConnectionId,
        rng: &mut Rng,
    ) -> Self {
        let (name, id) = match pattern {
            Pattern::Ik => (PATTERN_IK, key_id(Some(&identity.public))),
            Pattern::Xx => (PATTERN_XX, key_id(None)),
        };
        let prologue = prologue(client, id);
        let builder = builder(name, identity, rng)
            .local_private_key(identity.secret.as_bytes())
            .and_then(|builder| builder.prologue(&prologue))
            .expect("each part is set once");
        Self(builder.build_responder().expect("the pattern's keys are all given"))
    }

    /// Writes the next message with `payload`, which the caller keeps below [`NOISE_BYTES_MAX`].
    pub(crate) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, BadHandshake> {
        let mut message = vec![0; NOISE_BYTES_MAX + 96];
        let len = self.0.write_message(payload, &mut message).map_err(|_| BadHandshake)?;
        message.truncate(len);
        Ok(message)
    }

    /// Reads the peer's next message; one that does not check leaves no trace.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, BadHandshake> {
        let mut payload = vec![0; message.len()];
        let len = self.0.read_message(message, &mut payload).map_err(|_| BadHandshake)?;
        payload.truncate(len);
        Ok(payload)
    }

    /// The peer's long-lived key, once it was proved.
    pub(crate) fn peer(&self) -> Option<PublicKey> {
        self.0.get_remote_static().and_then(|key| key.try_into().ok()).map(PublicKey)
    }

    /// The packet keys, after the last message.
    pub(crate) fn keys(mut self) -> Result<Keys, BadHandshake> {
        if !self.0.is_handshake_finished() {
            return Err(BadHandshake);
        }
        let handshake = self.0.get_handshake_hash().try_into().map_err(|_| BadHandshake)?;
        let (client, server) = self.0.dangerously_get_raw_split();
        let (client, server) = (Zeroizing::new(client), Zeroizing::new(server));
        let (from_client, from_server) = (PacketKey::new(*client), PacketKey::new(*server));
        Ok(Keys { from_client, from_server, handshake })
    }
}

fn builder(pattern: &str, identity: &Identity, rng: &mut Rng) -> Builder<'static> {
    let params = pattern.parse().expect("the pattern's name is well-formed");
    let rng = Mutex::new(Some(Rng::new(rng.bytes())));
    Builder::with_resolver(params, Box::new(Resolver { rng, identity: identity.clone() }))
}

/// Gives snow our randomness and aws-lc's X25519.
struct Resolver {
    rng: Mutex<Option<Rng>>,
    identity: Identity,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        let rng = self.rng.lock().ok()?.take()?;
        Some(Box::new(NoiseRng(rng)))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => {
                Some(Box::new(AwsLcX25519 { identity: self.identity.clone(), pair: None }))
            }
            DHChoice::Curve448 => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct NoiseRng(Rng);

impl Random for NoiseRng {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        for chunk in dest.chunks_mut(32) {
            chunk.copy_from_slice(&self.0.bytes::<32>()[..chunk.len()]);
        }
        Ok(())
    }
}

struct AwsLcX25519 {
    /// The one key that need not be loaded.
    identity: Identity,
    pair: Option<Pair>,
}

struct Pair {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
    loaded: Arc<agreement::PrivateKey>,
}

/// Every 32 bytes are an X25519 secret key.
fn load(secret: &[u8; 32]) -> (agreement::PrivateKey, [u8; 32]) {
    let key = agreement::PrivateKey::from_private_key(&X25519, secret)
        .expect("every 32 bytes are an X25519 secret key");
    let public = key.compute_public_key().expect("a secret key has a public half");
    let public = public.as_ref().try_into().expect("an X25519 public key has 32 bytes");
    (key, public)
}

impl Dh for AwsLcX25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, bytes: &[u8]) {
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(&bytes[..32]);
        let Identity { secret: own, public, loaded } = &self.identity;
        let (public, loaded) = if crypto::equal(&*secret, own.as_bytes()) {
            (public.0, Arc::clone(loaded))
        } else {
            let (loaded, public) = load(&secret);
            (public, Arc::new(loaded))
        };
        self.pair = Some(Pair { secret, public, loaded });
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut *secret)?;
        self.set(&*secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.pair.as_ref().map_or(&[0; 32], |pair| &pair.public)
    }

    fn privkey(&self) -> &[u8] {
        self.pair.as_ref().map_or(&[0; 32], |pair| &*pair.secret)
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let pair = self.pair.as_ref().ok_or(snow::Error::Dh)?;
        // A result of all zeros (a public key of low order) is an error here.
        agreement::agree(
            &pair.loaded,
            UnparsedPublicKey::new(&X25519, &public[..32]),
            snow::Error::Dh,
            |shared| {
                out[..32].copy_from_slice(shared);
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pattern: Pattern) {
        let mut rng = Rng::new([1; 32]);
        let (client_key, server_key) =
            (SecretKey::from_bytes([2; 32]), SecretKey::from_bytes([3; 32]));
        let public = server_key.public();
        let cid = ConnectionId(42);
        let pinned = (pattern == Pattern::Ik).then_some(&public);
        let mut client = Handshake::client(&client_key, pinned, cid, &mut rng);
        let identity = Identity::new(&server_key);
        let mut server = Handshake::server(&identity, pattern, cid, &mut rng);

        let first = client.write(b"hello").unwrap();
        let mut damaged = first.clone();
        *damaged.last_mut().unwrap() ^= 1;
        if pattern == Pattern::Ik {
            assert_eq!(server.read(&damaged), Err(BadHandshake));
        }
        assert_eq!(server.read(&first).unwrap(), b"hello");
        let second = server.write(b"welcome").unwrap();
        let mut damaged = second.clone();
        damaged[40] ^= 1;
        assert_eq!(client.read(&damaged), Err(BadHandshake));
        assert_eq!(client.read(&second).unwrap(), b"welcome", "a damaged message left no trace");
        if pattern == Pattern::Xx {
            let third = client.write(b"login").unwrap();
            assert_eq!(server.read(&third).unwrap(), b"login");
        }
        assert_eq!(client.peer(), Some(public));
        assert_eq!(server.peer(), Some(client_key.public()));
        let (ours, theirs) = (client.keys().unwrap(), server.keys().unwrap());
        assert_eq!(ours.handshake, theirs.handshake);
        let mut packet = vec![0; 16];
        packet.extend_from_slice(b"x");
        ours.from_client.seal(0, &mut packet);
        assert!(theirs.from_client.open(0, &mut packet).is_ok());
    }

    #[test]
    fn ik_agrees_on_keys_and_identities() {
        run(Pattern::Ik);
    }

    #[test]
    fn xx_agrees_on_keys_and_identities() {
        run(Pattern::Xx);
    }

    #[test]
    fn another_connection_id_or_server_key_does_not_check() {
        let mut rng = Rng::new([1; 32]);
        let (client_key, server_key) =
            (SecretKey::from_bytes([2; 32]), SecretKey::from_bytes([3; 32]));
        let public = server_key.public();
        let mut client = Handshake::client(&client_key, Some(&public), ConnectionId(1), &mut rng);
        let first = client.write(b"").unwrap();
        let identity = Identity::new(&server_key);
        let mut server = Handshake::server(&identity, Pattern::Ik, ConnectionId(2), &mut rng);
        assert_eq!(server.read(&first), Err(BadHandshake));
        let other = SecretKey::from_bytes([4; 32]);
        let identity = Identity::new(&other);
        let mut server = Handshake::server(&identity, Pattern::Ik, ConnectionId(1), &mut rng);
        assert_eq!(server.read(&first), Err(BadHandshake));
    }
}
