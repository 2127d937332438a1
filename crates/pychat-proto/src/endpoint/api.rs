//! What an endpoint is made of and what it tells.

use super::login::Asked;
use crate::{
    CloseCode, Lane, PublicKey, Seq, ServerSecrets,
    chat::{LoginPayload, UnixMillis},
};
use std::{net::SocketAddr, sync::Arc};

/// A datagram to be sent; its bytes are in the buffer given to `poll_transmit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// To whom.
    pub to: SocketAddr,
    /// Bytes of one datagram in the buffer; more than one follow each other if the buffer is longer
    /// (all of this size but the last).
    pub segment_bytes: usize,
}

/// What an [`crate::Endpoint`] is made of.
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
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl SessionId {
    /// No session: an endpoint has fewer places.
    pub const NONE: Self = Self { slot: u32::MAX, generation: u32::MAX };

    /// A small number that no other live session of this endpoint has; those of sessions that are gone are
    /// used again.
    #[must_use]
    pub const fn place(self) -> u32 {
        self.slot
    }
}

/// A login that was decrypted and now waits for `accept` or `refuse`, on this endpoint or another.
pub struct Incoming {
    /// The device that logs in; it proved that it holds this key's secret.
    pub key: PublicKey,
    /// What it says.
    pub login: LoginPayload,
    /// From where.
    pub from: SocketAddr,
    pub(super) asked: Asked,
}

/// How a login is let in.
#[derive(Clone, Copy, Debug)]
pub struct Welcome {
    /// The highest record of its outbox stream that is on disk.
    pub committed: Seq,
    /// For the client's information.
    pub server_time: UnixMillis,
}

/// What happened. Drain with [`crate::Endpoint::poll_event`] after each `handle_*`.
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
    /// Packets of sessions that were authentic and new.
    pub opened: u64,
    /// Logins that were answered with RETRY.
    pub retries: u64,
    /// Packets declared lost.
    pub lost: u64,
    /// Records that were sent again.
    pub retransmitted: u64,
    /// Datagrams of unknown sessions that were answered with RESET.
    pub resets: u64,
}
