//! What is known, and what is taken for granted: the figures that model and simulation share.
//!
//! Times are in nanoseconds, so that a run is the same everywhere.

/// A microsecond, a millisecond and a second.
const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
/// See [`US`].
pub(super) const SECOND: u64 = 1_000 * MS;

// Measured: docs/SCALING.md, "What it costs".

/// A text that is never written, among many: at its sender's node, at its recipient's, and at NATS.
pub(super) const LIVE_AT_SENDER: u64 = 5_700;
/// See [`LIVE_AT_SENDER`].
pub(super) const LIVE_AT_RECIPIENT: u64 = 5_500;
/// See [`LIVE_AT_SENDER`]; nothing within one node.
pub(super) const LIVE_AT_NATS: u64 = 14_000;
/// A text that a quorum writes, among many; with few of them to a write, as is the case here.
pub(super) const WRITTEN_AT_SENDER: u64 = 7_400;
/// See [`WRITTEN_AT_SENDER`].
pub(super) const WRITTEN_AT_RECIPIENT: u64 = 10_500;
/// See [`WRITTEN_AT_SENDER`]; of all three replicas.
pub(super) const WRITTEN_AT_NATS: u64 = 47_000;
/// A write by a quorum. What comes meanwhile gathers for the next one.
pub(super) const QUORUM: u64 = 670 * US;

// Measured: docs/PERFORMANCE.md.

/// A text that comes alone, at each of its two ends: "Latency" and "Cost beside a crowd" have 59 to 69 us for both.
pub(super) const ALONE: u64 = 30 * US;
/// A sign of life beside a hundred thousand sessions: "Cost beside a crowd".
pub(super) const SIGN_OF_LIFE: u64 = 26 * US;
/// A login: "Idle sessions and logins".
pub(super) const LOGIN: u64 = 300 * US;
/// Memory of a session, in bytes: 0.9 KiB where there are few, less where there are many.
pub(super) const SESSION_BYTES: f64 = 0.9 * 1024.0;

/// Memory of NATS for a user in each replica, in bytes: docs/SCALING.md, "Limits that NATS has".
pub(super) const USER_BYTES: f64 = 4_700.0;
/// Replicas of a stream.
pub(super) const REPLICAS: u16 = 3;

// What the programs do: docs/PROTOCOL.md, "Timers"; `pychat-server/src/cluster/mod.rs`.

/// Between two signs of life.
pub(super) const SIGN_EVERY: u64 = 25 * SECOND;
/// Within that time each session of a node that died has missed it: 25 s and a tenth.
pub(super) const SILENCE_MAX: u64 = 27 * SECOND + 500 * MS;
/// The same for somebody who has something to send.
pub(super) const HURRY_MAX: u64 = 5 * SECOND;
/// Silence after which others take over a node's mailboxes.
pub(super) const GONE: u64 = 2_500 * MS;
/// All who are there are told to all nodes again so often.
pub(super) const TOLD_EVERY: u64 = 60 * SECOND;
/// Each node looks so often whose its users' mailboxes are.
pub(super) const CHECKED_EVERY_SECONDS: f64 = 300.0;
/// Nodes that clients are told of.
pub(super) const NODES_MAX: u32 = 16;

// Taken for granted. Nobody has counted these.

/// Of registered users one in so many is connected at the busiest time.
pub(super) const CONNECTED_ONE_IN: u32 = 4;
/// Texts that one who is connected writes in the busiest hour.
pub(super) const TEXTS_AN_HOUR: f64 = 20.0;
/// Of texts, those for somebody who is away.
pub(super) const AWAY_SHARE: f64 = 0.3;
/// Of the others, those that are the first to their recipient since either of the two logged in: these are written too
/// ([ADR 8](../../../../docs/adr/0008-one-owner-of-a-mailbox-among-nodes.md)). Found by the simulation.
pub(super) const FIRST_SHARE: f64 = 0.06;
/// How long a session lasts on average, in seconds: four hours.
pub(super) const SESSION_SECONDS: f64 = 4.0 * 3_600.0;

// How much of everything there is, so that a core is a quarter to a third busy.

/// Sessions of a node, and of a shard.
pub(super) const SESSIONS_PER_NODE: u32 = 500_000;
/// See [`SESSIONS_PER_NODE`].
pub(super) const SESSIONS_PER_SHARD: u32 = 200_000;
/// Fewest nodes, and fewest NATS servers.
pub(super) const SERVERS_MIN: u32 = 3;
/// Memory of a NATS server, in bytes, and users of a stream.
pub(super) const SERVER_BYTES: f64 = 32e9;
/// See [`SERVER_BYTES`].
pub(super) const USERS_PER_STREAM: u32 = 1_000_000;
/// Fewest and most streams: the default, and what the server allows.
pub(super) const STREAMS: [u32; 2] = [8, 64];
