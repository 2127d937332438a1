//! What is read of what was written down: conversations, history, search, readers, and its removal.

use super::{Message, Presence};
use serde::{Deserialize, Serialize};

/// Parameters of `inbox`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxParams {
    /// At most this many, 1 to 1000.
    pub limit: u32,
    /// Only messages received after this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only messages from this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Go on from here (`next` of the answer before).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// In place of the unread ones, those that this reader has not taken yet, read or not. A reader
    /// that is new begins with what is unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
}

/// Parameters of `history`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryParams {
    /// One conversation; without, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Only what this user wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only messages that came here, or were written here, at this time or later (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only earlier ones (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// At most this many, 1 to 1000.
    pub limit: u32,
    /// Go on from here (`next` of the answer before): with older ones, or with newer ones after
    /// `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Only messages at a place before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// In place of the latest ones, the first ones at a place after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// Parameters of `conversations`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationsParams {
    /// At most this many, 1 to 1000.
    pub limit: u32,
    /// Go on from here (`next` of the answer before).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Everything between us and one other user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The other one.
    pub peer: String,
    /// What the other one called itself last; absent if it never wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Messages of the other one that were not shown yet.
    pub unread: u64,
    /// The place of the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_unread: Option<u64>,
    /// The latest message, its text cut to [`PREVIEW_CHARS`] characters.
    pub last: Message,
}

/// Characters of a conversation's latest message.
pub const PREVIEW_CHARS: usize = 200;

/// Parameters of `search`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchParams {
    /// Words that all have to be there; `"some words"` in this order; `begin*` for what begins so.
    pub words: String,
    /// One conversation; without, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Only what this user wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only messages that came here, or were written here, at this time or later (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only earlier ones (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// This many messages of the same conversation before and after each hit, 0 to 20.
    #[serde(default)]
    pub context: u32,
    /// At most this many hits, 1 to 1000.
    pub limit: u32,
    /// Go on from here (`next` of the answer before).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What a search found, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The hits.
    pub items: Vec<Hit>,
    /// Pass it back to get older ones; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Messages that are not in the index yet and were not looked at: ask again soon. Absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub unindexed: u64,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The message.
    pub message: Message,
    /// What matched: ranges of bytes in its text, ascending.
    pub matches: Vec<(u32, u32)>,
    /// What came before it in its conversation, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Message>,
    /// What came after it in its conversation, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Message>,
}

/// Parameters of `remove`: what all of them name is removed. At least one is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveParams {
    /// The conversation with this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What came here, or was written here, before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Messages with these ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// Everything.
    #[serde(default)]
    pub all: bool,
    /// Unread ones too, which nobody saw.
    #[serde(default)]
    pub unread_too: bool,
    /// Only count them.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Messages that are gone.
    pub removed: u64,
    /// Messages that were named and stay: unread, or on their way.
    pub kept: u64,
    /// There are more of them: ask again. An answer is not to take long.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub more: bool,
}

/// Parameters of `mark_reader`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkReaderParams {
    /// Which reader; it begins to be, if there is none of that name.
    pub reader: String,
    /// The place of the last message that it is done with.
    pub place: u64,
}

/// Somebody, mostly a script, that takes each message once and has its own cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderState {
    /// Its name.
    pub reader: String,
    /// The place of the last message that it is done with.
    pub place: u64,
    /// When it moved last.
    pub used_at: String,
    /// Messages that wait for it.
    pub waiting: u64,
}

/// Parameters of `names`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesParams {
    /// User names that begin so.
    pub prefix: String,
    /// At most this many, 1 to 1000.
    pub limit: u32,
}

/// A user as this machine knows it, without asking the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownName {
    /// The user name.
    pub user: String,
    /// The display name, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it was there when the server was heard last; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Presence>,
}
