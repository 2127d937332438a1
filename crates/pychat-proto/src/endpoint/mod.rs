//! The server's side: one shard's sessions.

mod limits;
mod login;
mod timers;
mod token;

use crate::{
    AWAY_AFTER, CloseCode, ConnectionId, Instant, Lane, PublicKey, RefuseCode, Seq, ServerSecrets,
    chat::{LoginPayload, UnixMillis},
    crypto::{self, Rng},
    records_for,
    session::{Session, SessionEvent},
    wire::packet,
};
use limits::{Limits, Prefix};
use login::{Asked, FirstContacts};
use smallvec::SmallVec;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use timers::Timers;

/// Answers that need no session and wait to be sent; more are dropped, as the network might.
const STATELESS_MAX: usize = 1024;

/// A datagram to be sent; its bytes are in the buffer given to `poll_transmit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// To whom.
    pub to: SocketAddr,
    /// Bytes of one datagram in the buffer; more than one follow each other if the buffer is longer
    /// (all of this size but the last).
    pub segment_bytes: usize,
}

/// What an [`Endpoint`] is made of.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The server's keys, the same on every shard.
    pub secrets: Arc<ServerSecrets>,
    /// This shard's number, the first byte of its connection ids.
    pub shard: u8,
    /// Logins per second beyond which every INIT is answered with RETRY first.
    pub retry_beyond_per_s: u32,
}

/// Which shard a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It belongs to the shard of this number.
    Shard(u8),
    /// Any shard may take it (a new login).
    Any,
}

/// Names a session of one endpoint; not used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    slot: u32,
    generation: u32,
}

/// A login that was decrypted and now waits for `accept` or `refuse`, on this endpoint or another.
pub struct Incoming {
    /// The device that logs in; it proved that it holds this key's secret.
    pub key: PublicKey,
    /// What it says.
    pub login: LoginPayload,
    /// From where.
    pub from: SocketAddr,
    asked: Asked,
}

/// How a login is let in.
#[derive(Clone, Copy, Debug)]
pub struct Welcome {
    /// The highest record of its outbox stream that is on disk.
    pub committed: Seq,
    /// For the client's information.
    pub server_time: UnixMillis,
}

/// What happened. Drain with [`Endpoint::poll_event`] after each `handle_*`.
pub enum EndpointEvent {
    /// Somebody logs in: look the account up, then `accept` on the shard of the user, or `refuse`.
    Incoming(Box<Incoming>),
    /// An accepted session has proved that it is live: from now on it may receive. The application
    /// closes the device's older session now.
    Confirmed {
        /// Which.
        session: SessionId,
    },
    /// A whole message, in order. Answer, in order, with `commit` or `refuse_message`.
    Message {
        /// From which.
        session: SessionId,
        /// The lane.
        lane: Lane,
        /// Its first record.
        first: Seq,
        /// Its last record.
        last: Seq,
        /// An encoded `chat::ToServer`.
        payload: Vec<u8>,
    },
    /// The client gave up its records up to here (a refused message, or ones no longer kept):
    /// write the new position down, then `commit` it.
    Skip {
        /// Which.
        session: SessionId,
        /// The lane.
        lane: Lane,
        /// The last of them.
        up_to: Seq,
    },
    /// The client holds our records up to here on its disk.
    Committed {
        /// Which.
        session: SessionId,
        /// The lane.
        lane: Lane,
        /// The last of them.
        up_to: Seq,
    },
    /// There is room to send again after `send_message` said that there was none.
    Writable {
        /// Which.
        session: SessionId,
    },
    /// A question; answer with `reply`.
    Call {
        /// Which.
        session: SessionId,
        /// Names the question.
        id: u64,
        /// An encoded `chat::Call`.
        payload: Vec<u8>,
    },
    /// Nothing was heard for [`crate::AWAY_AFTER`].
    Away {
        /// Which.
        session: SessionId,
    },
    /// Heard of again after `Away`.
    Back {
        /// Which.
        session: SessionId,
    },
    /// The session is gone; its id is dead. Also said after `close`; not said of a session that
    /// never was confirmed.
    Closed {
        /// Which.
        session: SessionId,
        /// Why.
        code: CloseCode,
    },
}

