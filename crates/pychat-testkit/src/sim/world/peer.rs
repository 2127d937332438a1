//! A daemon as far as the protocol goes: an outbox and a cursor around a [`Client`].

use crate::dice::Dice;
use pychat_proto::{
    Client, ClientConfig, ClientEvent, Cursor, DisplayName, Instant, Lane, Login, PathStats,
    PublicKey, RefuseCode, SecretKey, Seq, ServerKey, StreamId, UserName, records_for,
};
use std::net::SocketAddr;

/// One client of a world.
pub struct Peer {
    address: SocketAddr,
    identity: SecretKey,
    server: ServerKey,
    login: Login,
    client: Client,
    /// On disk: what was typed, in order.
    outbox: Vec<Entry>,
    /// The next outbox entry to offer in this session; `None` while not connected.
    next: Option<usize>,
    committed: Seq,
    received: Vec<Vec<u8>>,
    refused: Vec<(Seq, RefuseCode)>,
    events: Vec<(Instant, ClientEvent)>,
    buffer: Vec<u8>,
    /// Datagrams of a train that were not handed over yet, the first one last.
    train: Vec<(SocketAddr, Vec<u8>)>,
}

/// A message of the outbox and its records.
#[derive(Clone, Debug)]
struct Entry {
    first: Seq,
    last: Seq,
    payload: Vec<u8>,
}

impl Peer {
    pub(super) fn new(id: usize, address: SocketAddr, server: ServerKey, dice: &mut Dice) -> Self {
        let identity = SecretKey::from_bytes(dice.seed());
        let mut stream = [0; 16];
        stream.copy_from_slice(&dice.seed()[..16]);
        let login = Login {
            user: UserName::parse(&format!("user{id}")).expect("a plain name"),
            name: DisplayName::parse(&format!("User {id}")).expect("a plain name"),
            stream: StreamId(stream),
            cursor: Cursor::NONE,
            invite: None,
        };
        let client = start(&identity, &server, &login, dice.seed());
        Self {
            address,
            identity,
            server,
            login,
            client,
            outbox: Vec::new(),
            next: None,
            committed: Seq::NONE,
            received: Vec::new(),
            refused: Vec::new(),
            events: Vec::new(),
            buffer: Vec::new(),
            train: Vec::new(),
        }
    }

