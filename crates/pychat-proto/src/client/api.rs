//! What a client is made of and what it tells.

use crate::{
    CloseCode, Cursor, DisplayName, Instant, Lane, PublicKey, RefuseCode, SecretKey, Seq, StreamId,
    UserName,
};
use std::{net::SocketAddr, time::Duration};

/// What a [`crate::Client`] is made of.
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

/// What happened. Drain with [`crate::Client::poll_event`] after each `handle_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// First contact: this is the server's key. Pin it on disk.
    ServerKeyLearned(PublicKey),
    /// Logged in. Everything of the outbox after `committed` is to be sent (again), in order,
    /// with [`crate::Client::send_message`]; records of earlier sessions are forgotten.
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
    /// [`crate::Client::set_addresses`].
    NeedAddresses,
    /// What was sent to this address goes unanswered, and other nodes are known. Where the system can tell that
    /// nobody listens there, say [`crate::Client::handle_refused`].
    Unanswered {
        /// The node's.
        address: SocketAddr,
    },
    /// A whole message from the server, in order. Store it, then [`crate::Client::commit`] `last`.
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
    /// down, then [`crate::Client::skip`] it.
    MessageRefused {
        /// The lane.
        lane: Lane,
        /// The message's last record.
        last: Seq,
        /// Why.
        code: RefuseCode,
    },
    /// The answer to [`crate::Client::call`].
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
