//! What the operator may ask a running server, and what it answers: one line of JSON each.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Longest line of a request or an answer, in bytes: a page of users with the longest names and reasons
/// fits into it several times.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most users, mailboxes, bans or sessions in one answer.
pub const LIST_LEN_MAX: usize = 1000;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", content = "with", rename_all = "snake_case")]
pub enum Request {
    /// How the server is. Answer: [`Stats`].
    Stats {},
    /// Users by name. Answer: [`List`] of [`User`].
    Users(Page),
    /// One user. Answer: [`User`].
    User {
        /// Which.
        user: String,
    },
    /// Changes an account. Answer: [`Changed`].
    Account {
        /// Whose.
        user: String,
        /// How.
        change: AccountChange,
    },
    /// Bans by name. Answer: [`List`] of [`Banned`].
    Bans(Page),
    /// Sessions by user. Answer: [`List`] of [`Session`].
    Sessions {},
    /// Ends a user's session, which comes back by itself. Answer: [`Changed`].
    Kick {
        /// Whose.
        user: String,
        /// What the user is told.
        reason: String,
    },
    /// Mailboxes by user, those that hold something. Answer: [`List`] of [`Mailbox`].
    Mailboxes(Page),
    /// Removes all that is in a mailbox. Answer: [`Changed`].
    Purge {
        /// Whose.
        user: String,
    },
    /// All invites. Answer: [`List`] of [`Invite`].
    Invites {},
    /// Makes an invite. Answer: [`Invite`].
    Invite {
        /// The code, or one is made up.
        code: Option<String>,
        /// How many newcomers may use it.
        uses: Option<u32>,
        /// How long it lasts, in seconds.
        lasts_s: Option<u64>,
        /// For the operator.
        note: String,
    },
    /// Ends an invite. Answer: [`Changed`].
    Revoke {
        /// Which.
        code: String,
    },
    /// Has all clients go and come back later, and lets nobody in. Answer: [`Changed`].
    Drain {
        /// Over how long they are to come back, in seconds.
        spread_s: u64,
    },
    /// Lets clients in again. Answer: [`Changed`].
    Resume {},
    /// Tells all who are here something. Answer: [`Changed`].
    Broadcast {
        /// One line.
        text: String,
    },
    /// What is logged. Answer: [`Log`].
    Log {
        /// From now on; `None` to ask.
        filter: Option<String>,
    },
    /// Reads the configuration again. Answer: [`Reloaded`].
    Reload {},
    /// Copies the store and the keys into a new file. Answer: [`BackedUp`].
    Backup {
        /// Which; on the server's file system.
        file: PathBuf,
    },
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The last name of the page before.
    pub after: Option<String>,
    /// At most so many, and [`LIST_LEN_MAX`].
    pub limit: usize,
}

/// A change of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountChange {
    /// The name belongs to nobody.
    Free,
    /// It belongs to another device.
    Rebind {
        /// The device's key, as the device is told when the name is refused to it.
        key: String,
    },
    /// It is shown under a name that its user cannot change, or again under the user's own.
    Rename {
        /// The name; `None` for the user's own.
        name: Option<String>,
    },
    /// Nobody logs in under it.
    Ban {
        /// What the user is told.
        reason: String,
    },
    /// The ban is lifted.
    Unban,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What was asked for.
    Ok(serde_json::Value),
    /// Why there is nothing.
    Error(Refused),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refused {
    /// A refusal with what to do about it.
    #[must_use]
    pub fn new(message: impl Into<String>, hint: &str) -> Self {
        Self { message: message.into(), hint: Some(hint.to_owned()) }
    }

    /// A refusal that says all.
    #[must_use]
    pub fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }
}

/// A list, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// From where to go on, if there is more.
    pub next: Option<String>,
}

/// Something was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// In words.
    pub done: String,
}

/// A user. Times are RFC 3339, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub user: String,
    /// On screen.
    pub name: String,
    /// Whether the operator set that.
    pub name_is_set: bool,
    /// The key that the name belongs to.
    pub key: String,
    /// Its fingerprint, as people compare it.
    pub fingerprint: String,
    /// `online`, `away` or `offline`.
    pub status: String,
    /// Since when that is so; for who is offline, when the name was claimed or the display name last set.
    pub since: String,
    /// Why the name may not log in, if it may not. May be empty.
    pub banned: Option<String>,
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    /// The name.
    pub user: String,
    /// What the user is told.
    pub reason: String,
    /// When it was decided.
    pub since: String,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub user: String,
    /// `online` or `away`.
    pub status: String,
    /// Where its client is.
    pub address: Option<String>,
}

/// A mailbox. Receipts are not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Whose.
    pub user: String,
    /// Messages that wait in it.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// An invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// What newcomers show.
    pub code: String,
    /// How many more may use it; `None` for any number.
    pub uses: Option<u32>,
    /// When it ends by itself.
    pub expires_at: Option<String>,
    /// For the operator.
    pub note: String,
    /// When it was made.
    pub made_at: String,
    /// Whether it still lets anybody in.
    pub is_open: bool,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// A level, or a filter by module.
    pub filter: String,
}

/// What a new reading of the configuration came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Settings that changed and hold from now on.
    pub applied: Vec<String>,
    /// Settings that changed and hold after a restart only.
    pub needs_restart: Vec<String>,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Where it is.
    pub file: PathBuf,
    /// How large.
    pub bytes: u64,
}

/// How the server is. Counters are since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Of the program.
    pub version: String,
    /// When it started.
    pub started_at: String,
    /// Under which it is joined.
    pub link: String,
    /// Users who are there.
    pub sessions: u64,
    /// Whether all are told to come back later.
    pub drained: bool,
    /// Names that are claimed.
    pub accounts: u64,
    /// Messages by what became of them: `accepted`, `delivered`, `written`.
    pub messages: BTreeMap<String, u64>,
    /// Messages that were refused, by the reason.
    pub refused_messages: BTreeMap<String, u64>,
    /// Logins that succeeded.
    pub logins: u64,
    /// Logins that were refused, by the reason.
    pub refused_logins: BTreeMap<String, u64>,
    /// Datagrams: `in`, `out`, `dropped`.
    pub datagrams: BTreeMap<String, u64>,
    /// Packets that got lost on the way to clients.
    pub packets_lost: u64,
    /// Records that were sent to clients again.
    pub records_retransmitted: u64,
    /// Batches that were written, with their fsync.
    pub commits: u64,
    /// The mean time that one took, in milliseconds.
    pub commit_ms: f64,
    /// Whether the store fails at the moment.
    pub store_fails: bool,
    /// Bytes of the store's file.
    pub store_bytes: u64,
    /// Resident memory in bytes, where that is known.
    pub memory_bytes: Option<u64>,
}
