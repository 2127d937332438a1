//! What people's programs say to each other inside records, calls and notes, encoded with postcard.
//!
//! Enum variants are appended, never reordered or removed: their index is on the wire.

mod borrowed;

use crate::{Cursor, DisplayName, MessageId, Place, RefuseCode, UserName};
pub use borrowed::{BorrowedToClient, BorrowedToServer};
use serde::{Deserialize, Serialize};

/// Longest text of one message, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;

/// Most message ids in one [`ToServer::Read`] or [`ToClient::Delivered`].
pub const IDS_PER_RECEIPT_MAX: usize = 64;

/// Most users in one [`Reply::Users`] page.
pub const USERS_PER_PAGE_MAX: usize = 100;

/// Longest signed device key, in bytes.
pub const DEVICE_KEY_BYTES_MAX: usize = 256;

/// Longest signed one-time or fallback key, in bytes.
pub const PREKEY_BYTES_MAX: usize = 128;

/// Most one-time keys in one [`Call::PublishPrekeys`]: as many as fit a question.
pub const PREKEYS_PER_CALL_MAX: usize = 7;

/// Most one-time keys that the server keeps of a user.
pub const PREKEYS_MAX: usize = 100;

/// Longest sealed text of one message, in bytes: the longest text, padded, and what surrounds it.
pub const SEALED_BYTES_MAX: usize = TEXT_BYTES_MAX + 512;

/// Milliseconds since 1970-01-01 UTC.
pub type UnixMillis = u64;

/// A message from a daemon to the server: one entry of its outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToServer {
    /// A text for `to`.
    Text {
        /// Minted by the sender; a second one with the same id is the same message.
        id: MessageId,
        /// The recipient; may be the sender.
        to: UserName,
        /// The sealed text, 1 to [`SEALED_BYTES_MAX`] bytes. The server never looks into it.
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
    /// The texts `ids` that `to` had sent were shown to the person.
    Read {
        /// Who had sent the texts.
        to: UserName,
        /// At most [`IDS_PER_RECEIPT_MAX`].
        ids: Vec<MessageId>,
    },
}

/// An entry of a user's mailbox on its way to the user's daemon. `cursor` is its place there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxEntry {
    /// The entry's place; what the daemon stored up to here, it reports at its next login.
    pub cursor: Cursor,
    /// What it says.
    pub entry: ToClient,
}

/// What a mailbox entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToClient {
    /// A text from `from`.
    Text {
        /// As the sender minted it.
        id: MessageId,
        /// Authenticated by the server.
        from: UserName,
        /// The sender's display name when the text was accepted.
        name: DisplayName,
        /// On the server's clock, when it was accepted.
        accepted_at: UnixMillis,
        /// The sealed text.
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
    /// Texts of ours are safe on `by`'s disk.
    Delivered {
        /// The recipient.
        by: UserName,
        /// Our messages.
        ids: Vec<MessageId>,
        /// On the server's clock.
        at: UnixMillis,
    },
    /// Texts of ours were shown to `by`.
    Read {
        /// The recipient.
        by: UserName,
        /// Our messages.
        ids: Vec<MessageId>,
        /// On the server's clock.
        at: UnixMillis,
    },
}

/// A question to the server. Asking twice has no second effect, but that each claim of a one-time key takes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Users in the order of their names, those after `after`.
    Users {
        /// The last name of the page before, if any.
        after: Option<UserName>,
        /// Registered users who are offline too.
        offline_too: bool,
    },
    /// One user.
    User {
        /// Whom.
        name: UserName,
    },
    /// What the server holds of our end-to-end keys.
    OwnKeys,
    /// Our device's keys from now on. If `device` is another than before, the one-time keys of the
    /// one before are gone, and numbers begin at 0. Answer: [`Reply::OwnKeys`].
    PublishDevice {
        /// A signed device key, 1 to [`DEVICE_KEY_BYTES_MAX`] bytes. The server never looks into it.
        #[serde(with = "serde_bytes")]
        device: Vec<u8>,
        /// What is handed out when the one-time keys are used up; 1 to [`PREKEY_BYTES_MAX`] bytes.
        #[serde(with = "serde_bytes")]
        fallback: Vec<u8>,
    },
    /// One-time keys of ours, numbered from `first`. Those below a number that was published before are
    /// passed over: a key that is used stays dead. Answer: [`Reply::OwnKeys`].
    PublishPrekeys {
        /// The number of the first one.
        first: u64,
        /// At most [`PREKEYS_PER_CALL_MAX`], each of 1 to [`PREKEY_BYTES_MAX`] bytes.
        keys: Vec<Prekey>,
    },
    /// A user's keys. Answer: [`Reply::UserKeys`].
    UserKeys {
        /// Whose.
        user: UserName,
        /// Take a one-time key: nobody else gets it, whatever becomes of the answer.
        claim: bool,
    },
}

/// A key that begins one conversation, signed; the server never looks into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prekey(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// What the server holds of a user's end-to-end keys, as it tells that user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnKeys {
    /// As published last; empty before the first time.
    #[serde(with = "serde_bytes")]
    pub device: Vec<u8>,
    /// As published last; empty before the first time.
    #[serde(with = "serde_bytes")]
    pub fallback: Vec<u8>,
    /// One-time keys that nobody has taken yet.
    pub unused: u32,
    /// The lowest number that a new one-time key may have.
    pub next: u64,
}

