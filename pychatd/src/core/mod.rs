//! The daemon's heart, sans-IO: it owns the protocol's [`Client`] and the [`Database`], takes
//! requests and datagrams in, and gives answers, events and datagrams out.
//!
//! Drive it: any number of `handle_*`, then drain every `poll_*`, carry out the actions, sleep until
//! `poll_timeout`. What the `handle_*` brought is executed at the first `poll_*` after them, as few
//! transactions as possible: whoever hands in many requests at once pays one flush for all. An
//! answer, an event or a COMMIT comes out only after what it tells is true on disk.

mod answer;
mod change;
mod connect;
mod contacts;
mod diagnosis;
mod disk;
mod feed;
mod finding;
mod own_keys;
mod readers;
mod reading;
mod reconcile;
mod removing;
mod resolver;
mod roster;
mod sealing;
mod send;
mod serving;
mod session;
mod status;
#[cfg(test)]
mod tests;
mod users;
mod waiters;
mod wanted;

use crate::db::{Database, DatabaseError, Stored};
use connect::{ConnectWaiter, LinkState};
use contacts::Lookup;
use diagnosis::Sightings;
use disk::Disk;
use pychat_control::{Event, Failure, HookStatus, Request};
use pychat_proto::{Client, ClientEvent, Instant, Node, Place, SecretKey, Transmit};
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};
use resolver::Resolver;
use roster::Roster;
use sealing::Keys;
use session::Session;
use std::{collections::VecDeque, fmt, net::SocketAddr, path::PathBuf, time::Duration};
use users::{Asking, UsersQuery};
use waiters::Waiters;
use wanted::Wanted;

/// This moment, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The boot-time clock: for timers.
    pub mono: Instant,
    /// The wall clock: for people. Milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
}

/// What a [`Core`] is told about its surroundings.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Who we are.
    pub identity: SecretKey,
    /// The profile's name, for `status`.
    pub profile: String,
    /// Our process id, for `status`.
    pub pid: u32,
    /// When the daemon started, in Unix milliseconds, for `status`.
    pub started_at_unix_ms: u64,
    /// What may grow how far.
    pub limits: Limits,
}

/// What may grow how far. Tests set small ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Texts that wait for the server; then `send` is refused.
    pub outbox_texts: u64,
    /// For how long a record is kept after the server took it: a server that lost its memory of it
    /// gets it again.
    pub kept_for: Duration,
    /// Bytes of such records.
    pub kept_bytes: u64,
    /// Events kept for `trace` and for subscribers that come back.
    pub events: u64,
    /// For how long messages are kept that were seen; for good, if this is absent.
    pub history_for: Option<Duration>,
    /// Bytes of database beyond which the oldest messages go that were seen.
    pub history_bytes: Option<u64>,
}

impl Default for Limits {
    /// docs/PROTOCOL.md, "Limits".
    fn default() -> Self {
        Self {
            outbox_texts: 100_000,
            kept_for: Duration::from_secs(7 * 24 * 3600),
            kept_bytes: 16 * 1024 * 1024,
            events: 250_000,
            history_for: None,
            history_bytes: None,
        }
    }
}

/// What becomes of the sockets in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// They stay: the session lives by them.
    Kept,
    /// New ones take their place, with new local ports.
    Fresh,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look the places up, and answer with [`Core::handle_nodes`] or [`Core::handle_resolve_failed`]. An
    /// older look-up is dropped.
    Resolve {
        /// At least one: those of the link, then those that the server told.
        places: Vec<Place>,
        /// What becomes of the sockets in use.
        sockets: Sockets,
    },
    /// Look whether the machine at `address` says that nobody listens there; if so, say
    /// [`Core::handle_refused`]. One question at a time is enough: the last counts.
    AskRefusal {
        /// A node's.
        address: SocketAddr,
    },
    /// [`Core::close`], send what it gives out, and end.
    Shutdown,
}

/// The daemon's heart. See the module's documentation for how to drive it.
pub struct Core {
    config: CoreConfig,
    database: Database,
    /// What is on disk; replaced only after a transaction has succeeded.
    stored: Stored,
    rng: ChaCha12Rng,
    keys: Keys,
    now: Now,
    /// Something was handed in since the last `settle`.
    unsettled: bool,

