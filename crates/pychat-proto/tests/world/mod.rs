//! One client and one endpoint on a simulated link, in one thread, under a virtual clock.
#![allow(dead_code, unreachable_pub)]

use pychat_proto::{
    Client, ClientConfig, ClientEvent, CloseCode, Cursor, DisplayName, Endpoint, EndpointConfig,
    EndpointEvent, Instant, Lane, Login, RefuseCode, SecretKey, Seq, ServerKey, ServerSecrets,
    SessionId, StreamId, Urgency, UserName, Welcome, records_for,
};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{cmp::Reverse, collections::BinaryHeap, net::SocketAddr, sync::Arc, time::Duration};

pub const SERVER: &str = "10.0.0.1:7420";
pub const CLIENT: &str = "10.0.0.2:5000";

#[derive(Clone, Copy)]
pub struct Link {
    /// Percent of datagrams lost, each way.
    pub loss: u64,
    pub duplicated: u64,
    pub delay: Duration,
    pub jitter: Duration,
}

impl Default for Link {
    fn default() -> Self {
        Self { loss: 0, duplicated: 0, delay: Duration::from_millis(25), jitter: Duration::ZERO }
    }
}

type Flight = Reverse<(Instant, u64, SocketAddr, SocketAddr, Vec<u8>)>;

pub struct World {
    pub now: Instant,
    pub link: Link,
    pub client: Client,
    pub client_address: SocketAddr,
    pub server: Endpoint,
    pub secrets: Arc<ServerSecrets>,
    pub session: Option<SessionId>,
    pub refusal: Option<CloseCode>,
    /// Messages whose payload begins with this byte are refused once.
    pub refused_byte: Option<u8>,
    pub committed: u64,
    /// A refused message that waits for its skip, and the last message taken behind it.
    held: Option<u64>,
    taken: u64,
    pub at_server: Vec<Vec<u8>>,
    pub at_client: Vec<Vec<u8>>,
    pub client_events: Vec<ClientEvent>,
    pub outbox: Vec<Option<Vec<u8>>>,
    pub offered: u64,
    pub sent: Vec<(SocketAddr, Vec<u8>)>,
    flights: BinaryHeap<Flight>,
    order: u64,
    rng: ChaCha12Rng,
}