/// Counters of one endpoint since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointStats {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Datagrams dropped: unreadable, forged, repeated.
    pub dropped: u64,
    /// Logins that were answered with RETRY.
    pub retries: u64,
    /// Packets declared lost.
    pub lost: u64,
    /// Datagrams of unknown sessions that were answered with RESET.
    pub resets: u64,
}

/// One shard's sessions. See the crate's documentation for how to drive it.
pub struct Endpoint {
    config: EndpointConfig,
    public: PublicKey,
    token_root: [u8; 32],
    rng: Rng,
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_connection: HashMap<ConnectionId, u32, ByOwnRandomness>,
    /// The unconfirmed sessions of each device that has any, oldest first.
    unconfirmed: BTreeMap<PublicKey, SmallVec<[u32; 1]>>,
    unconfirmed_count: usize,
    confirmed: usize,
    first_contacts: FirstContacts,
    limits: Limits,
    timers: Timers,
    /// Sessions that may have something to send.
    ready: VecDeque<u32>,
    stateless: VecDeque<(SocketAddr, Vec<u8>)>,
    events: VecDeque<EndpointEvent>,
    happened: VecDeque<SessionEvent>,
    stats: EndpointStats,
}

/// Connection ids are drawn at random by this endpoint, so they are their own hash.
type ByOwnRandomness = BuildHasherDefault<RandomIdHasher>;

#[derive(Default)]
struct RandomIdHasher(u64);

impl Hasher for RandomIdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, id: u64) {
        // The table looks at the highest bits too, and an id's highest are its shard.
        self.0 = id.rotate_left(8);
    }
}

#[derive(Default)]
struct Slot {
    generation: u32,
    entry: Option<Box<Entry>>,
}

/// A session in the table.
struct Entry {
    session: Session,
    connection: ConnectionId,
    key: PublicKey,
    standing: Standing,
    away: bool,
    /// The deadline that the timers hold for it.
    armed: Option<Instant>,
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
    message_hash: [u8; 32],
    resp: Vec<u8>,
    deadline: Instant,
    prefix: Prefix,
}

