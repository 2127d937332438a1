//! One daemon's side: finds the server, logs in, keeps the session alive, comes back.

mod answer;
pub(crate) mod attempt;

use crate::{
    CloseCode, ConnectionId, Cursor, DisplayName, Instant, Lane, PublicKey, RefuseCode, SecretKey,
    Seq, StreamId, UserName,
    chat::{self, LoginPayload},
    crypto::Rng,
    endpoint::Transmit,
    records_for,
    session::{Counters, Session, SessionEvent},
    wire::packet,
};
use attempt::{Attempt, Rhythm};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// Addresses of the server that are tried; more are left out.
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

/// What a [`Client`] is made of.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Who we are.
    pub identity: SecretKey,
    /// Who the server is.
    pub server: ServerKey,
    /// What we say at each login. `Client::set_cursor` moves the cursor along.
    pub login: Login,
    /// Round trip measured at an earlier session with this server, for the first timers.
    pub rtt_hint: Option<Duration>,
}

/// What is known of the server's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerKey {
    /// Pinned: log in with IK, and with no other server.
    Pinned(PublicKey),
    /// First contact: learn it with XX. [`ClientEvent::ServerKeyLearned`] comes before anything else,
    /// and the client treats it as pinned from then on.
    Unknown,
}

/// What the daemon says of itself at each login.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user name.
    pub user: UserName,
    /// The display name.
    pub name: DisplayName,
    /// The outbox's stream.
    pub stream: StreamId,
    /// The last mailbox entry that is safe on disk.
    pub cursor: Cursor,
    /// For servers that ask for one.
    pub invite: Option<String>,
}

/// What happened. Drain with [`Client::poll_event`] after each `handle_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// First contact: this is the server's key. Pin it on disk.
    ServerKeyLearned(PublicKey),
    /// Logged in. Everything of the outbox after `committed` is to be sent (again), in order,
    /// with [`Client::send_message`]; records of earlier sessions are forgotten.
    Connected {
        /// The highest outbox record that the server holds on disk.
        committed: Seq,
        /// The server's clock, Unix milliseconds.
        server_time: u64,
    },
    /// The session is gone; the client tries again by itself at `retry_at`.
    Disconnected {
        /// Why.
        code: CloseCode,
        /// For a person; may be empty.
        reason: String,
        /// The next try.
        retry_at: Instant,
    },
    /// The server refused the login, or took the name from us. Nothing more is tried.
    Refused(Refusal),
    /// The server's key is not the pinned one, or it speaks no common version; it keeps trying.
    /// A hint only: not authenticated.
    Suspicion(Suspicion),
    /// Nobody answers at the known addresses: look the host up again, open a new socket, and say
    /// [`Client::set_addresses`].
    NeedAddresses,
    /// A whole message from the server, in order. Store it, then [`Client::commit`] `last`.
    Message {
        /// The lane.
        lane: Lane,
        /// Its last record.
        last: Seq,
        /// An encoded `chat::MailboxEntry`.
        payload: Vec<u8>,
    },
    /// The server holds our records up to here on disk.
    Committed {
        /// The lane.
        lane: Lane,
        /// The last one.
        up_to: Seq,
    },
    /// The server refuses the message that ends with record `last` and waits at it. Write that
    /// down, then [`Client::skip`] it.
    MessageRefused {
        /// The lane.
        lane: Lane,
        /// The message's last record.
        last: Seq,
        /// Why.
        code: RefuseCode,
    },
    /// The answer to [`Client::call`].
    Reply {
        /// As returned by `call`.
        id: u64,
        /// An encoded `chat::Reply`.
        payload: Vec<u8>,
    },
    /// Best-effort news: an encoded `chat::Note`.
    Note {
        /// The bytes.
        payload: Vec<u8>,
    },
}

/// A login that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason as a code.
    pub code: CloseCode,
    /// For a person.
    pub reason: String,
}

/// A hint of why the server that we want does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// It answers, and speaks only these versions.
    Versions(Vec<u8>),
    /// Who answers at its address holds this key and not the pinned one. That it holds this key is
    /// proved; nothing was told to it. The client keeps trying to reach the pinned one.
    KeyChanged(PublicKey),
}

