//! What may be asked of the daemon, what it answers and what it reports. `docs/CONTROL.md` is the
//! specification; only additions are made to these shapes.
//!
//! All times are RFC 3339 in UTC with milliseconds, such as `2026-01-31T12:00:00.000Z`.

mod events;
mod health;
mod reading;

pub use events::{CutOff, Event, EventKind, SubscribeParams, Subscribed};
pub use health::{Diagnosis, HookStatus, LinkError, ServerNotice, Status};
pub use reading::{
    Conversation, ConversationsParams, Found, HistoryParams, Hit, InboxParams, KnownName,
    MarkReaderParams, NamesParams, PREVIEW_CHARS, ReaderState, RemoveParams, Removed, SearchParams,
};

use serde::{Deserialize, Serialize};

/// The control protocol's version; `hello` settles on one that both sides speak.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest line either side may send, in bytes.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A request's method and parameters: `{"jsonrpc":"2.0","id":1,"method":"send","params":{..}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
pub enum Request {
    /// First on each connection. Answer: [`Hello`].
    Hello(HelloParams),
    /// Answer: [`Status`].
    Status {},
    /// Logs in, now and after each restart. Answer: [`Connected`], once logged in.
    Connect(ConnectParams),
    /// Logs out and stays out until the next `connect`. Answer: [`Empty`].
    Disconnect {},
    /// Answer: [`List`] of [`User`].
    Users(UsersParams),
    /// Answer: [`Sent`].
    Send(SendParams),
    /// Unread messages, oldest first. Marks nothing. Answer: [`List`] of [`Message`].
    Inbox(InboxParams),
    /// These messages were shown to the person. Answer: [`Empty`].
    MarkRead {
        /// Message ids.
        ids: Vec<String>,
    },
    /// Messages of one conversation or all, oldest first, the latest `limit` of them. Answer:
    /// [`List`] of [`Message`].
    History(HistoryParams),
    /// Whom we wrote with, the latest first. Answer: [`List`] of [`Conversation`].
    Conversations(ConversationsParams),
    /// Looks for words in all that was written. Answer: [`Found`].
    Search(SearchParams),
    /// Removes messages from this machine, for good. Answer: [`Removed`].
    Remove(RemoveParams),
    /// A reader is done with its messages up to a place. Answer: [`Empty`].
    MarkReader(MarkReaderParams),
    /// Answer: [`List`] of [`ReaderState`].
    Readers {},
    /// Answer: [`Empty`].
    RemoveReader {
        /// Which.
        reader: String,
    },
    /// User names that are known here, without asking the server. Answer: [`List`] of [`KnownName`].
    Names(NamesParams),
    /// Answer: [`Unread`].
    Unread {},
    /// A message's life. Answer: [`Trace`].
    Trace {
        /// The message id, or the key given to `send`.
        id: String,
    },
    /// Takes back a message that was never handed to the network. Answer: [`Sent`].
    Cancel {
        /// The message id, or the key given to `send`.
        id: String,
    },
    /// What to compare with somebody, to know that nobody stands between; with `code`, the comparison.
    /// Answer: [`Verification`].
    Verify(VerifyParams),
    /// Takes the new key of somebody whose key changed. What was held goes out. Answer: [`Trusted`].
    Trust {
        /// Whose.
        peer: String,
        /// The new key that was shown: another one, that came meanwhile, is not taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
    },
    /// Whom we know by key. Answer: [`List`] of [`Contact`].
    Contacts {},
    /// From now on [`Event`]s follow as notifications of method `event`. Answer: [`Subscribed`].
    Subscribe(SubscribeParams),
    /// What stands in the way to the server. Answer: [`Diagnosis`].
    Diagnose {},
    /// Flushes, says goodbye to the server and ends. Answer: [`Empty`].
    Shutdown {},
}

/// Parameters of `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloParams {
    /// The client's name, for the log.
    pub client: String,
    /// The client's version, for the log.
    pub version: String,
    /// Oldest protocol version that the client speaks.
    pub protocol_min: u32,
    /// Newest protocol version that the client speaks.
    pub protocol_max: u32,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The daemon's version.
    pub version: String,
    /// The protocol version settled on.
    pub protocol: u32,
    /// The daemon's process id.
    pub pid: u32,
    /// The profile that it serves.
    pub profile: String,
}

