//! The server's side: one shard's sessions.

mod api;
mod limits;
mod login;
mod node;
mod sessions;
mod slots;
#[cfg(test)]
mod states;
mod timers;
mod token;

use crate::{
    AWAY_AFTER, CloseCode, ConnectionId, Instant, Lane, PublicKey, Seq,
    crypto::{self, Rng},
    noise::Identity,
    session::{self, Counters, Session, SessionEvent},
    wire::packet,
};
pub use api::{
    EndpointConfig, EndpointEvent, EndpointStats, Incoming, Owner, SessionId, Transmit, Welcome,
};
pub(crate) use limits::UNCONFIRMED_MAX;
use limits::{Limits, Prefix};
pub(crate) use login::FIRST_CONTACTS_MAX;
use login::{FirstContacts, InitKeys};
use node::Neighbours;
pub use node::NodeTag;
use slots::Slots;
use smallvec::SmallVec;
use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};
use timers::{Armed, Timers};

/// Answers that need no session and wait to be sent; more are dropped, as the network might.
pub(crate) const STATELESS_MAX: usize = 1024;

/// Packets of one session that leave together: a burst, as the pacer lets them go.
const TRAIN_PACKETS_MAX: usize = 10;

/// One shard's sessions. See the crate's documentation for how to drive it.
pub struct Endpoint {
    config: EndpointConfig,
    identity: Identity,
    neighbours: Neighbours,
    init_keys: InitKeys,
    token_root: [u8; 32],
    rng: Rng,
    slots: Slots,
    /// The unconfirmed sessions of each device that has any, oldest first.
    unconfirmed: BTreeMap<PublicKey, SmallVec<[u32; 1]>>,
    unconfirmed_count: usize,
    confirmed: usize,
    /// Moves whenever [`Self::clients`] has changed.
    clients_version: u64,
    first_contacts: FirstContacts,
    limits: Limits,
    timers: Timers,
    /// Sessions that may have something to send.
    ready: VecDeque<u32>,
    stateless: VecDeque<(SocketAddr, Vec<u8>)>,
    /// A packet that did not fit the train before it.
    carried: Option<(SocketAddr, Vec<u8>)>,
    /// Where packets are made that follow another one.
    spare: Vec<u8>,
    events: VecDeque<EndpointEvent>,
    happened: VecDeque<SessionEvent>,
    stats: EndpointStats,
}

/// A session that is not packed.
struct Entry {
    session: Session,
    standing: Standing,
    ready: bool,
}

/// ```text
/// Unconfirmed --first valid packet--> Confirmed --closed--> Gone (its CLOSE may still be sent)
///      \--10 s--> forgotten
/// ```
enum Standing {
    Unconfirmed(Box<Unconfirmed>),
    Confirmed,
    Gone,
}

struct Unconfirmed {
    key: PublicKey,
    message_hash: [u8; 32],
    resp: Vec<u8>,
    deadline: Instant,
    prefix: Prefix,
}

/// What is in the endpoint's own tables.
pub(crate) struct Tables {
    pub(crate) unconfirmed: usize,
    pub(crate) first_contacts: usize,
    pub(crate) stateless: usize,
}

impl Endpoint {
    pub(crate) fn tables(&self) -> Tables {
        Tables {
            unconfirmed: self.unconfirmed_count,
            first_contacts: self.first_contacts.len(),
            stateless: self.stateless.len(),
        }
    }

    pub(crate) fn each_session(&self) -> impl Iterator<Item = &Session> {
        self.slots.awake().map(|entry| &entry.session)
    }