/// A user's end-to-end keys, as others get them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserKeys {
    /// As published last; empty if the user has not published any yet.
    #[serde(with = "serde_bytes")]
    pub device: Vec<u8>,
    /// A one-time key, or the fallback key once they are used up; empty where none was claimed.
    #[serde(with = "serde_bytes")]
    pub prekey: Vec<u8>,
}

/// The server's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// A page of users; `more` if there are others after its last.
    Users {
        /// At most [`USERS_PER_PAGE_MAX`].
        users: Vec<UserState>,
        /// Ask again with the last name.
        more: bool,
    },
    /// The user, if there is one.
    User(Option<UserState>),
    /// The question could not be answered now; ask again later.
    TryLater,
    /// Our keys, after what was asked.
    OwnKeys(OwnKeys),
    /// The user's keys, if there is such a user.
    UserKeys(Option<UserKeys>),
}

/// A user as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// Unique.
    pub user: UserName,
    /// On screen.
    pub name: DisplayName,
    /// Online, away or offline.
    pub presence: Presence,
    /// Since when, on the server's clock.
    pub since: UnixMillis,
}

/// Longest text of [`Note::Notice`], in characters: it fits a datagram whatever they are.
/// docs/PROTOCOL.md, "Limits".
pub const NOTICE_CHARS_MAX: usize = 200;

/// Most nodes in one [`Note::Nodes`]: whoever loses its node needs one other, and of sixteen one is there.
/// docs/PROTOCOL.md, "Limits".
pub const NODES_MAX: usize = crate::client::nodes::NODES_MAX;

/// Most bytes of an encoded [`Note::Nodes`]: what one NOTE carries.
pub const NODES_BYTES_MAX: usize = crate::session::NOTE_BYTES_MAX;

/// Whether a user's daemon is there.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Presence {
    /// Heard of lately.
    Online,
    /// Not heard of for 80 seconds; may come back without a login.
    Away,
    /// No session.
    Offline,
}

/// Best-effort news from the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// A user's presence changed.
    Presence(UserState),
    /// The server cannot store what it gets, for example as its disk is full: it holds the outbox's
    /// records back and tries again by itself. Said at each try that fails; over with the next
    /// COMMIT.
    NotStoring,
    /// The server's operator tells all who are here something.
    Notice {
        /// One line of at most [`NOTICE_CHARS_MAX`] characters.
        text: String,
    },
    /// Where the nodes of this server are now, all of them or some. Said after each login and when it changes,
    /// by a server that knows; what was said before is forgotten.
    Nodes {
        /// At most [`NODES_MAX`].
        nodes: Vec<Place>,
    },
}

impl Note {
    /// Tells of as many of `places` as a note has room for, from the first on.
    #[must_use]
    pub fn of_nodes(places: &[Place]) -> Self {
        let mut nodes: Vec<Place> = places.iter().take(NODES_MAX).cloned().collect();
        while encode(&Self::Nodes { nodes: nodes.clone() }).len() > NODES_BYTES_MAX {
            nodes.pop();
        }
        Self::Nodes { nodes }
    }
}

/// What a daemon says when it logs in: the payload of the handshake's message 1 (IK) or 3 (XX).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginPayload {
    /// The name; it belongs to the key that claims it first.
    pub user: UserName,
    /// On screen.
    pub name: DisplayName,
    /// The outbox's stream.
    pub stream: [u8; 16],
    /// The last mailbox entry that is safe on the daemon's disk.
    pub cursor: Cursor,
    /// For servers that ask for one.
    pub invite: Option<String>,
}

/// What the server says when it lets a daemon in, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoginReply {
    /// Come in.
    Welcome {
        /// The server's connection id.
        connection_id: u64,
        /// Recognises a RESET for this session.
        reset_token: [u8; 16],
        /// The highest outbox record that the server holds on disk.
        committed: u64,
        /// The server's clock.
        server_time: UnixMillis,
    },
    /// Stay out.
    Refused {
        /// A [`crate::CloseCode`].
        code: u16,
        /// When to try again, 0 for not by itself.
        retry_after_ms: u32,
        /// For a person.
        reason: String,
    },
}

impl Serialize for RefuseCode {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u16(self.code())
    }
}

impl<'de> Deserialize<'de> for RefuseCode {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u16::deserialize(from).map(Self::from_code)
    }
}

/// Encodes a value of this module.
///
/// # Panics
/// Never: the types of this module hold nothing that postcard cannot encode.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("types of this module are plain data, which always encodes")
}

/// Encodes a value of this module behind what `to` holds.
///
/// # Panics
/// Never, as [`encode`].
pub fn encode_into<T: Serialize>(value: &T, to: &mut Vec<u8>) {
    let taken = std::mem::take(to);
    *to = postcard::to_extend(value, taken)
        .expect("types of this module are plain data, which always encodes");
}

/// Bytes that are no value of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be decoded: {0}")]
pub struct Undecodable(postcard::Error);

/// Decodes a value of this module; bytes left over are an error.
///
/// # Errors
/// The bytes are no such value.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Undecodable> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(Undecodable(postcard::Error::DeserializeBadEncoding)),
        Err(error) => Err(Undecodable(error)),
    }
}