    /// Where it is, inside its NAT.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who it is.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.identity.public()
    }

    /// What it knows of the server's key, after what it has learned.
    #[must_use]
    pub const fn server_key(&self) -> &ServerKey {
        &self.server
    }

    /// Whether it is logged in.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.is_connected()
    }

    /// Its path's counters.
    #[must_use]
    pub fn stats(&self) -> PathStats {
        self.client.stats()
    }

    /// Everything that happened to it.
    #[must_use]
    pub fn events(&self) -> &[(Instant, ClientEvent)] {
        &self.events
    }

    /// How many of its events are such.
    pub fn count_events(&self, such: impl Fn(&ClientEvent) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| such(event)).count()
    }

    /// What it received from its mailbox, in order.
    #[must_use]
    pub fn received(&self) -> &[Vec<u8>] {
        &self.received
    }

    /// The messages of its own that the server refused, by their last record.
    #[must_use]
    pub fn refused(&self) -> &[(Seq, RefuseCode)] {
        &self.refused
    }

    /// The messages of its outbox, in order.
    pub fn sent(&self) -> impl Iterator<Item = &[u8]> {
        self.outbox.iter().map(|entry| entry.payload.as_slice())
    }

    /// The highest of its records that the server holds.
    #[must_use]
    pub const fn committed(&self) -> Seq {
        self.committed
    }

    /// The protocol machine itself.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    pub(super) fn has_sent_all(&self) -> bool {
        self.outbox.last().is_none_or(|entry| entry.last <= self.committed)
    }

    pub(super) fn connect(&mut self, now: Instant, addresses: Vec<SocketAddr>) {
        self.client.set_addresses(now, addresses);
    }

    pub(super) fn queue(&mut self, now: Instant, payload: &[u8]) {
        let first = self.outbox.last().map_or(Seq::NONE, |entry| entry.last).next();
        let last = Seq(first.0 + records_for(payload.len()) - 1);
        self.outbox.push(Entry { first, last, payload: payload.to_vec() });
        self.offer(now);
    }

    pub(super) fn restart(&mut self, seed: [u8; 32]) {
        self.client = start(&self.identity, &self.server, &self.login, seed);
        self.next = None;
        self.train.clear();
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        self.client.handle_datagram(now, from, datagram);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    pub(super) fn poll_datagram(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        if self.train.is_empty() {
            let transmit = self.client.poll_transmit(now, &mut self.buffer)?;
            let datagrams = self.buffer.chunks(transmit.segment_bytes.max(1));
            self.train = datagrams.rev().map(|bytes| (transmit.to, bytes.to_vec())).collect();
        }
        self.train.pop()
    }

    /// Takes the next event, does what a daemon does about it, and notes it down.
    pub(super) fn take_event(&mut self, now: Instant) -> Option<ClientEvent> {
        let event = self.client.poll_event()?;
        self.events.push((now, event.clone()));
        match &event {
            ClientEvent::ServerKeyLearned(key) => self.server = ServerKey::Pinned(*key),
            ClientEvent::Connected { committed, .. } => self.connected(now, *committed),
            ClientEvent::Disconnected { .. } | ClientEvent::Refused(_) => self.next = None,
            ClientEvent::Message { lane, last, payload } => {
                self.store(payload);
                self.client.set_cursor(self.login.cursor);
                self.client.commit(now, *lane, *last);
            }
            ClientEvent::Committed { lane: Lane::CHAT, up_to } => {
                assert!(*up_to >= self.committed, "{}: a commit went back", self.login.user);
                self.committed = *up_to;
                self.offer(now);
            }
            ClientEvent::MessageRefused { lane, last, code } => {
                self.refused.push((*last, *code));
                self.client.skip(now, *lane, *last);
                self.offer(now);
            }
            ClientEvent::Committed { .. }
            | ClientEvent::Suspicion(_)
            | ClientEvent::NeedAddresses
            | ClientEvent::Unanswered { .. }
            | ClientEvent::Reply { .. }
            | ClientEvent::Note { .. } => {}
        }
        Some(event)
    }

    /// What happened, for a failing test's message.
    pub(super) fn story(&self) -> String {
        let mut story = format!(
            "--- {} ({}): {} of {} records committed, {} received, {:?}\n",
            self.login.user,
            if self.is_connected() { "connected" } else { "not connected" },
            self.committed,
            self.outbox.last().map_or(Seq::NONE, |entry| entry.last),
            self.received.len(),
            self.stats(),
        );
        let quiet = |event: &ClientEvent| {
            matches!(event, ClientEvent::Message { .. } | ClientEvent::Committed { .. })
        };
        for (at, event) in self.events.iter().filter(|(_, event)| !quiet(event)) {
            story += &format!("{:>12} {event:?}\n", at.as_micros());
        }
        story
    }

    fn connected(&mut self, now: Instant, committed: Seq) {
        assert!(committed >= self.committed, "{}: the server forgot records", self.login.user);
        self.committed = committed;
        self.next = Some(self.outbox.partition_point(|entry| entry.last <= committed));
        self.offer(now);
    }

    /// Hands the protocol as much of the outbox as it takes.
    fn offer(&mut self, now: Instant) {
        let Some(next) = &mut self.next else { return };
        while let Some(entry) = self.outbox.get(*next) {
            if self.client.room(Lane::CHAT) < records_for(entry.payload.len()) {
                return;
            }
            self.client.send_message(now, Lane::CHAT, entry.first, &entry.payload);
            *next += 1;
        }
    }

    /// Stores a mailbox entry: each one exactly once and in order.
    fn store(&mut self, payload: &[u8]) {
        let (cursor, body) = payload.split_first_chunk().expect("an entry begins with its cursor");
        let cursor = Cursor(u64::from_be_bytes(*cursor));
        assert_eq!(cursor, self.login.cursor.next(), "{}: not the next entry", self.login.user);
        self.login.cursor = cursor;
        self.received.push(body.to_vec());
    }
}

fn start(identity: &SecretKey, server: &ServerKey, login: &Login, seed: [u8; 32]) -> Client {
    let config = ClientConfig {
        identity: identity.clone(),
        server: server.clone(),
        login: login.clone(),
        rtt_hint: None,
    };
    Client::new(config, seed)
}
