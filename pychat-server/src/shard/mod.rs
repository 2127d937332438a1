//! One shard: its users' sessions, and the relay between them and the store. Sans-IO.
//!
//! Drive it: one `handle_*`, then drain `poll_transmit`, `poll_job` and `poll_to_shard`, then sleep
//! until `poll_timeout`. Nothing here waits, reads a clock or touches a disk: what must survive goes
//! to the committer as a [`Job`] and comes back as [`Done`].
//!
//! - `logins`: who may come in, and the older session that has to go. `goodbye`: when all have to.
//! - `appends`: from a session's outbox to the recipients' mailboxes (`uplink`).
//! - `turns`: in which order texts are taken.
//! - `mailbox`: what comes into the mailboxes that live here (`parcel`), to the readers and to the store.
//! - `delivery`: from a user's mailbox to the session, in order and once (`unsettled`), and the
//!   receipts that follow (`receipts`).
//! - `calls`: questions, and how often one may take keys (`claims`).
//! - `forward`: what comes for mailboxes that are other nodes' (`mail`). `ownership`: whether those of users who are
//!   here are still this node's.
//! - `nodes`: where else the server is.

mod appends;
mod calls;
mod claims;
mod delivery;
mod forward;
mod goodbye;
mod health;
mod jobs;
mod logins;
mod mail;
mod mailbox;
mod message;
mod nodes;
mod operator;
mod ownership;
mod parcel;
mod receipts;
mod session;
mod sessions;
mod stats;
mod turns;
mod unsettled;
mod uplink;

pub use claims::CLAIMS_PER_MINUTE_MAX;
pub use goodbye::RETURNS_PER_S;
pub use logins::{CURSOR_MAX, LOGINS_WAITING_MAX, Registration, SKIP_MAX, banned};
pub use mail::{FromNodes, NodeFate, NodeMail, NodeParcel, Seated, ToNodes};
pub use operator::Seat;
pub use parcel::FromShard;
pub use stats::ShardStats;

use crate::{
    committer::{Done, Job, Outcome, Work},
    store::{Command, Node, StoreError},
};
use claims::Claims;
use forward::Forwards;
use health::{Health, RETRY_CLUSTER_MAX, RETRY_MAX};
use jobs::{Finished, Jobs, Purpose};
use logins::Applicants;
use ownership::Ownership;
use pychat_proto::{
    ConnectionId, Cursor, Endpoint, EndpointConfig, EndpointEvent, EndpointStats, Fill, Instant,
    NodeTag, Place, ServerSecrets, SessionId, Transmit, UserName,
    chat::{Presence, UnixMillis},
};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};
use sessions::Sessions;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use turns::{TURNS_MAX, Turns};

/// Logins per second on one shard beyond which every newcomer has to prove its address first.
/// docs/PROTOCOL.md, "Limits".
pub const RETRY_BEYOND_PER_S: u32 = 200;

/// What a [`Shard`] is made of.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// The server's keys, the same on every shard.
    pub secrets: Arc<ServerSecrets>,
    /// This shard's number, from 0.
    pub shard: u8,
    /// How many there are.
    pub shards: u8,
    /// Who may claim a new name.
    pub registration: Registration,
    /// Logins per second beyond which every newcomer has to prove its address first.
    pub retry_beyond_per_s: u32,
    /// Which of the servers that share a store this is, if there are several.
    pub member: Option<Node>,
    /// Whether every text is written, also one that its recipient has made safe before.
    pub always_write: bool,
    /// Where clients reach this node, of a server that has several.
    pub node: Option<Place>,
}

impl ShardConfig {
    /// A shard of a server that is open to all.
    #[must_use]
    pub fn new(secrets: Arc<ServerSecrets>, shard: u8, shards: u8) -> Self {
        Self {
            secrets,
            shard,
            shards,
            registration: Registration::Open,
            retry_beyond_per_s: RETRY_BEYOND_PER_S,
            member: None,
            always_write: false,
            node: None,
        }
    }
}

/// The time on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For timers.
    pub mono: Instant,
    /// For people.
    pub unix_ms: UnixMillis,
}