impl World {
    pub fn new(seed: u64, server_key: bool) -> Self {
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes([1; 32]),
            reset: SecretKey::from_bytes([2; 32]),
        });
        let config = ClientConfig {
            identity: SecretKey::from_bytes([3; 32]),
            server: if server_key {
                ServerKey::Pinned(secrets.identity.public())
            } else {
                ServerKey::Unknown
            },
            login: Login {
                user: UserName::parse("alice").unwrap(),
                name: DisplayName::parse("Alice").unwrap(),
                stream: StreamId([9; 16]),
                cursor: Cursor::NONE,
                invite: None,
            },
            rtt_hint: None,
        };
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let (mut a, mut b) = ([0; 32], [0; 32]);
        rng.fill_bytes(&mut a);
        rng.fill_bytes(&mut b);
        println!("seed {seed}");
        Self {
            now: Instant::from_micros(1_000_000),
            link: Link::default(),
            client: Client::new(config, a),
            client_address: CLIENT.parse().unwrap(),
            server: endpoint(&secrets, b),
            secrets,
            session: None,
            refusal: None,
            refused_byte: None,
            committed: 0,
            held: None,
            taken: 0,
            at_server: Vec::new(),
            at_client: Vec::new(),
            client_events: Vec::new(),
            outbox: Vec::new(),
            offered: 0,
            sent: Vec::new(),
            flights: BinaryHeap::new(),
            order: 0,
            rng,
        }
    }

    pub fn restart_server(&mut self) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.server = endpoint(&self.secrets, seed);
        self.session = None;
    }

    pub fn connect(&mut self) {
        self.client.set_addresses(self.now, vec![SERVER.parse().unwrap()]);
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.rng.next_u64() % 100 < percent
    }

    fn carry(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.sent.push((from, bytes.to_vec()));
        let copies = if self.percent(self.link.duplicated) { 2 } else { 1 };
        for _ in 0..copies {
            if self.percent(self.link.loss) {
                continue;
            }
            let jitter = self.rng.next_u64() % (self.link.jitter.as_micros() as u64 + 1);
            let at = self.now + self.link.delay + Duration::from_micros(jitter);
            self.order += 1;
            self.flights.push(Reverse((at, self.order, from, to, bytes.to_vec())));
        }
    }

    /// Lets everything happen that happens now.
    pub fn settle(&mut self) {
        let mut buffer = Vec::new();
        loop {
            let mut busy = false;
            while let Some(event) = self.server.poll_event() {
                busy = true;
                self.server_event(event);
            }
            while let Some(event) = self.client.poll_event() {
                busy = true;
                self.client_event(event);
            }
            self.feed();
            while let Some(transmit) = self.client.poll_transmit(self.now, &mut buffer) {
                busy = true;
                self.carry(self.client_address, transmit.to, &buffer);
            }
            while let Some(transmit) = self.server.poll_transmit(self.now, &mut buffer) {
                busy = true;
                for datagram in buffer.chunks(transmit.segment_bytes) {
                    self.carry(SERVER.parse().unwrap(), transmit.to, datagram);
                }
            }
            if !busy {
                return;
            }
        }
    }

    fn feed(&mut self) {
        while let Some(item) = self.outbox.get(self.offered as usize) {
            // The outbox of these tests holds messages of one record.
            let seq = Seq(self.offered + 1);
            match item {
                Some(payload) if self.client.room(Lane::CHAT) >= records_for(payload.len()) => {
                    self.client.send_message(self.now, Lane::CHAT, seq, payload);
                }
                None if self.client.is_connected() => self.client.skip(self.now, Lane::CHAT, seq),
                Some(_) | None => return,
            }
            self.offered += 1;
        }
    }

    fn server_event(&mut self, event: EndpointEvent) {
        let (now, lane) = (self.now, Lane::CHAT);
        match event {
            EndpointEvent::Incoming(incoming) => match self.refusal {
                Some(code) => self.server.refuse(now, incoming, code, Duration::ZERO, "not here"),
                None => {
                    let welcome = Welcome { committed: Seq(self.committed), server_time: 0 };
                    self.server.accept(now, incoming, welcome);
                }
            },
            EndpointEvent::Confirmed { session } => {
                if let Some(old) = self.session.replace(session) {
                    self.server.close(now, old, CloseCode::Replaced, Duration::ZERO, "");
                }
            }
            EndpointEvent::Message { session, last, payload, .. } => {
                if self.refused_byte.is_some() && payload.first().copied() == self.refused_byte {
                    self.held = Some(last.0);
                    self.taken = last.0;
                    let code = RefuseCode::NoSuchUser;
                    self.server.refuse_message(now, session, lane, last, code);
                } else {
                    self.at_server.push(payload);
                    self.taken = last.0;
                    self.commit_taken(session);
                }
            }
            EndpointEvent::Skip { session, up_to, .. } => {
                if self.held == Some(up_to.0) {
                    self.held = None;
                }
                self.taken = self.taken.max(up_to.0);
                self.commit_taken(session);
            }
            EndpointEvent::Call { session, id, payload } => {
                let answer: Vec<u8> = payload.iter().rev().copied().collect();
                self.server.reply(now, session, id, &answer);
            }
            EndpointEvent::Closed { session, .. } => {
                if self.session == Some(session) {
                    self.session = None;
                }
            }
            EndpointEvent::Committed { .. }
            | EndpointEvent::Writable { .. }
            | EndpointEvent::Away { .. }
            | EndpointEvent::Back { .. } => {}
        }
    }

    /// Nothing behind a refused message is committed before its skip.
    fn commit_taken(&mut self, session: SessionId) {
        if self.held.is_none() {
            self.committed = self.committed.max(self.taken);
            self.server.commit(self.now, session, Lane::CHAT, Seq(self.committed));
        }
    }

    fn client_event(&mut self, event: ClientEvent) {
        match &event {
            ClientEvent::Connected { committed, .. } => self.offered = committed.0,
            ClientEvent::Message { lane, last, payload } => {
                self.at_client.push(payload.clone());
                self.client.commit(self.now, *lane, *last);
            }
            ClientEvent::MessageRefused { lane, last, .. } => {
                self.outbox[last.0 as usize - 1] = None;
                self.client.skip(self.now, *lane, *last);
            }
            ClientEvent::NeedAddresses => {
                self.client.set_addresses(self.now, vec![SERVER.parse().unwrap()]);
            }
            _ => {}
        }
        self.client_events.push(event);
    }

    /// Moves on to the next thing that happens, if it happens before `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        self.settle();
        let flight = self.flights.peek().map(|Reverse((at, ..))| *at);
        let next = [flight, self.client.poll_timeout(), self.server.poll_timeout()];
        let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(at);
        if flight.is_some_and(|at| at <= self.now)
            && let Some(Reverse((_, _, from, to, mut bytes))) = self.flights.pop()
        {
            if to == self.client_address {
                self.client.handle_datagram(self.now, from, &mut bytes);
            } else if to == SERVER.parse().unwrap() {
                self.server.handle_datagram(self.now, from, &mut bytes);
            }
        }
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        true
    }

    /// Runs until `done`, at most `limit` of virtual time.
    ///
    /// # Panics
    /// It is not done by then.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> Duration {
        let (start, end) = (self.now, self.now + limit);
        let mut steps = 0_u64;
        loop {
            self.settle();
            if done(self) {
                return self.now.since(start);
            }
            assert!(self.step(end), "not done after {limit:?}; events {:?}", self.client_events);
            steps += 1;
            assert!(steps < 2_000_000, "time stands still at {:?}", self.now);
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0_u64;
        while self.step(end) {
            steps += 1;
            assert!(steps < 2_000_000, "time stands still at {:?}", self.now);
        }
    }

    pub fn send_to_client(&mut self, payload: &[u8]) -> bool {
        let session = self.session.expect("connected");
        self.server.send_message(self.now, session, Lane::CHAT, Urgency::Normal, payload).is_some()
    }
}

fn endpoint(secrets: &Arc<ServerSecrets>, seed: [u8; 32]) -> Endpoint {
    let config = EndpointConfig { secrets: Arc::clone(secrets), shard: 3, retry_beyond_per_s: 200 };
    Endpoint::new(config, seed)
}
