//! One daemon's side: finds the server, logs in, keeps the session alive, comes back.

mod answer;
mod api;
pub(crate) mod attempt;
mod moving;
pub(crate) mod nodes;
mod timers;

#[cfg(test)]
mod states;

use crate::{
    CloseCode, ConnectionId, Cursor, Instant, Lane, Seq, Urgency,
    chat::{self, LoginPayload},
    crypto::Rng,
    endpoint::Transmit,
    records_for,
    session::{Counters, Session, SessionEvent},
    wire::packet,
};
pub use api::{ClientConfig, ClientEvent, Login, PathStats, Refusal, ServerKey, Suspicion};
use attempt::{Attempt, RACE_STAGGER, Rhythm};
use nodes::Nodes;
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// Addresses of a node that are tried, and INITs of a round; more are left out, or wait for the next round.
pub(crate) const ADDRESSES_MAX: usize = 8;
/// A session on a suspect path is given up after this long without a sign of life.
const SUSPECT_FOR: Duration = Duration::from_secs(30);
/// Rounds of INITs without an answer before the addresses are looked up again.
const ROUNDS_PER_LOOKUP: u32 = 5;
/// Rounds after which the server is asked for its key, to tell a changed one from a dead link.
const ROUNDS_BEFORE_KEY_PROBE: u32 = 3;
/// A session is renewed with a fresh handshake after this long, give or take a tenth.
const RENEW_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Wait after a session ended for no stated reason.
const RETRY_WAIT: Duration = Duration::from_secs(5);

/// One daemon's side of the protocol. See the crate's documentation for how to drive it.
///
/// ```text
///            set_addresses            RESP                  RESET, CLOSE, 30 s of silence
/// at rest ---------------> attempt -------> established ------------------------------+
///    ^                      ^   |  FIN .. WELCOME (first contact: "joining")          |
///    |   refused, close()   |   |                                                     |
///    +----------------------+---+            <------------- attempt, or wait ---------+
/// ```
///
/// On a suspect path an attempt runs beside the session, and whichever is answered first stays. Where the server
/// has several nodes, that happens sooner, at the others (`moving`).
pub struct Client {
    config: ClientConfig,
    rng: Rng,
    nodes: Nodes,
    /// Whether the daemon wants to be connected.
    wanted: bool,
    session: Option<Established>,
    attempt: Option<Attempt>,
    /// A first contact whose third message waits for the server's welcome.
    joining: Option<Joining>,
    key_probe: Option<Attempt>,
    /// A closed session whose CLOSE is still to be sent.
    leaving: Option<Leaving>,
    suspect: bool,
    /// The session was silent for a while, and other nodes are asked beside it.
    moving: bool,
    retry_at: Option<Instant>,
    events: VecDeque<ClientEvent>,
    happened: VecDeque<SessionEvent>,
    /// Counters of sessions that ended.
    ended: Counters,
}

/// A session after the welcome.
struct Established {
    session: Session,
    local: ConnectionId,
    server: ConnectionId,
    reset_token: [u8; 16],
    renew_at: Instant,
}

/// A session that we closed, for as long as its CLOSE may have to be said again.
struct Leaving {
    session: Session,
    local: ConnectionId,
}

/// After the third message of a first contact.
struct Joining {
    session: Session,
    /// What came before the welcome, in a packet that overtook it.
    happened: VecDeque<SessionEvent>,
    local: ConnectionId,
    fin: Vec<u8>,
    wanted: bool,
    next: Instant,
    wait: Duration,
    tries: u32,
}

/// The third message is sent this often, then the login begins anew, with the key now known.
const FIN_TRIES_MAX: u32 = 6;
const FIN_WAIT: Duration = Duration::from_millis(300);

