//! The one thread that owns the store: gathers what all shards ask, executes it as one transaction,
//! and tells each shard what came of it.
//!
//! [`Committer`] is the logic, without a thread: [`Committer::step`] takes what was gathered and
//! gives what is to be told. [`spawn`] puts a thread around it.

mod presence;
mod stats;
mod step;
#[cfg(test)]
mod tests;
mod thread;

pub use stats::{CommitStats, SECONDS};
pub use step::Committer;
pub use thread::{
    BATCH_BYTES_MAX, CommitterHandle, JOBS_PER_BATCH_MAX, JOBS_QUEUED_MAX, SubmitError, ToShard,
    Unasked, spawn,
};

use crate::{
    person::Person,
    store::{Account, Answer, Ban, Command, InviteCode, Node, Page, ReadLimit, StoreError},
};
use pychat_proto::{
    Seq, StreamId, UserName,
    chat::{OwnKeys, Presence, UnixMillis, UserKeys, UserState},
};

/// A shard's request.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose.
    pub shard: u8,
    /// Comes back with the outcome.
    pub ticket: u64,
    /// How many failed batches the shard had heard of. See [`Committer::step`].
    pub generation: u32,
    /// What is to be done.
    pub work: Work,
}

/// What a shard may ask for.
#[derive(Clone, Debug)]
pub enum Work {
    /// Make it true on disk. Outcome: [`Outcome::Committed`].
    Commit(Command),
    /// Outcome: [`Outcome::Page`].
    Read {
        /// Whose mailbox.
        mailbox: UserName,
        /// From where.
        after: pychat_proto::Cursor,
        /// How much.
        limit: ReadLimit,
    },
    /// What is known of one who logs in. Outcome: [`Outcome::Login`].
    Login {
        /// The name.
        user: UserName,
        /// The outbox's stream.
        stream: StreamId,
        /// What a newcomer shows.
        invite: Option<InviteCode>,
        /// The time by which an invite may be over.
        at: UnixMillis,
    },
    /// A user came, went or fell silent. No outcome.
    Presence {
        /// Who.
        person: Person,
        /// Whether the person is there.
        presence: Presence,
        /// Since when.
        since: UnixMillis,
    },
    /// A page of users by name. Outcome: [`Outcome::Users`].
    Users {
        /// The last one known.
        after: Option<UserName>,
        /// Registered users who are offline too.
        offline_too: bool,
    },
    /// One user. Outcome: [`Outcome::User`].
    User {
        /// Whom.
        name: UserName,
    },
    /// What is held of a user's own end-to-end keys. Outcome: [`Outcome::OwnKeys`].
    OwnKeys {
        /// Whose.
        user: UserName,
    },
    /// Whose mailbox it is, among servers that share a store. Outcome: [`Outcome::Owner`].
    Owner {
        /// Which.
        mailbox: UserName,
    },
    /// Which of these mailboxes another server was the last to write to.
    Elsewhere {
        /// Their names.
        mailboxes: Vec<UserName>,
    },
    /// A user's end-to-end keys as others see them. Outcome: [`Outcome::UserKeys`].
    UserKeys {
        /// Whose.
        user: UserName,
    },
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Work::Commit`].
    Committed(Answer),
    /// Of [`Work::Read`].
    Page(Page),
    /// Of [`Work::Login`].
    Login {
        /// The account, if the name is claimed.
        account: Option<Account>,
        /// The stream's position.
        position: Seq,
        /// Why the name may not log in, if it may not.
        ban: Option<Ban>,
        /// Whether the store knows what was shown as an invite that is open.
        is_invited: bool,
    },
    /// Of [`Work::Users`].
    Users {
        /// At most `chat::USERS_PER_PAGE_MAX`.
        users: Vec<UserState>,
        /// Whether there are others.
        more: bool,
    },
    /// Of [`Work::User`].
    User(Option<UserState>),
    /// Of [`Work::Owner`]: another server that is there.
    Owner(Option<Node>),
    /// Of [`Work::Elsewhere`].
    Elsewhere(Vec<UserName>),
    /// Of [`Work::OwnKeys`]; `None` if nobody has claimed the name.
    OwnKeys(Option<OwnKeys>),
    /// Of [`Work::UserKeys`], without a one-time key; `None` if nobody has claimed the name.
    UserKeys(Option<UserKeys>),
}

/// What the committer tells a shard: what came of a job.
#[derive(Clone, Debug)]
pub struct Done {
    /// Of which.
    pub ticket: u64,
    /// What.
    pub outcome: Result<Outcome, StoreError>,
}

/// The shard that a user's session and mailbox notifications live on.
#[must_use]
pub fn home(user: &UserName, shards: u8) -> u8 {
    // FNV-1a: stable, so that all shards agree; not a defence against chosen names.
    let hash = user.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // A name's last characters are in the lower half only: users 1 to 999 would share a shard.
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) % u64::from(shards.max(1))) as u8
}
