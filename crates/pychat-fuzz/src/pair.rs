//! A client, a server's endpoint, and the applications around them, under a virtual clock. What
//! happens to a datagram between them is the caller's business.
//!
//! Drive it: [`Pair::collect`] gives the datagrams that leave, [`Pair::tell_client`] and
//! [`Pair::tell_server`] hand datagrams in, [`Pair::wait`] moves the clock.

use pychat_proto::{
    Client, ClientConfig, ClientEvent, CloseCode, Cursor, DisplayName, Endpoint, EndpointConfig,
    EndpointEvent, Incoming, Instant, Lane, Login, SecretKey, Seq, ServerKey, ServerSecrets,
    SessionId, StreamId, Urgency, UserName, Welcome, records_for,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Turns of [`Pair::collect`] after which the two talk to themselves.
const TURNS_MAX: usize = 10_000;

/// Where the server is.
pub(crate) fn server_address() -> SocketAddr {
    ([10, 0, 0, 1], 7420).into()
}

/// Where the honest client is.
pub(crate) fn client_address() -> SocketAddr {
    ([10, 0, 0, 2], 5000).into()
}

/// Which way a first handshake goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    /// The server's key is pinned: IK.
    Known,
    /// It is learned: XX.
    First,
}

/// A datagram that left one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) server: Endpoint,
    session: Option<SessionId>,
    /// What the client's and the server's application sent and took, each in order.
    pub(crate) up: Flow,
    pub(crate) down: Flow,
    /// The record after the last one that the client offered in this session, and its message.
    offered_up: usize,
    offered_down: usize,
    pub(crate) events: Vec<ClientEvent>,
    pub(crate) logins: usize,
}

/// One direction.
#[derive(Default)]
pub(crate) struct Flow {
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) taken: Vec<Vec<u8>>,
    /// The last record that was taken.
    position: u64,
}

impl Flow {
    /// The first record of the message at `index`.
    fn first(&self, index: usize) -> u64 {
        1 + self.sent[..index].iter().map(|payload| records_for(payload.len())).sum::<u64>()
    }

    /// How many messages end at or before a record.
    fn messages_up_to(&self, record: u64) -> usize {
        let mut last = 0;
        let whole = |payload: &&Vec<u8>| {
            last += records_for(payload.len());
            last <= record
        };
        self.sent.iter().take_while(whole).count()
    }

    /// What was taken is an exact prefix of what was sent.
    pub(crate) fn check(&self) {
        assert!(self.taken.len() <= self.sent.len(), "more was taken than sent");
        assert!(self.sent.starts_with(&self.taken), "what was taken is not what was sent");
    }

    pub(crate) fn is_done(&self) -> bool {
        self.taken.len() == self.sent.len()
    }
}

impl Pair {
    /// Two that have not met, with fixed keys and seeds.
    pub(crate) fn new(contact: Contact) -> Self {
        Self::with_keys(contact, 0)
    }