impl Client {
    /// A client that is not connected. `seed` is all its randomness.
    #[must_use]
    pub fn new(config: ClientConfig, seed: [u8; 32]) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            nodes: Nodes::default(),
            wanted: false,
            session: None,
            attempt: None,
            joining: None,
            key_probe: None,
            leaving: None,
            suspect: false,
            moving: false,
            retry_at: None,
            events: VecDeque::new(),
            happened: VecDeque::new(),
            ended: Counters::default(),
        }
    }

    /// Starts (or goes on) connecting to one of `addresses`, raced in this order; those after the
    /// first eight are left out.
    pub fn set_addresses(&mut self, now: Instant, addresses: Vec<SocketAddr>) {
        self.set_nodes(now, vec![addresses]);
    }

    /// As [`Self::set_addresses`], for a server that has several nodes, each with its addresses. They are
    /// tried in an order that this client draws for itself; nodes after the first sixteen are left out.
    pub fn set_nodes(&mut self, now: Instant, nodes: Vec<Vec<SocketAddr>>) {
        self.wanted = true;
        self.nodes.set(nodes, &mut self.rng);
        let targets = self.targets(now);
        if let Some(attempt) = &mut self.attempt {
            attempt.set_targets(targets);
        } else if self.session.is_none() && self.joining.is_none() && self.retry_at.is_none()
            || self.suspect
        {
            self.begin_attempt(now, Rhythm::START);
        }
    }

    /// The network changed or the machine woke up: probe at once.
    pub fn handle_network_change(&mut self, now: Instant) {
        if let Some(established) = &mut self.session {
            established.session.probe_now(now);
        }
        // The node where we are gets a chance to answer before others are asked.
        let is_beside_session = self.session.is_some() && self.nodes.are_several();
        let start = if is_beside_session { RACE_STAGGER } else { Duration::ZERO };
        if let Some(attempt) = &mut self.attempt {
            attempt.hurry(now + start);
        }
    }

    /// The cursor that the next login reports.
    pub fn set_cursor(&mut self, cursor: Cursor) {
        self.config.login.cursor = cursor;
    }

    /// Says goodbye and stays disconnected until `set_addresses`.
    pub fn close(&mut self, now: Instant) {
        let joining = self.joining.take().map(|joining| (joining.session, joining.local));
        self.rest();
        let established = self.session.take().map(|e| (e.session, e.local));
        if let Some((mut session, local)) = established.or(joining) {
            session.close(now, CloseCode::Bye, Duration::ZERO, "");
            self.part(session, local);
        }
    }

    /// The session is over for the daemon. One that we closed ourselves still has to say so.
    fn part(&mut self, session: Session, local: ConnectionId) {
        self.count(session.counters());
        if !session.is_open() && !session.is_closed() {
            self.leaving = Some(Leaving { session, local });
        }
    }

    /// Stops trying.
    fn rest(&mut self) {
        self.wanted = false;
        self.suspect = false;
        self.moving = false;
        self.retry_at = None;
        self.attempt = None;
        self.joining = None;
        self.key_probe = None;
    }

    /// Whether a session stands. On a suspect path it may turn out to be gone.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.session.is_some()
    }

    /// The path's health: counters over all sessions, the round trip of this one.
    #[must_use]
    pub fn stats(&self) -> PathStats {
        let mut sum = self.ended;
        let session = self.session.as_ref().map(|established| &established.session);
        if let Some(session) = session {
            add(&mut sum, session.counters());
        }
        PathStats {
            rtt: session.and_then(Session::rtt).unwrap_or_default(),
            sent: sum.sent,
            lost: sum.lost,
            received: sum.received,
            retransmitted: sum.retransmitted,
            dropped: sum.dropped,
        }
    }

    pub(crate) fn live_session(&self) -> Option<&Session> {
        self.session.as_ref().map(|established| &established.session)
    }

    /// The ids that datagrams for this client name now, see [`crate::client_id_of`]. They change with
    /// [`Self::set_addresses`], [`Self::handle_timeout`], and before `Connected`, `Disconnected` and
    /// `Refused`.
    pub fn connection_ids(&self) -> impl Iterator<Item = ConnectionId> {
        let session = self.session.as_ref().map(|session| [session.local, session.server]);
        let ended = [
            self.joining.as_ref().map(|joining| joining.local),
            self.leaving.as_ref().map(|leaving| leaving.local),
        ];
        let attempts = [&self.attempt, &self.key_probe].into_iter().flatten().map(|it| it.client);
        session.into_iter().flatten().chain(ended.into_iter().flatten()).chain(attempts)
    }

    /// The server's address in use.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        self.session.as_ref().map(|established| established.session.remote())
    }

    fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut().map(|established| &mut established.session)
    }

    /// How many more records `send_message` takes now: `RECORD_WINDOW` beyond the last COMMIT; none
    /// while not connected.
    #[must_use]
    pub fn room(&self, lane: Lane) -> u64 {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        self.session.as_ref().map_or(0, |established| established.session.room())
    }

    /// Offers the message that begins with record `first`: the one after the last offered (the first
    /// one after `Connected` is `committed.next()`). Takes `records_for(payload.len())` records.
    /// Without a session nothing happens: it is offered again after `Connected`.
    ///
    /// # Panics
    /// There is no room, or `first` leaves a gap: the caller has lost track of its outbox.
    pub fn send_message(&mut self, _now: Instant, lane: Lane, first: Seq, payload: &[u8]) {
        assert!(payload.len() <= crate::MESSAGE_BYTES_MAX, "the outbox checks the size");
        let room = self.room(lane);
        let Some(session) = self.session() else { return };
        assert!(records_for(payload.len()) <= room, "the caller asks for the room first");
        assert_eq!(first.0, session.last_offered() + 1, "the outbox is offered without gaps");
        session.send_message(payload, Urgency::Normal);
    }

    /// Tells the server to move on to after `up_to`: the refused message that ends there, or, after
    /// the last one offered, records that are no longer kept.
    pub fn skip(&mut self, _now: Instant, lane: Lane, up_to: Seq) {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        if let Some(session) = self.session() {
            session.skip(up_to.0);
        }
    }

    /// Everything up to `up_to` is safe on our disk. Where nobody waits to hear that, it is told in company.
    pub fn commit(&mut self, now: Instant, lane: Lane, up_to: Seq) {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        if let Some(session) = self.session() {
            session.commit(now, up_to.0);
        }
    }

    /// Asks; the question is repeated until `Reply` or the session's end (then it is forgotten).
    /// `None`: not connected, too many questions under way, or one longer than 1000 bytes.
    pub fn call(&mut self, _now: Instant, payload: &[u8]) -> Option<u64> {
        self.session()?.call(payload)
    }

    /// Takes a datagram; it is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        match datagram.first().copied() {
            Some(packet::TYPE_RESP) => self.handle_resp(now, from, datagram),
            Some(packet::TYPE_RETRY) => {
                let attempts = [&mut self.attempt, &mut self.key_probe];
                let taken =
                    attempts.into_iter().flatten().any(|a| a.handle_retry(now, from, datagram));
                if !taken {
                    self.ended.dropped += 1;
                }
            }
            Some(packet::TYPE_RESET) => self.handle_reset(now, datagram),
            Some(packet::TYPE_VERSION) => self.handle_versions(datagram),
            Some(kind) if kind & !1 == packet::TYPE_DATA => self.handle_data(now, from, datagram),
            _ => self.ended.dropped += 1,
        }
    }

    fn handle_data(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        let to = packet::destination(datagram);
        if let Some(established) = &mut self.session
            && to == Some(established.local)
        {
            let session = &mut established.session;
            let taken =
                session.handle_packet(now, from, datagram, &mut self.rng, &mut self.happened);
            let was_silent = self.suspect || self.moving;
            if taken.is_ok() && was_silent {
                (self.suspect, self.moving) = (false, false);
                // The path works again: the attempt beside the session is not needed.
                self.attempt = None;
                self.key_probe = None;
            }
        } else if let Some(joining) = &mut self.joining
            && to == Some(joining.local)
        {
            let Joining { session, happened, .. } = joining;
            let _ = session.handle_packet(now, from, datagram, &mut self.rng, happened);
            self.end_joining(now);
        } else if let Some(leaving) = &mut self.leaving
            && to == Some(leaving.local)
        {
            // Its CLOSE was lost, it seems. What else the packet says matters no more.
            let nobody = &mut VecDeque::new();
            let _ = leaving.session.handle_packet(now, from, datagram, &mut self.rng, nobody);
        } else {
            self.ended.dropped += 1;
        }
        self.digest(now);
    }

    /// Writes the next datagram to `buffer` (cleared first).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        buffer.clear();
        let to = self.poll_datagram(now, buffer)?;
        Some(Transmit { to, segment_bytes: buffer.len() })
    }

    fn poll_datagram(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<SocketAddr> {
        for attempt in [&mut self.attempt, &mut self.key_probe].into_iter().flatten() {
            if let Some(to) = attempt.poll_init(now, buffer) {
                return Some(to);
            }
        }
        if let Some(joining) = &mut self.joining
            && std::mem::take(&mut joining.wanted)
        {
            buffer.clone_from(&joining.fin);
            return Some(joining.session.remote());
        }
        let rng = &mut self.rng;
        let sessions = [
            self.session.as_mut().map(|established| &mut established.session),
            self.joining.as_mut().map(|joining| &mut joining.session),
            self.leaving.as_mut().map(|leaving| &mut leaving.session),
        ];
        sessions.into_iter().flatten().find_map(|session| session.poll_packet(now, rng, buffer))
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn login_payload(&self) -> Vec<u8> {
        let login = &self.config.login;
        chat::encode(&LoginPayload {
            user: login.user,
            name: login.name.clone(),
            stream: login.stream.0,
            cursor: login.cursor,
            invite: login.invite.clone(),
        })
    }

    fn begin_attempt(&mut self, now: Instant, rhythm: Rhythm) {
        let server = match &self.config.server {
            ServerKey::Pinned(key) => Some(*key),
            ServerKey::Unknown => None,
        };
        let payload = self.login_payload();
        let (identity, targets) = (&self.config.identity, self.targets(now));
        // It fails only for a payload larger than a datagram, which parsed names cannot make.
        self.attempt =
            Attempt::new(now, identity, server, &payload, targets, rhythm, &mut self.rng).ok();
    }

    fn begin_key_probe(&mut self, now: Instant) {
        let (identity, targets) = (&self.config.identity, self.targets(now));
        self.key_probe =
            Attempt::new(now, identity, None, &[], targets, Rhythm::START, &mut self.rng).ok();
    }

    fn count(&mut self, counters: Counters) {
        add(&mut self.ended, counters);
    }
}

fn add(sum: &mut Counters, counters: Counters) {
    sum.sent += counters.sent;
    sum.received += counters.received;
    sum.lost += counters.lost;
    sum.retransmitted += counters.retransmitted;
    sum.dropped += counters.dropped;
}