    /// An endpoint without sessions. `seed` is all its randomness.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let mut rng = Rng::new(seed);
        let identity = Identity::new(&config.secrets.identity);
        Self {
            init_keys: InitKeys::new(&identity.public()),
            identity,
            neighbours: Neighbours::default(),
            token_root: crypto::hash(b"pychat token root", &[config.secrets.reset.as_bytes()]),
            limits: Limits::new(config.retry_beyond_per_s, rng.bytes()),
            config,
            rng,
            slots: Slots::default(),
            unconfirmed: BTreeMap::new(),
            unconfirmed_count: 0,
            confirmed: 0,
            clients_version: 0,
            first_contacts: FirstContacts::default(),
            timers: Timers::default(),
            ready: VecDeque::new(),
            stateless: VecDeque::new(),
            carried: None,
            spare: Vec::new(),
            events: VecDeque::new(),
            happened: VecDeque::new(),
            stats: EndpointStats::default(),
        }
    }

    /// Which shard a datagram belongs to, from its bytes alone.
    #[must_use]
    pub fn owner(datagram: &[u8]) -> Owner {
        packet::destination(datagram).map_or(Owner::Any, |to| Owner::Shard((to.0 >> 56) as u8))
    }

    /// Whether a datagram names one of our sessions. All others come from strangers, who can wait: a
    /// driver with much to do takes these first.
    #[must_use]
    pub fn is_for_session(&self, datagram: &[u8]) -> bool {
        datagram.first().is_some_and(|kind| kind & !1 == packet::TYPE_DATA)
            && packet::destination(datagram).is_some_and(|to| self.slots.find(to).is_some())
    }

    /// Takes a datagram; it is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        self.stats.datagrams_in += 1;
        let taken = match datagram.first().copied() {
            Some(kind) if kind & !1 == packet::TYPE_DATA => self.handle_data(now, from, datagram),
            Some(packet::TYPE_INIT) => self.handle_init(now, from, datagram),
            Some(packet::TYPE_FIN) => self.handle_fin(now, from, datagram),
            _ => false,
        };
        if !taken {
            self.stats.dropped += 1;
        }
    }

    fn handle_data(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) -> bool {
        let Some(to) = packet::destination(datagram) else { return false };
        let Some(slot) = self.slots.find(to) else {
            self.reset(from, to, datagram.len());
            return false;
        };
        let taken = self.slots.receive(slot, |session| {
            let before = session.remote();
            session.handle_packet(now, from, datagram, &mut self.rng, &mut self.happened)?;
            self.clients_version += u64::from(session.remote() != before);
            Ok(())
        });
        if taken.is_err() {
            return false;
        }
        self.stats.opened += 1;
        let session = self.slots.id(slot);
        self.confirm(slot);
        if self.slots.set_away(slot, false) {
            self.events.push_back(EndpointEvent::Back { session });
        }
        self.digest(slot);
        true
    }

    /// The first valid packet proves that the login was no replay.
    fn confirm(&mut self, slot: u32) {
        let session = self.slots.id(slot);
        let Some(entry) = self.slots.entry_mut(slot) else { return };
        let Standing::Unconfirmed(unconfirmed) = &entry.standing else { return };
        self.limits.confirmed(unconfirmed.prefix);
        let key = unconfirmed.key;
        entry.standing = Standing::Confirmed;
        self.no_longer_unconfirmed(&key, slot);
        self.count(1);
        self.events.push_back(EndpointEvent::Confirmed { session });
    }

    /// Confirmed sessions became more or fewer.
    fn count(&mut self, by: isize) {
        self.confirmed = self.confirmed.saturating_add_signed(by);
        self.clients_version += 1;
    }

    fn no_longer_unconfirmed(&mut self, key: &PublicKey, slot: u32) {
        self.unconfirmed_count -= 1;
        if let Some(slots) = self.unconfirmed.get_mut(key) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.unconfirmed.remove(key);
            }
        }
    }

    /// "I do not know this session", shorter than what provoked it.
    fn reset(&mut self, to: SocketAddr, connection: ConnectionId, provoked_by: usize) {
        if provoked_by > packet::RESET_BYTES && !self.is_elsewhere(connection) {
            self.stats.resets += 1;
            let token = self.reset_token(connection);
            self.send_stateless(to, packet::encode_reset(connection, token));
        }
    }

    fn reset_token(&self, connection: ConnectionId) -> [u8; 16] {
        crypto::mac(
            self.config.secrets.reset.as_bytes(),
            &[b"pychat reset", &connection.0.to_be_bytes()],
        )
    }

    fn send_stateless(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        if self.stateless.len() < STATELESS_MAX {
            self.stateless.push_back((to, datagram));
        }
    }

    /// A live session's entry, unpacked; what is about to be done with it may give it something to send.
    fn entry_mut(&mut self, session: SessionId) -> Option<&mut Entry> {
        if !self.slots.is_live(session) {
            return None;
        }
        self.slots.unpack(session.slot);
        self.mark_ready(session.slot);
        self.slots.entry_mut(session.slot)
    }

    fn mark_ready(&mut self, slot: u32) {
        if let Some(entry) = self.slots.entry_mut(slot)
            && !std::mem::replace(&mut entry.ready, true)
        {
            self.ready.push_back(slot);
        }
    }

    /// Turns what happened in a session into events. What it has to send, and its timer, are looked
    /// after in `poll_transmit`.
    fn digest(&mut self, slot: u32) {
        let session = self.slots.id(slot);
        let lane = Lane::CHAT;
        while let Some(event) = self.happened.pop_front() {
            let event = match event {
                SessionEvent::Message { first, last, payload } => EndpointEvent::Message {
                    session,
                    lane,
                    first: Seq(first),
                    last: Seq(last),
                    payload,
                },
                SessionEvent::Skip { up_to } => {
                    EndpointEvent::Skip { session, lane, up_to: Seq(up_to) }
                }
                SessionEvent::Committed { up_to } => {
                    EndpointEvent::Committed { session, lane, up_to: Seq(up_to) }
                }
                SessionEvent::Call { id, payload } => EndpointEvent::Call { session, id, payload },
                SessionEvent::Writable => EndpointEvent::Writable { session },
                SessionEvent::Closed { code, .. } => {
                    self.retire(slot, code);
                    continue;
                }
                // The server never is told of these; a resting session waits to be heard again.
                SessionEvent::Suspect
                | SessionEvent::Unanswered { .. }
                | SessionEvent::Refused { .. }
                | SessionEvent::Reply { .. }
                | SessionEvent::Note { .. }
                | SessionEvent::Welcome { .. } => continue,
            };
            self.events.push_back(event);
        }
        // As in `poll_event`.
        self.happened.clear();
        self.mark_ready(slot);
    }

    /// A session ended: its id dies now, its slot once its CLOSE was sent.
    fn retire(&mut self, slot: u32, code: CloseCode) {
        let session = self.slots.id(slot);
        let Some(entry) = self.slots.entry_mut(slot) else { return };
        match std::mem::replace(&mut entry.standing, Standing::Gone) {
            Standing::Confirmed => {
                self.count(-1);
                self.events.push_back(EndpointEvent::Closed { session, code });
            }
            Standing::Unconfirmed(unconfirmed) => {
                self.limits.confirmed(unconfirmed.prefix);
                self.no_longer_unconfirmed(&unconfirmed.key, slot);
            }
            Standing::Gone => {}
        }
    }

    /// Frees the slot of a session that is over, packs one that rests, arms the timer of one that does not.
    fn settle(&mut self, now: Instant, slot: u32) {
        let Some(entry) = self.slots.entry_mut(slot) else { return };
        if entry.session.is_closed() {
            self.remove(slot);
            return;
        }
        let is_confirmed = matches!(entry.standing, Standing::Confirmed);
        if is_confirmed && entry.session.dormant_at().is_some_and(|at| at <= now) {
            let gone = self.slots.pack(slot);
            self.forget(gone);
        }
        if let Some(at) = self.slots.deadline(slot) {
            self.arm(slot, at.max(now));
        }
    }

    fn arm(&mut self, slot: u32, at: Instant) {
        if self.slots.arm(slot, at) {
            let SessionId { slot, generation } = self.slots.id(slot);
            self.timers.arm(Armed { at, slot, generation });
            if self.timers.are_many(self.slots.len()) {
                // Most of them mean nothing any more.
                let slots = &self.slots;
                self.timers.sweep(|armed| slots.is_armed(armed));
            }
        }
    }

    fn remove(&mut self, slot: u32) {
        if let Some(entry) = self.slots.remove(slot) {
            self.forget(entry.session.counters());
        }
    }

    /// Counts what a session counted that counts no longer.
    fn forget(&mut self, counters: Counters) {
        self.stats.lost += counters.lost;
        self.stats.retransmitted += counters.retransmitted;
    }

    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.first_contacts.expire(now);
        while let Some(armed) = self.timers.pop_due(now) {
            // Otherwise an earlier one came in its place.
            if self.slots.is_armed(&armed) {
                self.slots.disarm(armed.slot);
                self.handle_session_timeout(now, armed.slot);
            }
        }
    }

    fn handle_session_timeout(&mut self, now: Instant, slot: u32) {
        let session = self.slots.id(slot);
        let Some(heard) = self.slots.heard(slot) else { return };
        let Some(entry) = self.slots.entry_mut(slot) else {
            return self.handle_dormant_timeout(now, session, heard);
        };
        if let Standing::Unconfirmed(unconfirmed) = &entry.standing
            && unconfirmed.deadline <= now
        {
            self.retire(slot, CloseCode::Idle);
            self.remove(slot);
            return;
        }
        entry.session.handle_timeout(now, &mut self.happened);
        let silent = heard + AWAY_AFTER <= now && matches!(entry.standing, Standing::Confirmed);
        if silent && !self.slots.set_away(slot, true) {
            self.events.push_back(EndpointEvent::Away { session });
        }
        self.digest(slot);
    }

    /// All that can happen to one that rests is that it was silent for too long.
    fn handle_dormant_timeout(&mut self, now: Instant, session: SessionId, heard: Instant) {
        if heard + session::IDLE_TIMEOUT <= now {
            self.slots.remove(session.slot);
            self.count(-1);
            self.events.push_back(EndpointEvent::Closed { session, code: CloseCode::Idle });
            return;
        }
        if heard + AWAY_AFTER <= now && !self.slots.set_away(session.slot, true) {
            self.events.push_back(EndpointEvent::Away { session });
        }
        if let Some(at) = self.slots.deadline(session.slot) {
            self.arm(session.slot, at);
        }
    }

    /// When `handle_timeout` is due. Deadlines of sessions that have moved back meanwhile are looked at
    /// now, so that nobody is woken for them.
    #[must_use]
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        while let Some(armed) = self.timers.next() {
            let slot = armed.slot;
            let means_something = self.slots.is_armed(&armed);
            let deadline = self.slots.deadline(slot);
            if means_something && deadline.is_some_and(|at| at <= armed.at) {
                break;
            }
            self.timers.pop();
            if means_something {
                self.slots.disarm(slot);
                if let Some(at) = deadline {
                    self.arm(slot, at);
                }
            }
        }
        let next = self.timers.next().map(|armed| armed.at);
        [next, self.first_contacts.deadline()].into_iter().flatten().min()
    }

    /// Writes the next datagram to `buffer` (cleared first).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        buffer.clear();
        if let Some((to, datagram)) = self.stateless.pop_front() {
            *buffer = datagram;
            self.stats.datagrams_out += 1;
            return Some(Transmit { to, segment_bytes: buffer.len() });
        }
        if let Some((to, datagram)) = self.carried.take() {
            *buffer = datagram;
            self.stats.datagrams_out += 1;
            return Some(Transmit { to, segment_bytes: buffer.len() });
        }
        while let Some(slot) = self.ready.pop_front() {
            let Some(entry) = self.slots.entry_mut(slot) else { continue };
            if let Standing::Unconfirmed(_) = entry.standing {
                // Nothing is sent to who may be a replay; confirming marks it ready again.
                entry.ready = false;
                self.settle(now, slot);
                continue;
            }
            if let Some(to) = entry.session.poll_packet(now, &mut self.rng, buffer) {
                let segment_bytes = buffer.len();
                self.stats.datagrams_out += 1;
                self.couple(now, slot, to, buffer);
                return Some(Transmit { to, segment_bytes });
            }
            entry.ready = false;
            self.settle(now, slot);
        }
        None
    }

    /// Adds a session's next packets to its first one in `buffer`, as long as the kernel can cut them
    /// apart again: all of one size, but the last may be smaller.
    fn couple(&mut self, now: Instant, slot: u32, to: SocketAddr, buffer: &mut Vec<u8>) {
        let Some(entry) = self.slots.entry_mut(slot) else { return };
        let segment_bytes = buffer.len();
        for _ in 1..TRAIN_PACKETS_MAX {
            let Some(next) = entry.session.poll_packet(now, &mut self.rng, &mut self.spare) else {
                entry.ready = false;
                return self.settle(now, slot);
            };
            if next != to || self.spare.len() > segment_bytes {
                self.carried = Some((next, std::mem::take(&mut self.spare)));
                break;
            }
            buffer.extend_from_slice(&self.spare);
            self.stats.datagrams_out += 1;
            if self.spare.len() < segment_bytes {
                break;
            }
        }
        // So many each, so that nobody waits for another's long queue.
        self.ready.push_back(slot);
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        let event = self.events.pop_front();
        if event.is_none() {
            // From here on it is filled from its beginning again, where memory is warm.
            self.events.clear();
        }
        event
    }

    /// Where each live session's client is, for [`Self::poke`] after a crash.
    pub fn clients(&self) -> impl Iterator<Item = (ConnectionId, SocketAddr)> {
        self.slots.clients()
    }

    /// Where a session's client is.
    #[must_use]
    pub fn address(&self, session: SessionId) -> Option<SocketAddr> {
        self.slots.address(session)
    }

    /// Another number than before if clients came, went or moved since.
    #[must_use]
    pub const fn clients_version(&self) -> u64 {
        self.clients_version
    }

    /// Tells the client of a session from before a crash that it is gone, as if it had asked. Whether
    /// there was room for that.
    pub fn poke(&mut self, connection: ConnectionId, client: SocketAddr) -> bool {
        let room = self.stateless.len() < STATELESS_MAX;
        if room && self.slots.find(connection).is_none() {
            self.stats.resets += 1;
            let token = self.reset_token(connection);
            self.send_stateless(client, packet::encode_reset(connection, token));
        }
        room
    }

    /// Live sessions, those that are not confirmed left out.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.confirmed
    }

    /// Sessions of all kinds and handshakes that take memory now, for tests of the bounds.
    #[must_use]
    pub fn table_len(&self) -> usize {
        self.slots.len() + self.first_contacts.len()
    }

    /// Counters since the endpoint was made.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        let mut stats = self.stats;
        for counters in self.slots.counters() {
            stats.lost += counters.lost;
            stats.retransmitted += counters.retransmitted;
        }
        stats
    }
}