    client: Option<Client>,
    /// The former client, until it has said goodbye.
    closing: Option<Client>,
    /// The client's session; `None` until what its login brought is on disk.
    session: Option<Session>,
    link: LinkState,
    /// Events of the client that have to reach the disk first. Bounded by the protocol's window, and
    /// emptied when the session ends.
    backlog: VecDeque<ClientEvent>,
    disk: Disk,
    resolver: Resolver,
    /// What the last `connect` showed as an invite, until it is of no more use. It is on no disk.
    invite: Option<String>,
    /// What the server's operator told last, and when, in Unix milliseconds.
    notice: Option<(String, u64)>,
    /// What went wrong last on the way to the server.
    link_error: Option<Failure>,
    /// The server said that it cannot store what we send, and has stored nothing since.
    server_stuck: bool,
    /// A damaged database that was set aside, as long as it is there.
    set_aside: Option<PathBuf>,
    /// Programs that are run for messages; as many as the configuration names.
    hooks: Vec<HookStatus>,

    requests: VecDeque<(u64, Request)>,
    waiters: Waiters,
    connects: Vec<ConnectWaiter>,
    /// The question that shows that the server has taken us in.
    confirming: Option<Asking>,
    users: Vec<UsersQuery>,
    lookups: Vec<Lookup>,
    /// Others' keys that texts wait for.
    wanted: Wanted,
    /// The question what the server holds of our keys.
    own_keys: Asking,
    /// Users as the server told of them.
    roster: Roster,
    sightings: Sightings,
    /// When messages come into the index of words; none, if all are.
    next_index: Option<Instant>,
    /// When one-time keys were made last.
    keys_made_at: Option<Instant>,
    /// When the next queued message is to be given up, in Unix milliseconds.
    next_expiry: Option<u64>,
    next_prune: Instant,
    /// When the history is looked through for what is too old or too much.
    next_removal: Instant,

    responses: VecDeque<(u64, Result<serde_json::Value, Failure>)>,
    events: VecDeque<Event>,
    actions: VecDeque<Action>,
}

