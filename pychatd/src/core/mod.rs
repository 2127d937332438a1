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
mod disk;
mod feed;
mod reading;
mod reconcile;
mod resolver;
mod send;
mod session;
mod status;
#[cfg(test)]
mod tests;
mod users;
mod waiters;

use crate::db::{Database, DatabaseError, Stored};
use change::{Change, Told};
use connect::{ConnectWaiter, LinkState};
use disk::Disk;
use pychat_control::{Empty, Event, Failure, Request, SendParams};
use pychat_proto::{Client, ClientEvent, Instant, MessageId, SecretKey, StreamId, Transmit};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};
use resolver::Resolver;
use serde::Serialize;
use session::Session;
use std::{collections::VecDeque, fmt, net::SocketAddr, time::Duration};
use users::UsersQuery;
use waiters::Waiters;

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
}

impl Default for Limits {
    /// docs/PROTOCOL.md, "Limits".
    fn default() -> Self {
        Self {
            outbox_texts: 100_000,
            kept_for: Duration::from_secs(7 * 24 * 3600),
            kept_bytes: 16 * 1024 * 1024,
            events: 250_000,
        }
    }
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a new socket (a new local port), look the host up, and answer with
    /// [`Core::handle_addresses`] or [`Core::handle_resolve_failed`]. An older look-up is dropped.
    Resolve {
        /// A name or an address.
        host: String,
        /// UDP.
        port: u16,
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
    now: Now,
    /// Something was handed in since the last [`Core::settle`].
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
    /// What went wrong last on the way to the server.
    link_error: Option<Failure>,

    requests: VecDeque<(u64, Request)>,
    waiters: Waiters,
    connects: Vec<ConnectWaiter>,
    users: Vec<UsersQuery>,
    /// When the next queued message is to be given up, in Unix milliseconds.
    next_expiry: Option<u64>,
    next_prune: Instant,

    responses: VecDeque<(u64, Result<serde_json::Value, Failure>)>,
    events: VecDeque<Event>,
    actions: VecDeque<Action>,
}

/// How often old records and events are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

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
        let mut core = Self {
            config,
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
            link_error: None,
            requests: VecDeque::new(),
            waiters: Waiters::default(),
            connects: Vec::new(),
            users: Vec::new(),
            next_expiry: None,
            next_prune: now.mono,
            responses: VecDeque::new(),
            events: VecDeque::new(),
            actions: VecDeque::new(),
        };
        if core.stored.settings.wants_link {
            core.start_client();
        }
        Ok(core)
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
            client.handle_datagram(now.mono, from, datagram);
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

