//! One daemon's side: finds the server, logs in, keeps the session alive, comes back.

use crate::{
    CloseCode, Cursor, DisplayName, Instant, Lane, PublicKey, RefuseCode, SecretKey, Seq, StreamId,
    UserName, endpoint::Transmit,
};
use std::{net::SocketAddr, time::Duration};

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

/// An unauthenticated hint of why nobody answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// It answers, and speaks only these versions.
    Versions(Vec<u8>),
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
pub struct Client {}

#[allow(unused_variables, missing_docs, clippy::unimplemented, clippy::needless_pass_by_value)]
impl Client {
    /// A client that is not connected. `seed` is all its randomness.
    pub fn new(config: ClientConfig, seed: [u8; 32]) -> Self {
        unimplemented!()
    }
    /// Starts (or goes on) connecting to one of `addresses`, raced in this order.
    pub fn set_addresses(&mut self, now: Instant, addresses: Vec<SocketAddr>) {
        unimplemented!()
    }
    /// The network changed or the machine woke up: probe at once.
    pub fn handle_network_change(&mut self, now: Instant) {
        unimplemented!()
    }
    /// The cursor that the next login reports.
    pub fn set_cursor(&mut self, cursor: Cursor) {
        unimplemented!()
    }
    /// Says goodbye and stays disconnected until `set_addresses`.
    pub fn close(&mut self, now: Instant) {
        unimplemented!()
    }
    pub fn is_connected(&self) -> bool {
        unimplemented!()
    }
    pub fn stats(&self) -> PathStats {
        unimplemented!()
    }
    /// The server's address in use.
    pub fn remote(&self) -> Option<SocketAddr> {
        unimplemented!()
    }
    /// How many more records `send_message` takes now: `RECORD_WINDOW` beyond the last COMMIT.
    pub fn room(&self, lane: Lane) -> u64 {
        unimplemented!()
    }
    /// Offers the message that begins with record `first` = the one after the last offered (the
    /// first one after `Connected`: `committed.next()`, or after a `skip`). Takes
    /// `records_for(payload.len())` records. Panics if there is no room or a gap.
    pub fn send_message(&mut self, now: Instant, lane: Lane, first: Seq, payload: &[u8]) {
        unimplemented!()
    }
    /// Tells the server to move on to after `up_to`: a refused message, or one no longer kept.
    pub fn skip(&mut self, now: Instant, lane: Lane, up_to: Seq) {
        unimplemented!()
    }
    /// Everything up to `up_to` is safe on our disk.
    pub fn commit(&mut self, now: Instant, lane: Lane, up_to: Seq) {
        unimplemented!()
    }
    /// Asks; the question is repeated until `Reply` or the session's end (then it is forgotten).
    /// `None`: not connected or too many questions under way.
    pub fn call(&mut self, now: Instant, payload: &[u8]) -> Option<u64> {
        unimplemented!()
    }
    /// Takes a datagram; it is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        unimplemented!()
    }
    pub fn handle_timeout(&mut self, now: Instant) {
        unimplemented!()
    }
    pub fn poll_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }
    /// Writes the next datagram to `buffer` (cleared first).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        unimplemented!()
    }
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        unimplemented!()
    }
}
