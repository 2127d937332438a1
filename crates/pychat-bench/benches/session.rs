//! Steps of the protocol: one client and one endpoint in memory, no socket and no disk between them.
//!
//! Most of what is inside the protocol's crate is seen only through its door, so a step holds both sides of
//! a packet: sealed by one, opened by the other. Ciphers and ACKs have a door of their own, the feature
//! `micro`.

use divan::{Bencher, black_box, counter::ItemsCount};
use pychat_proto::{
    Client, ClientConfig, ClientEvent, Cursor, DisplayName, Endpoint, EndpointConfig,
    EndpointEvent, Instant, Lane, Login, MessageId, SecretKey, Seq, ServerKey, ServerSecrets,
    SessionId, StreamId, Urgency, UserName, Welcome,
    chat::{self, MailboxEntry, ToClient, ToServer},
    micro::{Acknowledged, Cipher},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

fn main() {
    divan::main();
}

/// What surrounds a text of 200 bytes makes it this long.
const PAYLOAD: [u8; 240] = [7; 240];

/// From one side to the other.
const WAY: Duration = Duration::from_micros(100);

/// Between two steps: the pacer is never what is waited for, and a delayed ACK is due.
const PAUSE: Duration = Duration::from_millis(30);

/// A login: the handshake, and the first packets after it.
#[divan::bench]
fn login(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(Pair::apart).bench_values(|mut pair| {
        pair.log_in();
        pair
    });
}

/// A packet of so many bytes, sealed: with the copy that each time begins with.
#[divan::bench(args = [32, 256, 1152])]
fn seal(bencher: Bencher<'_, '_>, bytes: usize) {
    let (cipher, content) = (Cipher::new(), vec![7; bytes]);
    let mut number = 0;
    bencher.with_inputs(|| Cipher::packet(&content)).bench_local_values(|mut packet| {
        number += 1;
        cipher.seal(number, &mut packet);
        packet
    });
}

/// The same, opened.
#[divan::bench(args = [32, 256, 1152])]
fn open(bencher: Bencher<'_, '_>, bytes: usize) {
    let cipher = Cipher::new();
    let mut sealed = Cipher::packet(&vec![7; bytes]);
    cipher.seal(1, &mut sealed);
    bencher.with_inputs(|| sealed.clone()).bench_local_refs(|packet| cipher.open(1, packet));
}

/// An ACK of so many packets, each with one frame that had to arrive.
#[divan::bench(args = [1, 32, 64])]
fn acknowledge(bencher: Bencher<'_, '_>, packets: u64) {
    let mut sender = Acknowledged::new();
    bencher.counter(ItemsCount::new(packets)).bench_local(|| {
        sender.send(packets);
        assert_eq!(sender.acknowledge(), 0);
    });
}

/// A sign of life and its acknowledgement: two packets, nothing in them.
#[divan::bench]
fn ping_and_ack(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::logged_in();
    bencher.bench_local(|| {
        pair.client.handle_network_change(pair.now);
        pair.settle();
    });
}

/// Texts to the server, the COMMIT back: a packet carries up to four of them.
#[divan::bench(args = [1, 4, 32])]
fn texts_in_commit_out(bencher: Bencher<'_, '_>, texts: u64) {
    let mut pair = Pair::logged_in();
    bencher.counter(ItemsCount::new(texts)).bench_local(|| {
        for _ in 0..texts {
            pair.client.send_message(pair.now, Lane::CHAT, pair.next, black_box(&PAYLOAD));
            pair.next = pair.next.next();
        }
        pair.settle();
        assert_eq!(pair.committed_at_client.next(), pair.next);
    });
}

/// Texts to the client, the COMMIT back.
#[divan::bench(args = [1, 4, 32])]
fn texts_out_commit_in(bencher: Bencher<'_, '_>, texts: u64) {
    let mut pair = Pair::logged_in();
    bencher.counter(ItemsCount::new(texts)).bench_local(|| {
        for _ in 0..texts {
            pair.send_to_client();
        }
        pair.settle();
        assert_eq!(pair.committed_at_server, pair.sent_to_client);
    });
}

/// A text of 200 bytes as a sender's daemon encodes it.
#[divan::bench]
fn encode_text(bencher: Bencher<'_, '_>) {
    let text = ToServer::Text {
        id: MessageId::from_bytes([1; 16]),
        to: user("bob"),
        body: vec![b'x'; 200],
    };
    bencher.bench(|| chat::encode(black_box(&text)));
}

/// The same, as its recipient's daemon decodes it.
#[divan::bench]
fn decode_entry(bencher: Bencher<'_, '_>) {
    let entry = ToClient::Text {
        id: MessageId::from_bytes([1; 16]),
        from: user("alice"),
        name: DisplayName::parse("Alice").expect("a plain name"),
        accepted_at: 1_700_000_000_000,
        body: vec![b'x'; 200],
    };
    let bytes = chat::encode(&MailboxEntry { cursor: Cursor(7), entry });
    bencher.bench(|| chat::decode::<MailboxEntry>(black_box(&bytes)).is_ok());
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a plain name")
}

/// A client and a server.
struct Pair {
    now: Instant,
    client: Client,
    server: Endpoint,
    session: Option<SessionId>,
    next: Seq,
    committed_at_client: Seq,
    sent_to_client: Seq,
    committed_at_server: Seq,
    buffer: Vec<u8>,
}

impl Pair {
    fn apart() -> Self {
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes([1; 32]),
            reset: SecretKey::from_bytes([2; 32]),
        });
        let login = Login {
            user: user("alice"),
            name: DisplayName::parse("").expect("it may be empty"),
            stream: StreamId([9; 16]),
            cursor: Cursor::NONE,
            invite: None,
        };
        let config = ClientConfig {
            identity: SecretKey::from_bytes([3; 32]),
            server: ServerKey::Pinned(secrets.identity.public()),
            login,
            rtt_hint: None,
        };
        let endpoint = EndpointConfig { secrets, shard: 0, retry_beyond_per_s: 200 };
        Self {
            now: Instant::from_micros(1_000_000),
            client: Client::new(config, [4; 32]),
            server: Endpoint::new(endpoint, [5; 32]),
            session: None,
            next: Seq(1),
            committed_at_client: Seq(0),
            sent_to_client: Seq(0),
            committed_at_server: Seq(0),
            buffer: Vec::new(),
        }
    }

    fn logged_in() -> Self {
        let mut pair = Self::apart();
        pair.log_in();
        pair
    }

    fn log_in(&mut self) {
        self.client.set_addresses(self.now, vec![server_address()]);
        self.client.handle_timeout(self.now);
        self.settle();
        assert!(self.session.is_some() && self.client.is_connected(), "logged in");
    }

    fn send_to_client(&mut self) {
        let session = self.session.expect("logged in");
        let last = self.server.send_message(
            self.now,
            session,
            Lane::CHAT,
            Urgency::Normal,
            black_box(&PAYLOAD),
        );
        self.sent_to_client = last.expect("there is room");
    }

    /// Carries datagrams until nobody has any, then lets some time pass.
    fn settle(&mut self) {
        loop {
            let mut busy = false;
            while self.client.poll_transmit(self.now, &mut self.buffer).is_some() {
                busy = true;
                self.server.handle_datagram(self.now + WAY, client_address(), &mut self.buffer);
            }
            self.now += WAY;
            self.serve();
            while let Some(transmit) = self.server.poll_transmit(self.now, &mut self.buffer) {
                busy = true;
                for datagram in self.buffer.chunks_mut(transmit.segment_bytes.max(1)) {
                    self.client.handle_datagram(self.now + WAY, server_address(), datagram);
                }
            }
            self.now += WAY;
            self.receive();
            if !busy {
                break;
            }
        }
        self.now += PAUSE;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }

    fn serve(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                EndpointEvent::Incoming(incoming) => {
                    let welcome = Welcome { committed: Seq(0), server_time: 0 };
                    self.session = self.server.accept(self.now, incoming, welcome);
                }
                EndpointEvent::Message { session, lane, last, .. } => {
                    self.server.commit(self.now, session, lane, last);
                }
                EndpointEvent::Committed { up_to, .. } => self.committed_at_server = up_to,
                EndpointEvent::Confirmed { .. }
                | EndpointEvent::Skip { .. }
                | EndpointEvent::Writable { .. }
                | EndpointEvent::Call { .. }
                | EndpointEvent::Away { .. }
                | EndpointEvent::Back { .. }
                | EndpointEvent::Closed { .. } => {}
            }
        }
    }

    fn receive(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Committed { up_to, .. } => self.committed_at_client = up_to,
                ClientEvent::Message { lane, last, .. } => {
                    self.client.commit(self.now, lane, last);
                }
                ClientEvent::Connected { .. }
                | ClientEvent::ServerKeyLearned(_)
                | ClientEvent::Disconnected { .. }
                | ClientEvent::Refused(_)
                | ClientEvent::Suspicion(_)
                | ClientEvent::NeedAddresses
                | ClientEvent::Unanswered { .. }
                | ClientEvent::MessageRefused { .. }
                | ClientEvent::Reply { .. }
                | ClientEvent::Note { .. } => {}
            }
        }
    }
}

fn server_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7420))
}

fn client_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 5000))
}
