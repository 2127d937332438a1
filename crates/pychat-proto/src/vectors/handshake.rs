//! Logins from the first datagram to the first packets: IK with a RETRY, XX, and what goes wrong.

use super::Vectors;
use crate::{
    Client, ClientConfig, ClientEvent, CloseCode, ConnectionId, Cursor, DisplayName, Endpoint,
    EndpointConfig, EndpointEvent, Instant, Login, PublicKey, SecretKey, Seq, ServerKey,
    ServerSecrets, StreamId, UserName, Welcome,
    chat::{self, LoginPayload},
    crypto::{self, Rng},
    noise::{self, Handshake, Keys},
    wire::{
        Reader,
        frame::Frame,
        packet::{self, DataHeader, Init, RESET_BYTES, Resp, TOKEN_BYTES, VERSION},
    },
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

const CLIENT_SEED: [u8; 32] = [4; 32];
const SERVER_SEED: [u8; 32] = [5; 32];
const SHARD: u8 = 3;
const NOW: Instant = Instant::from_micros(1_000_000);
const SERVER_TIME: u64 = 1_700_000_000_000;
const COMMITTED: Seq = Seq(300);

/// One client and one endpoint that hand each other datagrams without delay.
struct Pair {
    client: Client,
    server: Endpoint,
    client_address: SocketAddr,
    server_address: SocketAddr,
}

fn identity() -> SecretKey {
    SecretKey::from_bytes([3; 32])
}

fn login() -> Login {
    Login {
        user: UserName::parse("alice").unwrap(),
        name: DisplayName::parse("Alice").unwrap(),
        stream: StreamId([9; 16]),
        cursor: Cursor(300),
        invite: None,
    }
}

fn login_payload() -> Vec<u8> {
    let Login { user, name, stream, cursor, invite } = login();
    chat::encode(&LoginPayload { user, name, stream: stream.0, cursor, invite })
}

fn secrets() -> ServerSecrets {
    let (identity, reset) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    ServerSecrets { identity, reset }
}

impl Pair {
    fn new(server: ServerKey) -> Self {
        let config = ClientConfig { identity: identity(), server, login: login(), rtt_hint: None };
        let endpoint = EndpointConfig {
            secrets: Arc::new(secrets()),
            shard: SHARD,
            // So that every INIT is answered with RETRY first.
            retry_beyond_per_s: 0,
        };
        let server_address = ([10, 0, 0, 1], 7420).into();
        let mut client = Client::new(config, CLIENT_SEED);
        client.set_addresses(NOW, vec![server_address]);
        client.handle_timeout(NOW);
        let server = Endpoint::new(endpoint, SERVER_SEED);
        Self { client, server, client_address: ([10, 0, 0, 2], 5000).into(), server_address }
    }

    fn client_sends(&mut self) -> Vec<u8> {
        let mut datagram = Vec::new();
        self.client.poll_transmit(NOW, &mut datagram).expect("the client has something to send");
        datagram
    }

    fn server_sends(&mut self) -> Vec<u8> {
        let mut datagram = Vec::new();
        self.server.poll_transmit(NOW, &mut datagram).expect("the server has something to send");
        datagram
    }

    fn client_takes(&mut self, datagram: &[u8]) {
        self.client.handle_datagram(NOW, self.server_address, &mut datagram.to_vec());
    }

    fn server_takes(&mut self, datagram: &[u8]) {
        self.server.handle_datagram(NOW, self.client_address, &mut datagram.to_vec());
    }

    /// INIT, RETRY, the INIT with its token.
    fn open(&mut self, to: &mut Vectors) -> Vec<u8> {
        let init = self.client_sends();
        to.put("init", &init);
        self.server_takes(&init);
        let retry = self.server_sends();
        to.put("retry", &retry);
        to.put("token", &retry[10..10 + TOKEN_BYTES]);
        self.client_takes(&retry);
        let init = self.client_sends();
        to.put("init_with_token", &init);
        self.server_takes(&init);
        init
    }

    /// Lets the login in that waits at the server.
    fn accept(&mut self) -> bool {
        let Some(EndpointEvent::Incoming(incoming)) = self.server.poll_event() else {
            return false;
        };
        let welcome = Welcome { committed: COMMITTED, server_time: SERVER_TIME };
        self.server.accept(NOW, incoming, welcome).is_some()
    }

    fn refuse(&mut self) {
        let Some(EndpointEvent::Incoming(incoming)) = self.server.poll_event() else {
            panic!("no login waits");
        };
        self.server.refuse(NOW, incoming, CloseCode::NameTaken, Duration::ZERO, "taken");
    }

    fn is_connected(&mut self) -> bool {
        std::iter::from_fn(|| self.client.poll_event())
            .any(|event| matches!(event, ClientEvent::Connected { committed: COMMITTED, .. }))
    }
}

/// What the client draws for its first handshake: its connection id, its ephemeral key, and the
/// handshake itself once more.
fn client_draws(server: Option<&PublicKey>) -> (ConnectionId, [u8; 32], Handshake) {
    let mut rng = Rng::new(CLIENT_SEED);
    let client = ConnectionId(rng.u64());
    let ephemeral = Rng::new(rng.clone().bytes()).bytes();
    (client, ephemeral, Handshake::client(&identity(), server, client, &mut rng))
}

fn put_inputs(to: &mut Vectors, server: Option<&PublicKey>) -> (ConnectionId, Handshake) {
    let (client, ephemeral, handshake) = client_draws(server);
    to.comment(
        "Inputs. The client is 10.0.0.2, port 5000; the server's clock stands at one second.",
    );
    to.put("server_secret", secrets().identity.as_bytes());
    to.put("server_public", &secrets().identity.public().0);
    to.put("server_reset_secret", secrets().reset.as_bytes());
    to.put("client_secret", identity().as_bytes());
    to.put("client_public", &identity().public().0);
    to.put("client_ephemeral_secret", &ephemeral);
    to.put("client_connection_id", &client.0.to_be_bytes());
    (client, handshake)
}

fn put_ephemeral(to: &mut Vectors, mut rng: Rng, noise: &[u8]) {
    let secret = SecretKey::from_bytes(Rng::new(rng.bytes()).bytes());
    assert_eq!(secret.public().0, noise[..32]);
    to.put("server_ephemeral_secret", secret.as_bytes());
}

fn put_keys(to: &mut Vectors, keys: &Keys) {
    to.comment("The packet keys of the first epoch, and what goes into those of the hybrid one.");
    to.put("key_from_client", keys.from_client.bytes().get());
    to.put("key_from_server", keys.from_server.bytes().get());
    to.put("handshake_hash", &keys.handshake);
}

/// The frames of a packet, opened with the key that it must be under.
fn put_packet(to: &mut Vectors, name: &str, key: &crypto::PacketKey, packet: &[u8]) {
    to.put(name, packet);
    let number = DataHeader::decode(packet).unwrap().number;
    to.put(&format!("{name}_frames"), key.open(number, &mut packet.to_vec()).unwrap());
}

fn is_first_piece(frames: &[u8]) -> bool {
    matches!(Frame::decode(&mut Reader(frames)), Ok(Frame::Hybrid { index: 0, .. }))
}

#[test]
fn a_login_with_a_pinned_key_has_its_exact_bytes() {
    let mut to = Vectors::new("ik.txt");
    let public = secrets().identity.public();
    let (_, mut shadow) = put_inputs(&mut to, Some(&public));
    let mut pair = Pair::new(ServerKey::Pinned(public));
    to.comment("From the server's public key.");
    to.put("key_id", &noise::key_id(Some(&public)));
    to.put("mac1_key", &noise::mac1_key(Some(&public)));

    to.comment("INIT, the server's question for a token, the INIT again.");
    let init = pair.open(&mut to);
    let message = Init::decode(&init).unwrap().noise;
    to.comment("The server lets alice in.");
    assert!(pair.accept());
    let resp = pair.server_sends();
    let answer = Resp::decode(&resp).unwrap().noise;
    let mut rng = Rng::new(SERVER_SEED);
    let _limits: [u8; 32] = rng.bytes();
    put_ephemeral(&mut to, rng, answer);
    let login = login_payload();
    to.put("login_payload", &login);
    assert_eq!(shadow.write(&login).unwrap(), message);
    to.put("message_1", message);
    let reply = shadow.read(answer).unwrap();
    to.put("reply_payload", &reply);
    to.put("message_2", answer);
    to.put("resp", &resp);
    let keys = shadow.keys().unwrap();
    put_keys(&mut to, &keys);

    // The client's first packet confirms the session. It holds the first piece of a key that is drawn anew
    // each time: see hybrid.txt.
    pair.client_takes(&resp);
    assert!(pair.is_connected());
    let first = pair.client_sends();
    assert!(keys.from_client.open(0, &mut first.clone()).is_ok_and(is_first_piece));
    pair.server_takes(&first);
    assert_eq!(pair.server.sessions(), 1);

    to.comment(
        "A server that knows nothing of the session answers the client's first packet with RESET.",
    );
    let mut other = Pair::new(ServerKey::Unknown);
    other.server_takes(&first);
    let reset = other.server_sends();
    assert_eq!(reset.len(), RESET_BYTES);
    to.put("reset", &reset);
    pair.client_takes(&reset);
    assert!(!pair.client.is_connected());
    to.check();
}

#[test]
fn a_refused_login_has_its_exact_bytes() {
    let mut to = Vectors::new("ik_refused.txt");
    let public = secrets().identity.public();
    let (_, mut shadow) = put_inputs(&mut to, Some(&public));
    let mut pair = Pair::new(ServerKey::Pinned(public));
    to.comment("The name belongs to another key.");
    let init = pair.open(&mut to);
    pair.refuse();
    let resp = pair.server_sends();
    let answer = Resp::decode(&resp).unwrap().noise;
    let mut rng = Rng::new(SERVER_SEED);
    let _limits: [u8; 32] = rng.bytes();
    put_ephemeral(&mut to, rng, answer);
    assert_eq!(shadow.write(&login_payload()).unwrap(), Init::decode(&init).unwrap().noise);
    to.put("reply_payload", &shadow.read(answer).unwrap());
    to.put("resp", &resp);
    pair.client_takes(&resp);
    assert!(matches!(pair.client.poll_event(), Some(ClientEvent::Refused(_))));
    to.check();
}

#[test]
fn a_first_contact_has_its_exact_bytes() {
    let mut to = Vectors::new("xx.txt");
    let (_, mut shadow) = put_inputs(&mut to, None);
    let mut pair = Pair::new(ServerKey::Unknown);
    to.comment("Without a server key.");
    to.put("key_id", &noise::key_id(None));
    to.put("mac1_key", &noise::mac1_key(None));

    to.comment("INIT, the server's question for a token, the INIT again, RESP.");
    let init = pair.open(&mut to);
    assert_eq!(shadow.write(&[]).unwrap(), Init::decode(&init).unwrap().noise);
    let resp = pair.server_sends();
    let answer = Resp::decode(&resp).unwrap().noise;
    let mut rng = Rng::new(SERVER_SEED);
    let _limits: [u8; 32] = rng.bytes();
    let _connection_id = rng.u64();
    put_ephemeral(&mut to, Rng::new(rng.bytes()), answer);
    to.put("message_2_payload", &shadow.read(answer).unwrap());
    to.put("resp", &resp);

    to.comment("The client says who it is.");
    pair.client_takes(&resp);
    let fin = pair.client_sends();
    let login = login_payload();
    to.put("login_payload", &login);
    let third = shadow.write(&login).unwrap();
    to.put("message_3", &third);
    to.put("fin", &fin);
    assert!(fin.ends_with(&third));
    let keys = shadow.keys().unwrap();
    put_keys(&mut to, &keys);

    to.comment("The server lets alice in, under the session's own connection id.");
    pair.server_takes(&fin);
    assert!(pair.accept());
    let welcome = pair.server_sends();
    put_packet(&mut to, "welcome_packet", &keys.from_server, &welcome);
    pair.client_takes(&welcome);
    assert!(pair.is_connected());
    to.check();
}

#[test]
fn an_init_of_another_version_is_answered_with_the_versions_spoken() {
    let mut to = Vectors::new("version.txt");
    let mut pair = Pair::new(ServerKey::Unknown);
    let mut init = pair.client_sends();
    init[1] = VERSION + 1;
    pair.server_takes(&init);
    let versions = pair.server_sends();
    to.comment("The answer to an INIT of version 2 from this connection id.");
    to.put("client_connection_id", &client_draws(None).0.0.to_be_bytes());
    to.put("version", &versions);
    assert!(packet::decode_versions(&versions).is_ok());
    to.check();
}
