//! PyChat's wire protocol, sans-IO: no socket, no clock, no runtime, no global randomness.
//!
//! [`Client`] is one daemon's side, [`Endpoint`] is the server's side with all its sessions. Drive
//! either the same way: one `handle_*` call, then drain `poll_transmit` and `poll_event`, then sleep
//! until `poll_timeout`. Time comes in as [`Instant`], randomness as a seed.
//!
//! `docs/PROTOCOL.md` specifies every byte; module names follow its sections.

pub mod chat;
mod chunks;
mod client;
mod crypto;
mod endpoint;
mod fill;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(feature = "hostile")]
pub mod hostile;
mod hybrid;
mod ids;
mod keys;
mod link;
mod noise;
#[cfg(feature = "sabotage")]
pub mod sabotage;
mod session;
mod time;
mod wire;

#[cfg(test)]
mod states;
#[cfg(test)]
mod vectors;

pub use chunks::Chunks;
pub use client::{
    Client, ClientConfig, ClientEvent, Login, PathStats, Refusal, ServerKey, Suspicion,
};
pub use endpoint::{
    Endpoint, EndpointConfig, EndpointEvent, EndpointStats, Incoming, NodeTag, Owner, SessionId,
    Transmit, Welcome,
};
pub use fill::{Fill, Holder};
pub use ids::{
    CloseCode, ConnectionId, Cursor, DisplayName, InvalidDisplayName, InvalidMessageId,
    InvalidUserName, Lane, MessageId, RefuseCode, Seq, StreamId, Urgency, UserName,
};
pub use keys::{InvalidKey, PublicKey, SecretKey, ServerSecrets};
pub use link::{DEFAULT_PORT, HOST_BYTES_MAX, HOSTS_MAX, InvalidLink, JoinLink, Node, Place};
#[cfg(feature = "micro")]
pub use session::micro;
pub use time::Instant;
pub use wire::packet::client_id_of;

/// Largest UDP payload that PyChat sends. Fits every path that carries IPv6 (1280) with room for
/// tunnels. docs/PROTOCOL.md, "Datagrams".
pub const DATAGRAM_BYTES_MAX: usize = 1200;

/// Largest payload of one message (a record's parts put together): the 32 KiB of text that a person
/// may send and what surrounds it. docs/PROTOCOL.md, "Limits".
pub const MESSAGE_BYTES_MAX: usize = 33 * 1024;

/// Most records that one message may span. docs/PROTOCOL.md, "Limits".
pub const MESSAGE_RECORDS_MAX: u64 = 64;

/// Payload bytes that one record carries; a longer message is cut into several records.
pub const RECORD_BYTES_MAX: usize = 1024;

/// Records that may be sent beyond the last COMMIT.
pub const RECORD_WINDOW: u64 = 256;

/// How many records a message of `payload_bytes` takes: at least one, at most
/// [`MESSAGE_RECORDS_MAX`] for a payload of up to [`MESSAGE_BYTES_MAX`].
#[must_use]
pub const fn records_for(payload_bytes: usize) -> u64 {
    let whole = payload_bytes.div_ceil(RECORD_BYTES_MAX) as u64;
    if whole == 0 { 1 } else { whole }
}

/// Silence after which the server shows a user as away. docs/PROTOCOL.md, "Timers".
pub const AWAY_AFTER: std::time::Duration = std::time::Duration::from_secs(80);