/// Nothing more to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Parameters of `connect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectParams {
    /// The user name.
    pub user: String,
    /// The display name.
    pub name: String,
    /// A join link; without one, the server of the last `connect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Take the server's new key in place of the pinned one: the new key's text form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_key: Option<String>,
    /// What the operator gave a newcomer, where registration asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
    /// How long to wait for the login. It goes on afterwards.
    pub timeout_ms: u64,
}

/// A login that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// The user name.
    pub user: String,
    /// The display name.
    pub name: String,
    /// The server as a join link with its key.
    pub server: String,
    /// The server key's fingerprint, for people to compare.
    pub fingerprint: String,
    /// Whether the key was pinned just now, without a link that named it.
    pub first_contact: bool,
}

/// Parameters of `users`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersParams {
    /// Registered users who are offline too.
    #[serde(default)]
    pub all: bool,
    /// How long to wait for the server.
    pub timeout_ms: u64,
}

/// A list, in one piece or with `next` to go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass it back to get what follows; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A user as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Unique.
    pub user: String,
    /// On screen.
    pub name: String,
    /// `online`, `away` or `offline`.
    pub status: Presence,
    /// Since when.
    pub since: String,
}

/// Whether a user's daemon is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Heard of lately.
    Online,
    /// Not heard of for a while; may come back without a login.
    Away,
    /// No session.
    Offline,
}

/// Parameters of `send`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendParams {
    /// The recipient's user name.
    pub to: String,
    /// The text, up to 32 KiB.
    pub body: String,
    /// The sender's own key for this message, up to 64 characters: a second `send` with the same
    /// key is the same message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Answer once the message is in this state (or has failed).
    pub wait: State,
    /// How long to wait; then error 6, and the message stays queued.
    pub timeout_ms: u64,
    /// Give up if it is still queued, and was never handed to the network, after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_ms: Option<u64>,
}

/// Where a message is. A sender sees `queued`, `accepted`, `delivered`, `read` in this order, each
/// only after it is true on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// On our own disk.
    Queued,
    /// Safe at the server.
    Accepted,
    /// Safe on the recipient's disk.
    Delivered,
    /// Shown to the recipient.
    Read,
    /// The server refused it; see `reason`.
    Refused,
    /// Taken back before it was handed to the network.
    Cancelled,
    /// Given up before it was handed to the network.
    Expired,
    /// Somebody's message to us, not shown yet.
    Unread,
}

/// Where a sent message is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The message id.
    pub id: String,
    /// The state reached.
    pub state: State,
    /// The recipient's key was pinned for this message: its fingerprint. Said once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_contact: Option<String>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Unique among a sender's messages.
    pub id: String,
    /// The sender's user name.
    pub from: String,
    /// The recipient's user name.
    pub to: String,
    /// The sender's display name.
    pub name: String,
    /// The text.
    pub body: String,
    /// On the sender's clock.
    pub sent_at: String,
    /// When it reached this machine; absent for our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<String>,
    /// `unread` or `read` for others' messages, the sender's states for our own.
    pub state: State,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is to be known of its sender's key; absent for most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// Its place among all messages of this profile on this machine, ascending in the order in which they
    /// came or were written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
}

/// What is to be known of the key that sealed somebody's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The first message of this sender: the key was pinned with it.
    FirstContact,
    /// Another key than the pinned one: maybe somebody else wrote it.
    KeyChanged,
    /// No key here opened it, and it did not come again: there is no text.
    Unopened,
}

/// Parameters of `verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyParams {
    /// With whom.
    pub peer: String,
    /// The safety number as the other side sees it: digits, with or without spaces, or the text of its
    /// QR code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How long to wait for the server, where the key is not known yet.
    pub timeout_ms: u64,
}

/// What two people compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The other one and the key that the number stands for: the new one, where it changed.
    #[serde(flatten)]
    pub contact: Contact,
    /// Sixty digits in groups of five, the same on both sides.
    pub safety_number: String,
    /// What a QR code of it says.
    pub qr: String,
    /// Whether the given code was this number; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<bool>,
}