    /// The answer to the latest [`Action::Resolve`].
    pub fn handle_addresses(&mut self, now: Now, addresses: Vec<SocketAddr>) {
        self.wake(now);
        self.take_addresses(addresses);
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
        self.client.as_mut()?.poll_transmit(now.mono, buffer)
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.settle();
        let expiry = self.next_expiry.map(|at| {
            self.now.mono + Duration::from_millis(at.saturating_sub(self.now.unix_ms))
        });
        [
            self.client.as_ref().and_then(Client::poll_timeout),
            self.waiters.next_deadline(),
            self.connects.iter().map(|waiter| waiter.deadline).min(),
            self.users.iter().map(UsersQuery::next_deadline).min(),
            self.resolver.retry_at(),
            self.disk.retry_at(),
            expiry.filter(|_| self.disk.is_ready()),
            Some(self.next_prune).filter(|_| self.disk.is_ready()),
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

    fn wake(&mut self, now: Now) {
        self.now = now;
        self.unsettled = true;
    }

    /// Executes all that was handed in.
    fn settle(&mut self) {
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        self.retry_disk();
        self.collect_client_events();
        self.store_backlog();
        self.serve_requests();
        self.run_timers();
        self.feed();
        if let Ok(next) = self.database.read().next_expiry() {
            self.next_expiry = next;
        }
    }

    fn serve_requests(&mut self) {
        let mut sends: Vec<(u64, SendParams)> = Vec::new();
        while let Some((token, request)) = self.requests.pop_front() {
            if let Request::Send(params) = request {
                sends.push((token, params));
            } else {
                // In the order of their coming, so that nobody sees a later state than asked for.
                self.send_all(std::mem::take(&mut sends));
                self.serve(token, request);
            }
        }
        self.send_all(sends);
    }

    fn serve(&mut self, token: u64, request: Request) {
        match request {
            Request::Status {} => self.respond(token, &self.status()),
            Request::Connect(params) => self.connect(token, &params),
            Request::Disconnect {} => self.disconnect(token),
            Request::Users(params) => self.ask_users(token, &params),
            Request::Send(params) => self.send_all(vec![(token, params)]),
            Request::Inbox(params) => self.settle_response(token, self.inbox(&params)),
            Request::MarkRead { ids } => {
                let result = self.mark_read(&ids);
                self.settle_response(token, result);
            }
            Request::History(params) => self.settle_response(token, self.history(&params)),
            Request::Unread {} => self.settle_response(token, self.unread()),
            Request::Trace { id } => self.settle_response(token, self.trace(&id)),
            Request::Cancel { id } => {
                let result = self.cancel(&id);
                self.settle_response(token, result);
            }
            Request::Shutdown {} => {
                self.respond(token, &Empty {});
                self.actions.push_back(Action::Shutdown);
            }
            Request::Hello(_) | Request::Subscribe(_) => {
                self.fail(token, answer::misdirected());
            }
        }
    }

    fn run_timers(&mut self) {
        for (token, failure) in self.waiters.expire(self.now.mono, &self.timeout_reason()) {
            self.fail(token, failure);
        }
        self.expire_connects();
        self.run_users();
        self.run_resolver();
        self.expire_queued();
        if self.next_prune <= self.now.mono && self.disk.is_ready() {
            self.prune();
        }
    }

    /// Removes what is older or more than the limits say.
    fn prune(&mut self) {
        self.next_prune = self.now.mono + PRUNE_EVERY;
        let limits = self.config.limits;
        let kept_ms = u64::try_from(limits.kept_for.as_millis()).unwrap_or(u64::MAX);
        let before = self.now.unix_ms.saturating_sub(kept_ms);
        // A failure is shown in `status`, and the next round tries again.
        let _ = self.change(|change| {
            change.tx.prune_outbox(before, limits.kept_bytes)?;
            change.tx.prune_events(limits.events)
        });
    }

    /// Runs `work` as one transaction. What it told goes out only if it is on disk; otherwise memory
    /// stays as it was, and the failure is shown in `status`.
    fn change<T>(
        &mut self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let mut stored = self.stored.clone();
        let mut told = Told::default();
        let now = self.now;
        let result = self.database.write(|tx| {
            let mut change = Change { tx, stored: &mut stored, told: &mut told, now };
            let done = work(&mut change)?;
            change.save_settings(&self.stored.settings)?;
            Ok(done)
        });
        match result {
            Ok(done) => {
                self.stored = stored;
                self.disk.worked();
                self.tell(told);
                Ok(done)
            }
            Err(error) => {
                self.disk.failed(now.mono, &error);
                Err(error)
            }
        }
    }

    fn tell(&mut self, told: Told) {
        self.events.extend(told.events);
        for reached in told.reached {
            for (token, answer) in self.waiters.reached(&reached) {
                self.settle_response(token, answer);
            }
        }
    }

    fn respond(&mut self, token: u64, answer: &impl Serialize) {
        self.settle_response(token, Ok(answer));
    }

    fn fail(&mut self, token: u64, failure: Failure) {
        self.responses.push_back((token, Err(failure)));
    }

    fn settle_response(&mut self, token: u64, answer: Result<impl Serialize, Failure>) {
        let answer = answer.map(|answer| {
            serde_json::to_value(answer).expect("answers are plain data, which always encodes")
        });
        self.responses.push_back((token, answer));
    }

    fn fresh_stream(&mut self) -> StreamId {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        StreamId(bytes)
    }

    fn fresh_seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    fn fresh_message_id(&mut self) -> MessageId {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        MessageId::new(self.now.unix_ms, random)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("link", &self.link).finish_non_exhaustive()
    }
}