/// One shard. See the module's documentation for how to drive it.
pub struct Shard {
    config: ShardConfig,
    endpoint: Endpoint,
    applicants: Applicants,
    sessions: Sessions,
    jobs: Jobs,
    to_shards: VecDeque<(u8, FromShard)>,
    /// What this shard tells itself.
    to_self: VecDeque<FromShard>,
    /// Mailboxes of which the store may not know how many places this shard has handed out: those of users
    /// who were here since the last write that succeeded.
    handed_out: BTreeMap<UserName, Cursor>,
    /// When what is held back from the disk is due there, for each session that anything is held for.
    holds: BTreeSet<(Instant, SessionId)>,
    /// Sessions whose position is on no disk of ours, and when it will be.
    unwritten: BTreeSet<SessionId>,
    positions_at: Option<Instant>,
    forwards: Forwards,
    ownership: Ownership,
    claims: Claims,
    turns: Turns,
    writes: Health,
    reads: Health,
    /// What other shards answer to what this one sends to their mailboxes.
    sends: Health,
    broken: Option<String>,
    /// Sessions that hold something back until the store works again.
    stalled: BTreeSet<SessionId>,
    stats: ShardStats,
    random: ChaCha12Rng,
    /// Where entries are encoded.
    scratch: Vec<u8>,
    /// Set once the server stops: the time over which clients are to come back.
    stopping: Option<Duration>,
    /// What clients are told of the server's nodes, encoded; nothing before somebody knew.
    nodes: Option<Box<[u8]>>,
}

impl Shard {
    /// A shard without sessions. `seed` is all its randomness.
    #[must_use]
    pub fn new(config: ShardConfig, seed: [u8; 32]) -> Self {
        let mut random = ChaCha12Rng::from_seed(seed);
        let mut endpoint_seed = [0; 32];
        random.fill_bytes(&mut endpoint_seed);
        let endpoint = EndpointConfig {
            secrets: config.secrets.clone(),
            shard: config.shard,
            retry_beyond_per_s: config.retry_beyond_per_s,
        };
        let mut endpoint = Endpoint::new(endpoint, endpoint_seed);
        endpoint.set_nodes(config.node.as_ref().map(NodeTag::of), []);
        let is_cluster = config.member.is_some();
        let retry_max = if is_cluster { RETRY_CLUSTER_MAX } else { RETRY_MAX };
        Self {
            endpoint,
            applicants: Applicants::default(),
            sessions: Sessions::default(),
            jobs: Jobs::new(config.shard),
            to_shards: VecDeque::new(),
            to_self: VecDeque::new(),
            handed_out: BTreeMap::new(),
            holds: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            positions_at: None,
            forwards: Forwards::default(),
            ownership: Ownership::default(),
            claims: Claims::default(),
            turns: Turns::default(),
            writes: Health::new(retry_max),
            sends: Health::new(retry_max),
            reads: Health::new(retry_max),
            broken: None,
            stalled: BTreeSet::new(),
            stats: ShardStats::default(),
            random,
            scratch: Vec::new(),
            stopping: None,
            nodes: None,
            config,
        }
    }

    /// Whether a datagram names a session of ours; see [`Endpoint::is_for_session`].
    #[must_use]
    pub fn is_for_session(&self, datagram: &[u8]) -> bool {
        self.endpoint.is_for_session(datagram)
    }