/// A new key was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// Whose.
    pub user: String,
    /// The key before; absent if nothing had changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// The key now.
    pub fingerprint: String,
    /// Messages that were held and go out now.
    pub released: u64,
}

/// Somebody whom we know by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The user name.
    pub user: String,
    /// How well.
    pub state: ContactState,
    /// The pinned key, for people to compare.
    pub fingerprint: String,
    /// When it came to this state.
    pub since: String,
    /// The key that presents itself in its place, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<String>,
    /// Messages to them that are held until the new key is trusted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held: u64,
}

/// How well a key is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// It was the first one that came.
    Pinned,
    /// The safety number was compared.
    Verified,
    /// Another one presents itself; what we send is held.
    Changed,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(truth: &bool) -> bool {
    !*truth
}

/// How many messages wait to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// In all.
    pub total: u64,
    /// By sender, the most first.
    pub items: Vec<UnreadFrom>,
}

/// One sender's unread messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadFrom {
    /// The sender.
    pub user: String,
    /// How many.
    pub count: u64,
}

/// A message's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The message.
    pub message: Message,
    /// What happened to it, in order.
    pub steps: Vec<TraceStep>,
}

/// One step in a message's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// When.
    pub at: String,
    /// What, as one word: `queued`, `sent`, `accepted`, `delivered`, `read`, `refused`,
    /// `cancelled`, `expired`, `received`.
    pub what: String,
    /// More, for a person: the reason of a refusal, the number of the try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The link to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Never connected, or disconnected by the user.
    Disconnected,
    /// On the way.
    Connecting,
    /// Logged in.
    Connected,
    /// The server refused the login; `connect` anew.
    Refused,
}

/// What failed: the numbers are the exit codes of `pychatctl` and the error codes on the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// Anything else.
    Other,
    /// The request makes no sense: a malformed name, text or id.
    Usage,
    /// The daemon cannot be reached.
    DaemonUnreachable,
    /// There is no connection to a server, and the request needs one.
    NotConnected,
    /// Nobody has this name.
    NoSuchUser,
    /// Time ran out; a message stays queued.
    TimedOut,
    /// A key changed or is not trusted.
    KeyChanged,
    /// Too much, too fast, or full.
    LimitReached,
    /// The versions do not fit.
    VersionMismatch,
    /// The name is taken, or it is not permitted.
    Refused,
}

impl ErrorCode {
    /// The exit code, and the code on the socket.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::DaemonUnreachable => 3,
            Self::NotConnected => 4,
            Self::NoSuchUser => 5,
            Self::TimedOut => 6,
            Self::KeyChanged => 7,
            Self::LimitReached => 8,
            Self::VersionMismatch => 9,
            Self::Refused => 10,
        }
    }

    /// The word for it, in `error.data.name` on the socket and in `--json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Usage => "usage",
            Self::DaemonUnreachable => "daemon_unreachable",
            Self::NotConnected => "not_connected",
            Self::NoSuchUser => "no_such_user",
            Self::TimedOut => "timed_out",
            Self::KeyChanged => "key_changed",
            Self::LimitReached => "limit_reached",
            Self::VersionMismatch => "version_mismatch",
            Self::Refused => "refused",
        }
    }

    /// The meaning of a number; what is not ours is `Other`.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        match number {
            2 => Self::Usage,
            3 => Self::DaemonUnreachable,
            4 => Self::NotConnected,
            5 => Self::NoSuchUser,
            6 => Self::TimedOut,
            7 => Self::KeyChanged,
            8 => Self::LimitReached,
            9 => Self::VersionMismatch,
            10 => Self::Refused,
            _ => Self::Other,
        }
    }
}

/// A request that failed: what, why and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind.
    pub code: ErrorCode,
    /// What failed and why, for a person.
    pub message: String,
    /// What to do next, for a person.
    pub hint: Option<String>,
    /// Where the message is that the request was about (`send` that timed out or was refused).
    pub sent: Option<Sent>,
}