impl Endpoint {
    /// An endpoint without sessions. `seed` is all its randomness.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            public: config.secrets.identity.public(),
            token_root: crypto::hash(b"pychat token root", &[config.secrets.reset.as_bytes()]),
            limits: Limits::new(config.retry_beyond_per_s, rng.bytes()),
            config,
            rng,
            slots: Vec::new(),
            free: Vec::new(),
            by_connection: HashMap::default(),
            unconfirmed: BTreeMap::new(),
            unconfirmed_count: 0,
            confirmed: 0,
            first_contacts: FirstContacts::default(),
            timers: Timers::default(),
            ready: VecDeque::new(),
            stateless: VecDeque::new(),
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
        let Some(slot) = self.by_connection.get(&to).copied() else {
            self.reset(from, to, datagram.len());
            return false;
        };
        let Some(entry) = self.slots[slot as usize].entry.as_mut() else { return false };
        let taken =
            entry.session.handle_packet(now, from, datagram, &mut self.rng, &mut self.happened);
        if taken.is_err() {
            return false;
        }
        let back = std::mem::take(&mut entry.away);
        let session = self.id(slot);
        self.confirm(slot);
        if back {
            self.events.push_back(EndpointEvent::Back { session });
        }
        self.digest(slot);
        true
    }

    /// The first valid packet proves that the login was no replay.
    fn confirm(&mut self, slot: u32) {
        let session = self.id(slot);
        let Some(entry) = self.slots[slot as usize].entry.as_mut() else { return };
        let Standing::Unconfirmed(unconfirmed) = &entry.standing else { return };
        self.limits.confirmed(unconfirmed.prefix);
        entry.standing = Standing::Confirmed;
        let key = entry.key;
        self.no_longer_unconfirmed(&key, slot);
        self.confirmed += 1;
        self.events.push_back(EndpointEvent::Confirmed { session });
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
        if provoked_by > packet::RESET_BYTES {
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

    fn id(&self, slot: u32) -> SessionId {
        SessionId { slot, generation: self.slots[slot as usize].generation }
    }

    fn entry(&self, session: SessionId) -> Option<&Entry> {
        let slot = self.slots.get(session.slot as usize)?;
        let entry = slot.entry.as_deref().filter(|_| slot.generation == session.generation)?;
        (!matches!(entry.standing, Standing::Gone)).then_some(entry)
    }

    /// A live session's entry; what is about to be done with it may give it something to send.
    fn entry_mut(&mut self, session: SessionId) -> Option<&mut Entry> {
        self.entry(session)?;
        self.mark_ready(session.slot);
        self.slots[session.slot as usize].entry.as_deref_mut()
    }

    fn mark_ready(&mut self, slot: u32) {
        if let Some(entry) = self.slots[slot as usize].entry.as_mut()
            && !std::mem::replace(&mut entry.ready, true)
        {
            self.ready.push_back(slot);
        }
    }

    /// Turns what happened in a session into events. What it has to send, and its timer, are looked
    /// after in `poll_transmit`.
    fn digest(&mut self, slot: u32) {
        let session = self.id(slot);
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
                | SessionEvent::Refused { .. }
                | SessionEvent::Reply { .. }
                | SessionEvent::Note { .. }
                | SessionEvent::Welcome { .. } => continue,
            };
            self.events.push_back(event);
        }
        self.mark_ready(slot);
    }

    /// A session ended: its id dies now, its slot once its CLOSE was sent.
    fn retire(&mut self, slot: u32, code: CloseCode) {
        let session = self.id(slot);
        let Some(entry) = self.slots[slot as usize].entry.as_mut() else { return };
        match std::mem::replace(&mut entry.standing, Standing::Gone) {
            Standing::Confirmed => {
                self.confirmed -= 1;
                self.events.push_back(EndpointEvent::Closed { session, code });
            }
            Standing::Unconfirmed(unconfirmed) => {
                let key = entry.key;
                self.limits.confirmed(unconfirmed.prefix);
                self.no_longer_unconfirmed(&key, slot);
            }
            Standing::Gone => {}
        }
    }

    /// Frees the slot of a session that is over, arms the timer of one that is not.
    fn settle(&mut self, now: Instant, slot: u32) {
        let Some(entry) = self.slots[slot as usize].entry.as_mut() else { return };
        if entry.session.is_closed() {
            self.remove(slot);
            return;
        }
        let away = matches!(entry.standing, Standing::Confirmed) && !entry.away;
        let standing = match &entry.standing {
            Standing::Unconfirmed(unconfirmed) => Some(unconfirmed.deadline),
            Standing::Confirmed | Standing::Gone => None,
        };
        let away = away.then(|| entry.session.heard() + AWAY_AFTER);
        let next = [entry.session.poll_timeout(), away, standing].into_iter().flatten().min();
        if let Some(at) = next
            && entry.armed.is_none_or(|armed| at < armed)
        {
            entry.armed = Some(at);
            self.timers.arm(at.max(now), slot, self.slots[slot as usize].generation);
        }
    }

    fn remove(&mut self, slot: u32) {
        let place = &mut self.slots[slot as usize];
        if let Some(entry) = place.entry.take() {
            self.by_connection.remove(&entry.connection);
            self.stats.lost += entry.session.counters().lost;
            place.generation = place.generation.wrapping_add(1);
            self.free.push(slot);
        }
    }

    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.first_contacts.expire(now);
        while let Some((slot, generation)) = self.timers.pop_due(now) {
            let place = &mut self.slots[slot as usize];
            let Some(entry) = place.entry.as_mut().filter(|_| place.generation == generation)
            else {
                continue;
            };
            entry.armed = None;
            if let Standing::Unconfirmed(unconfirmed) = &entry.standing
                && unconfirmed.deadline <= now
            {
                self.retire(slot, CloseCode::Idle);
                self.remove(slot);
                continue;
            }
            entry.session.handle_timeout(now, &mut self.happened);
            let silent = entry.session.heard() + AWAY_AFTER <= now;
            if silent && !entry.away && matches!(entry.standing, Standing::Confirmed) {
                entry.away = true;
                self.events
                    .push_back(EndpointEvent::Away { session: SessionId { slot, generation } });
            }
            self.digest(slot);
        }
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.first_contacts.deadline()].into_iter().flatten().min()
    }

    /// Writes the next datagram to `buffer` (cleared first).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        buffer.clear();
        if let Some((to, datagram)) = self.stateless.pop_front() {
            *buffer = datagram;
            self.stats.datagrams_out += 1;
            return Some(Transmit { to, segment_bytes: buffer.len() });
        }
        while let Some(slot) = self.ready.pop_front() {
            let Some(entry) = self.slots[slot as usize].entry.as_mut() else { continue };
            if let Standing::Unconfirmed(_) = entry.standing {
                // Nothing is sent to who may be a replay; confirming marks it ready again.
                entry.ready = false;
                self.settle(now, slot);
                continue;
            }
            if let Some(to) = entry.session.poll_packet(now, &mut self.rng, buffer) {
                // One packet each, so that nobody waits for another's long queue.
                self.ready.push_back(slot);
                self.stats.datagrams_out += 1;
                return Some(Transmit { to, segment_bytes: buffer.len() });
            }
            entry.ready = false;
            self.settle(now, slot);
        }
        None
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }

    /// The server's id of a live session.
    #[must_use]
    pub fn connection_id(&self, session: SessionId) -> Option<ConnectionId> {
        self.entry(session).map(|entry| entry.connection)
    }

    /// The address that the session's datagrams go to.
    #[must_use]
    pub fn remote(&self, session: SessionId) -> Option<SocketAddr> {
        self.entry(session).map(|entry| entry.session.remote())
    }

    /// How many more records `send_message` takes now.
    #[must_use]
    pub fn room(&self, session: SessionId, lane: Lane) -> u64 {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        self.entry(session).map_or(0, |entry| entry.session.room())
    }

    /// Sends a message to the client; its records get the next numbers of this session and the last
    /// one is returned. `None`: no room (`Writable` comes later), or the session is gone.
    ///
    /// # Panics
    /// The payload is larger than [`crate::MESSAGE_BYTES_MAX`], which the way in has checked.
    pub fn send_message(
        &mut self,
        _now: Instant,
        session: SessionId,
        lane: Lane,
        payload: &[u8],
    ) -> Option<Seq> {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        assert!(payload.len() <= crate::MESSAGE_BYTES_MAX, "the way in checks the size");
        let entry = self.entry_mut(session)?;
        if entry.session.room() < records_for(payload.len()) {
            entry.session.want_room();
            return None;
        }
        Some(Seq(entry.session.send_message(payload)))
    }

    /// The client's records up to `up_to` are on disk.
    pub fn commit(&mut self, _now: Instant, session: SessionId, lane: Lane, up_to: Seq) {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        if let Some(entry) = self.entry_mut(session) {
            entry.session.commit(up_to.0);
        }
    }

    /// Refuses the message that ends at `last`: no message after it is handed out until the client
    /// has answered with a skip (`EndpointEvent::Skip`); messages already handed out stay so.
    pub fn refuse_message(
        &mut self,
        _now: Instant,
        session: SessionId,
        lane: Lane,
        last: Seq,
        code: RefuseCode,
    ) {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        if let Some(entry) = self.entry_mut(session) {
            entry.session.refuse(last.0, code);
        }
    }

    /// Answers a question; at most 16,000 bytes.
    pub fn reply(&mut self, _now: Instant, session: SessionId, id: u64, payload: &[u8]) {
        if let Some(entry) = self.entry_mut(session) {
            entry.session.reply(id, payload);
        }
    }

    /// Best effort; dropped where there is no room.
    pub fn note(&mut self, _now: Instant, session: SessionId, payload: &[u8]) {
        if let Some(entry) = self.entry_mut(session) {
            entry.session.note(payload);
        }
    }

    /// Says goodbye. The session is gone for the caller at once.
    pub fn close(
        &mut self,
        now: Instant,
        session: SessionId,
        code: CloseCode,
        retry_after: Duration,
        reason: &str,
    ) {
        let Some(entry) = self.entry_mut(session) else { return };
        entry.session.close(now, code, retry_after, reason);
        self.retire(session.slot, code);
    }

    /// Live sessions, those that are not confirmed left out.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.confirmed
    }

    /// Sessions of all kinds and handshakes that take memory now, for tests of the bounds.
    #[must_use]
    pub fn table_len(&self) -> usize {
        self.by_connection.len() + self.first_contacts.len()
    }

    /// Counters since the endpoint was made.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.stats
    }
}