/// The path's health, for `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathStats {
    /// Smoothed round trip; zero before the first measurement.
    pub rtt: Duration,
    /// Packets sent.
    pub sent: u64,
    /// Packets declared lost.
    pub lost: u64,
    /// Packets received and authenticated.
    pub received: u64,
    /// Frames sent again.
    pub retransmitted: u64,
    /// Datagrams dropped: unreadable, forged or repeated.
    pub dropped: u64,
}

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
/// On a suspect path an attempt runs beside the session, and whichever is answered first stays.
pub struct Client {
    config: ClientConfig,
    rng: Rng,
    addresses: Vec<SocketAddr>,
    /// Whether the daemon wants to be connected.
    wanted: bool,
    session: Option<Established>,
    attempt: Option<Attempt>,
    /// A first contact whose third message waits for the server's welcome.
    joining: Option<Joining>,
    key_probe: Option<Attempt>,
    /// A closed session whose CLOSE is still to be sent.
    leaving: Option<Session>,
    suspect: bool,
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
            addresses: Vec::new(),
            wanted: false,
            session: None,
            attempt: None,
            joining: None,
            key_probe: None,
            leaving: None,
            suspect: false,
            retry_at: None,
            events: VecDeque::new(),
            happened: VecDeque::new(),
            ended: Counters::default(),
        }
    }

    /// Starts (or goes on) connecting to one of `addresses`, raced in this order; those after the
    /// first eight are left out.
    pub fn set_addresses(&mut self, now: Instant, mut addresses: Vec<SocketAddr>) {
        addresses.truncate(ADDRESSES_MAX);
        self.wanted = true;
        self.addresses.clone_from(&addresses);
        if let Some(attempt) = &mut self.attempt {
            attempt.set_addresses(addresses);
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
        if let Some(attempt) = &mut self.attempt {
            attempt.hurry(now);
        }
    }

    /// The cursor that the next login reports.
    pub fn set_cursor(&mut self, cursor: Cursor) {
        self.config.login.cursor = cursor;
    }

    /// Says goodbye and stays disconnected until `set_addresses`.
    pub fn close(&mut self, now: Instant) {
        self.rest();
        if let Some(mut established) = self.session.take() {
            self.count(established.session.counters());
            established.session.close(now, CloseCode::Bye, Duration::ZERO, "");
            self.leaving = Some(established.session);
        }
    }

    /// Stops trying.
    fn rest(&mut self) {
        self.wanted = false;
        self.suspect = false;
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
        session.send_message(payload);
    }

    /// Tells the server to move on to after `up_to`: the refused message that ends there, or, after
    /// the last one offered, records that are no longer kept.
    pub fn skip(&mut self, _now: Instant, lane: Lane, up_to: Seq) {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        if let Some(session) = self.session() {
            session.skip(up_to.0);
        }
    }

    /// Everything up to `up_to` is safe on our disk.
    pub fn commit(&mut self, _now: Instant, lane: Lane, up_to: Seq) {
        debug_assert_eq!(lane, Lane::CHAT, "there is one lane");
        if let Some(session) = self.session() {
            session.commit(up_to.0);
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
            if taken.is_ok() && std::mem::take(&mut self.suspect) {
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
        } else {
            self.ended.dropped += 1;
        }
        self.digest(now);
    }

    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(established) = &mut self.session {
            established.session.handle_timeout(now, &mut self.happened);
            let silent = self.suspect && now.since(established.session.heard()) >= SUSPECT_FOR;
            let renew = established.renew_at <= now;
            if silent {
                self.lose_session(now, CloseCode::Idle, "the server does not answer", now);
            } else if renew && self.attempt.is_none() {
                self.begin_attempt(now, Rhythm::START);
            }
        }
        if let Some(joining) = &mut self.joining {
            joining.session.handle_timeout(now, &mut joining.happened);
        }
        self.handle_joining_timeout(now);
        if let Some(leaving) = &mut self.leaving {
            leaving.handle_timeout(now, &mut VecDeque::new());
        }
        self.leaving = self.leaving.take().filter(|leaving| !leaving.is_closed());
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.begin_attempt(now, Rhythm::START);
        }
        self.handle_attempt_timeout(now);
        self.digest(now);
    }

    fn handle_joining_timeout(&mut self, now: Instant) {
        let Some(joining) = self.joining.as_mut().filter(|joining| joining.next <= now) else {
            return;
        };
        if joining.tries >= FIN_TRIES_MAX {
            self.joining = None;
            self.begin_attempt(now, Rhythm::START);
            return;
        }
        joining.tries += 1;
        joining.wanted = true;
        joining.next = now + joining.wait;
        joining.wait *= 2;
    }

    fn handle_attempt_timeout(&mut self, now: Instant) {
        if let Some(attempt) = &self.attempt
            && attempt.is_stale(now)
            && attempt.poll_timeout() <= now
        {
            let rhythm = attempt.rhythm;
            self.begin_attempt(now, rhythm);
        }
        if let Some(attempt) = &mut self.attempt
            && attempt.handle_timeout(now, &mut self.rng)
        {
            let rounds = attempt.rhythm.rounds;
            if rounds > 1 && rounds % ROUNDS_PER_LOOKUP == 0 {
                self.events.push_back(ClientEvent::NeedAddresses);
            }
            if rounds % ROUNDS_PER_LOOKUP == ROUNDS_BEFORE_KEY_PROBE && !attempt.is_first_contact()
            {
                self.begin_key_probe(now);
            }
        }
        if let Some(probe) = &mut self.key_probe {
            if probe.is_stale(now) {
                self.key_probe = None;
            } else {
                probe.handle_timeout(now, &mut self.rng);
            }
        }
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let session = self.session.as_ref();
        let silent = session.filter(|_| self.suspect).map(|e| e.session.heard() + SUSPECT_FOR);
        let timers = [
            session.and_then(|established| established.session.poll_timeout()),
            session.filter(|_| self.attempt.is_none()).map(|established| established.renew_at),
            silent,
            self.joining.as_ref().and_then(|joining| joining.session.poll_timeout()),
            self.joining.as_ref().map(|joining| joining.next),
            self.leaving.as_ref().and_then(Session::poll_timeout),
            self.retry_at,
            self.attempt.as_ref().map(Attempt::poll_timeout),
            self.key_probe.as_ref().map(Attempt::poll_timeout),
        ];
        timers.into_iter().flatten().min()
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
            self.leaving.as_mut(),
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
            user: login.user.clone(),
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
        let (identity, addresses) = (&self.config.identity, self.addresses.clone());
        // It fails only for a payload larger than a datagram, which parsed names cannot make.
        self.attempt =
            Attempt::new(now, identity, server, &payload, addresses, rhythm, &mut self.rng).ok();
    }

    fn begin_key_probe(&mut self, now: Instant) {
        let (identity, addresses) = (&self.config.identity, self.addresses.clone());
        self.key_probe =
            Attempt::new(now, identity, None, &[], addresses, Rhythm::START, &mut self.rng).ok();
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