    /// Takes a datagram; it is decrypted in place.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &mut [u8]) {
        self.endpoint.handle_datagram(now.mono, from, datagram);
        self.handle_events(now);
    }

    /// Takes what the committer says.
    pub fn handle_committer(&mut self, now: Now, done: Done) {
        if let Some(Finished { purpose, is_late }) = self.jobs.finish(&done) {
            let Done { outcome, .. } = done;
            if !is_late {
                self.note_health(now, &purpose, outcome.as_ref().err());
            }
            self.handle_outcome(now, purpose, outcome, is_late);
        }
        self.handle_events(now);
    }

    /// Takes what another shard says.
    pub fn handle_peer_shard(&mut self, now: Now, from: FromShard) {
        self.hear(now, from);
        self.handle_events(now);
    }

    fn hear(&mut self, now: Now, from: FromShard) {
        match from {
            FromShard::Login(incoming) => self.begin_login(now, incoming),
            FromShard::Parcel(parcel) => self.take_in(now, parcel),
            FromShard::Fate(record, fate) => self.on_fate(now, record, fate),
            FromShard::Receipted(session, number, safe) => {
                self.on_receipted(now, session, number, safe);
            }
        }
    }

    /// Tells a shard, which may be this one.
    fn tell(&mut self, shard: u8, news: FromShard) {
        if shard == self.config.shard {
            self.to_self.push_back(news);
        } else {
            self.to_shards.push_back((shard, news));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.endpoint.handle_timeout(now.mono);
        self.handle_events(now);
        self.applicants.expire(now.mono);
        self.expire_holds(now);
        self.expire_ownership(now);
        self.expire_forwards(now);
        self.write_positions(now);
        self.claims.handle_timeout(now.mono);
        let writes = self.writes.handle_timeout(now.mono);
        let sends = self.sends.handle_timeout(now.mono);
        let reads = self.reads.handle_timeout(now.mono);
        if reads || (writes || sends) && !self.is_holding_back() {
            for session in std::mem::take(&mut self.stalled) {
                self.pump(now, session);
            }
        }
        self.handle_events(now);
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let store = [&self.writes, &self.sends, &self.reads].map(Health::poll_timeout);
        let held = self.holds.first().map(|(at, _)| *at);
        let others = [
            self.endpoint.poll_timeout(),
            self.applicants.poll_timeout(),
            held,
            self.ownership_timeout(),
            self.forwards_timeout(),
            self.positions_at,
            self.claims.poll_timeout(),
        ];
        store.into_iter().chain(others).flatten().min()
    }

    /// Writes the next datagram to `buffer` (cleared first).
    pub fn poll_transmit(&mut self, now: Now, buffer: &mut Vec<u8>) -> Option<Transmit> {
        self.endpoint.poll_transmit(now.mono, buffer)
    }

    /// The next job for the committer. The committer takes a shard's jobs in their order.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.jobs.pop()
    }

    /// What to tell another shard, and which.
    pub fn poll_to_shard(&mut self) -> Option<(u8, FromShard)> {
        self.to_shards.pop_front()
    }

    /// This shard's number.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.config.shard
    }

    /// Confirmed sessions.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Where each session's client is, for [`Self::poke`] after a crash.
    pub fn clients(&self) -> impl Iterator<Item = (ConnectionId, SocketAddr)> {
        self.endpoint.clients()
    }

    /// See [`Endpoint::clients_version`].
    #[must_use]
    pub const fn clients_version(&self) -> u64 {
        self.endpoint.clients_version()
    }

    /// Tells the client of a session from before a crash to log in anew; whether there was room.
    pub fn poke(&mut self, connection: ConnectionId, client: SocketAddr) -> bool {
        self.endpoint.poke(connection, client)
    }

    /// Shows each table with its bound, those of all sessions too.
    pub fn fills(&self, mut each: impl FnMut(Fill)) {
        self.endpoint.fills(&mut each);
        let waiting = self.applicants.waiting();
        each(Fill::new("logins that wait for the store", waiting, LOGINS_WAITING_MAX));
        let (claiming, sessions) = (self.claims.len(), self.sessions.len());
        each(Fill::follower("sessions that took keys within a minute", claiming, sessions));
        self.forwards.fills(&mut each);
        each(Fill::new("streams whose last text is known", self.turns.len(), TURNS_MAX));
        for hot in self.sessions.values().filter_map(|session| session.hot.as_deref()) {
            each(Fill::of_session("messages under way", hot.uplink.pending(), uplink::PENDING_MAX));
        }
    }

    /// Jobs that the committer has not answered.
    #[must_use]
    pub fn jobs_under_way(&self) -> usize {
        self.jobs.under_way()
    }

    /// Why the store has to be opened anew, if it has to; nothing is written until then.
    #[must_use]
    pub fn broken_store(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The endpoint's counters.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.endpoint.stats()
    }

    fn handle_events(&mut self, now: Now) {
        loop {
            if let Some(event) = self.endpoint.poll_event() {
                self.handle_event(now, event);
            } else if let Some(news) = self.to_self.pop_front() {
                self.hear(now, news);
            } else {
                // From here on it is filled from its beginning again, where memory is warm.
                return self.to_self.clear();
            }
        }
    }

    fn handle_event(&mut self, now: Now, event: EndpointEvent) {
        match event {
            EndpointEvent::Incoming(incoming) => self.on_incoming(now, incoming),
            EndpointEvent::Confirmed { session } => self.on_confirmed(now, session),
            EndpointEvent::Message { session, lane, first, last, payload } => {
                self.on_message(now, session, lane, (first, last), &payload);
            }
            EndpointEvent::Skip { session, lane, up_to } => {
                self.on_skip(now, session, lane, up_to);
            }
            EndpointEvent::Committed { session, lane, up_to } => {
                self.on_committed(now, session, lane, up_to);
            }
            EndpointEvent::Writable { session } => self.on_writable(now, session),
            EndpointEvent::Call { session, id, payload } => {
                self.on_call(now, session, id, &payload);
            }
            EndpointEvent::Away { session } => self.on_presence(now, session, Presence::Away),
            EndpointEvent::Back { session } => self.on_presence(now, session, Presence::Online),
            EndpointEvent::Closed { session, code } => self.on_closed(now, session, code),
        }
    }

    fn handle_outcome(
        &mut self,
        now: Now,
        purpose: Purpose,
        outcome: Result<Outcome, StoreError>,
        is_late: bool,
    ) {
        match purpose {
            Purpose::Login(incoming) => self.on_login_known(now, incoming, outcome),
            Purpose::Claim(session) => self.on_claimed(now, session, &outcome),
            Purpose::Raise(session) => self.on_raised(now, session, &outcome),
            Purpose::Owner(mailbox) => self.on_owner(now, mailbox, &outcome),
            Purpose::Elsewhere(sessions) => self.on_checked(now, sessions, outcome),
            Purpose::Append(write) => {
                let reader = write.reader;
                self.on_written(now, *write, outcome, is_late);
                self.cool(reader);
            }
            Purpose::Reserve(session) => {
                self.on_reserved(session, &outcome);
                self.cool(Some(session));
            }
            Purpose::HandedOut(mailbox, above) => {
                self.on_handed_out(&mailbox, above, outcome.is_ok());
            }
            Purpose::Advance(session, up_to) => {
                self.on_advanced(now, session, up_to, outcome.is_ok());
            }
            Purpose::Position(session) => self.on_position(now, session, outcome.is_ok()),
            Purpose::Page(session) => self.on_page(now, session, outcome),
            Purpose::Call(session, id) | Purpose::CallThatWrites(session, id) => {
                self.on_answer(now, session, id, outcome);
            }
            Purpose::Unwatched => {}
        }
    }

    fn note_health(&mut self, now: Now, purpose: &Purpose, error: Option<&StoreError>) {
        let health = match purpose {
            Purpose::Login(_)
            | Purpose::Page(_)
            | Purpose::Owner(_)
            | Purpose::Elsewhere(_)
            | Purpose::Call(..) => &mut self.reads,
            Purpose::Claim(_)
            | Purpose::Raise(_)
            | Purpose::Append(_)
            | Purpose::Reserve(_)
            | Purpose::HandedOut(..)
            | Purpose::Advance(..)
            | Purpose::Position(_)
            | Purpose::CallThatWrites(..)
            | Purpose::Unwatched => &mut self.writes,
        };
        match error {
            None => health.succeeded(),
            Some(error) => {
                health.failed(now.mono);
                if let (StoreError::Fatal(reason), None) = (error, &self.broken) {
                    self.broken = Some(reason.clone());
                }
            }
        }
    }

    /// Whether what sessions have for mailboxes waits, as the store fails here or where it last went. Entries of
    /// others are only refused where the store failed here: two shards would keep each other waiting for good.
    const fn is_holding_back(&self) -> bool {
        self.writes.is_pausing() || self.sends.is_pausing()
    }

    /// Submits whatever a session holds back.
    fn pump(&mut self, now: Now, session: SessionId) {
        self.pump_claim(session);
        self.pump_appends(now, session);
        self.pump_receipts(now, session);
        self.pump_delivery(session);
    }

    /// Frees what a session does not need while it is idle.
    fn cool(&mut self, id: Option<SessionId>) {
        if let Some(session) = id.and_then(|id| self.sessions.get_mut(&id)) {
            session.cool();
        }
    }

    fn write(&mut self, purpose: Purpose, command: Command) {
        self.jobs.push(purpose, Work::Commit(command));
    }
}

#[cfg(test)]
mod tests;