impl Core {
    /// A daemon's heart that goes on where `database` stands: if the last `connect` was not followed
    /// by a `disconnect`, it connects. `seed` is all its randomness and must never have been used
    /// before.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn new(
        database: Database,
        config: CoreConfig,
        seed: [u8; 32],
        now: Now,
    ) -> Result<Self, DatabaseError> {
        let stored = database.read().stored()?;
        let keys = Keys::new(&config.identity);
        let mut core = Self {
            config,
            keys,
            database,
            stored,
            rng: ChaCha12Rng::from_seed(seed),
            now,
            unsettled: true,
            client: None,
            closing: None,
            session: None,
            link: LinkState::new(now),
            backlog: VecDeque::new(),
            disk: Disk::default(),
            resolver: Resolver::default(),
            invite: None,
            notice: None,
            link_error: None,
            server_stuck: false,
            set_aside: None,
            hooks: Vec::new(),
            requests: VecDeque::new(),
            waiters: Waiters::default(),
            connects: Vec::new(),
            confirming: None,
            users: Vec::new(),
            lookups: Vec::new(),
            wanted: Wanted::default(),
            own_keys: Asking::NotBefore(Instant::ZERO),
            roster: Roster::default(),
            sightings: Sightings::default(),
            // What an earlier run left.
            next_index: Some(now.mono),
            keys_made_at: None,
            next_expiry: None,
            next_prune: now.mono,
            next_removal: now.mono,
            responses: VecDeque::new(),
            events: VecDeque::new(),
            actions: VecDeque::new(),
        };
        if core.stored.settings.wants_link {
            core.start_client();
        }
        Ok(core)
    }

    /// Where a damaged database is that this one took the place of, for `status`.
    pub fn set_set_aside(&mut self, path: Option<PathBuf>) {
        self.set_aside = path;
    }

    /// How a program that is run for messages is, for `status`.
    pub fn set_hook(&mut self, status: HookStatus) {
        match self.hooks.iter_mut().find(|known| known.hook == status.hook) {
            Some(known) => *known = status,
            None => self.hooks.push(status),
        }
    }

    /// The database, for one who simulates a crash.
    #[must_use]
    pub fn into_database(self) -> Database {
        self.database
    }

    /// Takes a request; its answer comes out of [`Self::poll_response`] with the same token.
    pub fn handle_request(&mut self, now: Now, token: u64, request: Request) {
        self.wake(now);
        self.requests.push_back((token, request));
    }

    /// Takes a datagram; it is decrypted in place.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &mut [u8]) {
        self.wake(now);
        if let Some(client) = &mut self.client {
            let heard = client.stats().received;
            client.handle_datagram(now.mono, from, datagram);
            self.sightings.datagrams_received += 1;
            if client.stats().received > heard {
                self.sightings.heard_at = Some(now.unix_ms);
            }
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.wake(now);
        if let Some(client) = &mut self.client {
            client.handle_timeout(now.mono);
        }
    }

    /// The network changed, or the machine woke up: everything that waits is tried at once.
    pub fn handle_network_change(&mut self, now: Now) {
        self.wake(now);
        self.resolver.hurry(now.mono);
        if let Some(client) = &mut self.client {
            client.handle_network_change(now.mono);
        }
    }

    /// The answer to the latest [`Action::Resolve`], where all addresses are of one node.
    pub fn handle_addresses(&mut self, now: Now, addresses: Vec<SocketAddr>) {
        let account = self.stored.settings.account.as_ref();
        let Some(place) = account.map(|account| account.server.first().clone()) else { return };
        let node = (!addresses.is_empty()).then_some(Node { place, addresses });
        self.handle_nodes(now, node.into_iter().collect());
    }

    /// The answer to the latest [`Action::Resolve`].
    pub fn handle_nodes(&mut self, now: Now, nodes: Vec<Node>) {
        self.wake(now);
        self.take_places_found(nodes);
    }

    /// The answer to an [`Action::AskRefusal`]: nobody listens there.
    pub fn handle_refused(&mut self, now: Now, address: SocketAddr) {
        self.wake(now);
        if let Some(client) = &mut self.client {
            client.handle_refused(now.mono, address);
        }
    }

    /// The latest [`Action::Resolve`] came to nothing.
    pub fn handle_resolve_failed(&mut self, now: Now, reason: &str) {
        self.wake(now);
        self.take_resolve_failure(reason);
    }

    /// Says goodbye to the server. What waits is answered; what is queued stays queued.
    pub fn close(&mut self, now: Now) {
        self.wake(now);
        self.settle();
        self.save_rtt_hint();
        self.answer_all_waiting();
        if let Some(client) = &mut self.client {
            client.close(now.mono);
        }
        self.session = None;
    }

    /// Writes the next datagram to `buffer` (cleared first).
    pub fn poll_transmit(&mut self, now: Now, buffer: &mut Vec<u8>) -> Option<Transmit> {
        self.now = now;
        self.settle();
        if let Some(closing) = &mut self.closing {
            if let Some(transmit) = closing.poll_transmit(now.mono, buffer) {
                return Some(transmit);
            }
            self.closing = None;
        }
        let transmit = self.client.as_mut()?.poll_transmit(now.mono, buffer);
        self.sightings.datagrams_sent += u64::from(transmit.is_some());
        transmit
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.settle();
        let expiry = self
            .next_expiry
            .map(|at| self.now.mono + Duration::from_millis(at.saturating_sub(self.now.unix_ms)));
        [
            self.client.as_ref().and_then(Client::poll_timeout),
            self.waiters.next_deadline(),
            self.connects.iter().map(|waiter| waiter.deadline).min(),
            self.users.iter().map(UsersQuery::next_deadline).min(),
            self.lookups.iter().map(Lookup::next_deadline).min(),
            self.wanted.deadline(self.now.mono).filter(|_| self.is_live()),
            self.own_keys_deadline(),
            self.confirming.and_then(Asking::not_before),
            self.resolver.retry_at(),
            self.disk.retry_at(),
            self.index_deadline(),
            expiry.filter(|_| self.disk.is_ready()),
            Some(self.next_prune).filter(|_| self.disk.is_ready()),
            self.removal_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// An answer, with the token of its request.
    pub fn poll_response(&mut self) -> Option<(u64, Result<serde_json::Value, Failure>)> {
        self.settle();
        self.responses.pop_front()
    }

    /// Something for subscribers.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.settle();
        self.events.pop_front()
    }

    /// Something for the driver to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.settle();
        self.actions.pop_front()
    }

    /// The last kept event, where a new subscription begins.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn event_cursor(&self) -> Result<u64, Failure> {
        self.database.read().last_event().map_err(|error| answer::unreadable(&error))
    }

    /// The server's address in use.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        self.client.as_ref().and_then(Client::remote)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("link", &self.link).finish_non_exhaustive()
    }
}