    /// As [`Self::new`]; another `kind` is another server and another client.
    pub(crate) fn with_keys(contact: Contact, kind: u8) -> Self {
        let bytes = |first: u8| [first | kind << 4; 32];
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes(bytes(1)),
            reset: SecretKey::from_bytes(bytes(2)),
        });
        let server = match contact {
            Contact::Known => ServerKey::Pinned(secrets.identity.public()),
            Contact::First => ServerKey::Unknown,
        };
        let config = ClientConfig {
            identity: SecretKey::from_bytes(bytes(3)),
            server,
            login: Login {
                user: UserName::parse("alice").expect("a name"),
                name: DisplayName::parse("Alice").expect("a name"),
                stream: StreamId([9; 16]),
                cursor: Cursor::NONE,
                invite: None,
            },
            rtt_hint: None,
        };
        let endpoint = EndpointConfig { secrets, shard: 3, retry_beyond_per_s: 200 };
        Self {
            now: Instant::from_micros(1_000_000_000),
            client: Client::new(config, bytes(4)),
            server: Endpoint::new(endpoint, bytes(5)),
            session: None,
            up: Flow::default(),
            down: Flow::default(),
            offered_up: 0,
            offered_down: 0,
            events: Vec::new(),
            logins: 0,
        }
    }

    pub(crate) fn connect(&mut self) {
        self.client.set_addresses(self.now, vec![server_address()]);
    }

    /// Whether a confirmed session stands on both sides.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.is_connected() && self.session.is_some()
    }

    pub(crate) fn tell_client(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.client.handle_datagram(self.now, from, &mut bytes.to_vec());
    }

    pub(crate) fn tell_server(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.server.handle_datagram(self.now, from, &mut bytes.to_vec());
    }

    /// When a timer is due.
    pub(crate) fn due(&mut self) -> Option<Instant> {
        [self.client.poll_timeout(), self.server.poll_timeout()].into_iter().flatten().min()
    }

    /// Moves the clock by `pause` and lets the timers know.
    pub(crate) fn wait(&mut self, pause: Duration) {
        self.now += pause;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }

    /// Lets both do what they do now; returns what leaves.
    pub(crate) fn collect(&mut self) -> Vec<Datagram> {
        let (mut out, mut buffer) = (Vec::new(), Vec::new());
        for _ in 0..TURNS_MAX {
            let mut busy = false;
            while let Some(event) = self.server.poll_event() {
                busy = true;
                self.server_event(event);
            }
            while let Some(event) = self.client.poll_event() {
                busy = true;
                self.client_event(event);
            }
            self.offer_up();
            self.offer_down();
            let now = self.now;
            while let Some(transmit) = self.client.poll_transmit(now, &mut buffer) {
                busy = true;
                out.push(Datagram {
                    from: client_address(),
                    to: transmit.to,
                    bytes: buffer.clone(),
                });
            }
            while let Some(transmit) = self.server.poll_transmit(now, &mut buffer) {
                busy = true;
                for bytes in buffer.chunks(transmit.segment_bytes.max(1)) {
                    let (from, to) = (server_address(), transmit.to);
                    out.push(Datagram { from, to, bytes: bytes.to_vec() });
                }
            }
            if !busy {
                self.up.check();
                self.down.check();
                return out;
            }
        }
        panic!("they have no end of things to say");
    }

    fn offer_up(&mut self) {
        while let Some(payload) = self.up.sent.get(self.offered_up) {
            if self.client.room(Lane::CHAT) < records_for(payload.len()) {
                return;
            }
            let first = Seq(self.up.first(self.offered_up));
            self.client.send_message(self.now, Lane::CHAT, first, payload);
            self.offered_up += 1;
        }
    }

    fn offer_down(&mut self) {
        let Some(session) = self.session else { return };
        while let Some(payload) = self.down.sent.get(self.offered_down) {
            let offered =
                self.server.send_message(self.now, session, Lane::CHAT, Urgency::Normal, payload);
            if offered.is_none() {
                return;
            }
            self.offered_down += 1;
        }
    }

    fn server_event(&mut self, event: EndpointEvent) {
        match event {
            EndpointEvent::Incoming(incoming) => self.welcome(incoming),
            EndpointEvent::Confirmed { session } => {
                if let Some(old) = self.session.replace(session) {
                    self.server.close(self.now, old, CloseCode::Replaced, Duration::ZERO, "");
                }
                // The client says with its cursor what it holds; here that is its count.
                self.offered_down = self.down.taken.len();
            }
            EndpointEvent::Message { session, lane, first, last, payload } => {
                if last.0 > self.up.position {
                    assert_eq!(first.0, self.up.position + 1, "a gap in the stream");
                    self.up.position = last.0;
                    self.up.taken.push(payload);
                }
                self.server.commit(self.now, session, lane, last);
            }
            EndpointEvent::Closed { session, .. } => {
                if self.session == Some(session) {
                    self.session = None;
                }
            }
            EndpointEvent::Call { session, id, payload } => {
                self.server.reply(self.now, session, id, &payload);
            }
            EndpointEvent::Skip { .. } => panic!("nobody skips anything"),
            EndpointEvent::Committed { .. }
            | EndpointEvent::Writable { .. }
            | EndpointEvent::Away { .. }
            | EndpointEvent::Back { .. } => {}
        }
    }

    fn welcome(&mut self, incoming: Box<Incoming>) {
        assert_eq!(incoming.login.user.as_str(), "alice", "nobody else has a key");
        self.logins += 1;
        let welcome = Welcome { committed: Seq(self.up.position), server_time: 0 };
        self.server.accept(self.now, incoming, welcome);
    }

    fn client_event(&mut self, event: ClientEvent) {
        match &event {
            ClientEvent::Connected { committed, .. } => {
                self.offered_up = self.up.messages_up_to(committed.0);
            }
            ClientEvent::Message { lane, last, payload } => {
                self.down.taken.push(payload.clone());
                self.client.set_cursor(Cursor(self.down.taken.len() as u64));
                self.client.commit(self.now, *lane, *last);
            }
            ClientEvent::NeedAddresses => self.connect(),
            ClientEvent::ServerKeyLearned(_)
            | ClientEvent::Disconnected { .. }
            | ClientEvent::Refused(_)
            | ClientEvent::Suspicion(_)
            | ClientEvent::Committed { .. }
            | ClientEvent::MessageRefused { .. }
            | ClientEvent::Reply { .. }
            | ClientEvent::Unanswered { .. }
            | ClientEvent::Note { .. } => {}
        }
        self.events.push(event);
    }
}
