//! What must survive a power cut: mailboxes, accounts, stream positions and end-to-end keys, behind
//! one small trait.
//!
//! A mailbox is a log per user; the client owns the cursor; the server trims behind it.

use pychat_proto::{
    Cursor, DisplayName, PublicKey, Seq, StreamId, UserName,
    chat::{OwnKeys, UnixMillis, UserKeys},
};
use std::sync::Arc;

#[cfg(test)]
pub(crate) mod contract;
pub mod embedded;
pub mod jetstream;
mod keys;
mod operator;
mod rules;
pub(crate) mod whole;

pub use keys::{DeviceKey, Opaque, PREKEY_NUMBER_MAX, Prekey};
pub use operator::{
    BANS_MAX, Ban, CODE_CHARS_MAX, Decided, Decision, INVITES_MAX, InvalidCode, InvalidNote,
    Invite, InviteCode, MailboxSize, NOTE_CHARS_MAX, Note, StoreSize,
};

/// A mailbox engine. One thread owns it, so that what it does has one order.
pub trait MailboxStore: Send {
    /// Executes a batch in its order, as one transaction. `Ok` means that all of it survives a
    /// power cut; each command has an answer at its index. `Err` means as [`StoreError`] says.
    fn commit(&mut self, batch: &[Command]) -> Result<Vec<Answer>, StoreError>;

    /// The part of the store that a command writes to. Parts fail by themselves: where a batch fails, those of its commands
    /// that are for other parts may be done by themselves. All for one mailbox are for one part.
    fn part(&self, _command: &Command) -> u8 {
        0
    }

    /// Entries of a mailbox after `after`, ascending, within the limit (at least one, if there is
    /// one). Sees all that was committed.
    fn read(
        &mut self,
        mailbox: &UserName,
        after: Cursor,
        limit: ReadLimit,
    ) -> Result<Page, StoreError>;

    /// The account of that name.
    fn account(&mut self, name: &UserName) -> Result<Option<Account>, StoreError>;

    /// Accounts in the order of their names, those after `after`, at most `limit`.
    fn accounts(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError>;

    /// The highest record of a user's outbox stream that was committed; zero for an unknown one.
    fn position(&mut self, user: &UserName, stream: StreamId) -> Result<Seq, StoreError>;

    /// What is held of a user's end-to-end keys; `None` if nobody has claimed the name. Empty before the
    /// first [`Command::PublishDevice`].
    fn keys(&mut self, user: &UserName) -> Result<Option<OwnKeys>, StoreError>;

    /// The ban on a name, whoever it belongs to.
    fn ban(&mut self, user: &UserName) -> Result<Option<Ban>, StoreError>;

    /// Bans in the order of their names, those after `after`, at most `limit`.
    fn bans(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<(UserName, Ban)>, StoreError>;

    /// All invites, in the order of their codes; at most [`INVITES_MAX`].
    fn invites(&mut self) -> Result<Vec<Invite>, StoreError>;

    /// The invite of that code, also one that is used up or over.
    fn invite(&mut self, code: &InviteCode) -> Result<Option<Invite>, StoreError>;

    /// Sizes of claimed names' mailboxes, in the order of their names, those after `after`, at most
    /// `limit`.
    fn mailboxes(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<MailboxSize>, StoreError>;

    /// How much there is in all.
    fn size(&mut self) -> Result<StoreSize, StoreError>;

    /// The other server whose mailbox it is, if it is one's who is there. Never any where one server has its own
    /// store.
    fn owner(&mut self, _mailbox: &UserName) -> Result<Option<Node>, StoreError> {
        Ok(None)
    }

    /// Those of these mailboxes that another server was the last to write to, whatever was known. Never any where
    /// one server has its own store.
    fn elsewhere(&mut self, _mailboxes: &[UserName]) -> Result<Vec<UserName>, StoreError> {
        Ok(Vec::new())
    }

    /// From now on mailboxes take so much; what is in them already stays.
    fn set_quota(&mut self, quota: Quota);

    /// Does what was put off (trims), before an orderly end. Changes no answer; an engine that is
    /// dropped without it has lost nothing else.
    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What is to be made true on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Adds an entry to a mailbox. Answer: [`Answer::Append`].
    Append(Append),
    /// Moves a stream's position without an entry (a refused message, records no longer kept).
    /// Moving backwards does nothing. Answer: [`Answer::Done`].
    Advance {
        /// Whose stream.
        user: UserName,
        /// Which.
        stream: StreamId,
        /// The new position.
        up_to: Seq,
    },
    /// Removes a mailbox's entries up to a cursor. May be done late: a lost trim only repeats a
    /// delivery. Answer: [`Answer::Done`].
    Trim {
        /// Whose mailbox.
        mailbox: UserName,
        /// The last entry to go.
        up_to: Cursor,
    },
    /// Never hands out a cursor at or below `above` again (the client knows more than a restored
    /// server, or the mailbox's shard has handed it out itself). Answer: [`Answer::Done`].
    Raise {
        /// Whose mailbox.
        mailbox: UserName,
        /// The client's cursor.
        above: Cursor,
    },
    /// Makes the mailbox this server's, whoever's it was: from now on nobody else's entries get into it, and what
    /// others hold is answered [`Appended::Elsewhere`]. Never hands out a cursor at or below `above` again.
    /// Answer: [`Answer::Taken`].
    Take {
        /// Whose mailbox.
        mailbox: UserName,
        /// The client's cursor.
        above: Cursor,
    },
    /// Sets cursors aside for the mailbox's shard to hand out itself, those after what it was given
    /// before; no crash hands one of them out again. Answer: [`Answer::Reserved`].
    Reserve {
        /// Whose mailbox.
        mailbox: UserName,
        /// How far.
        up_to: Cursor,
    },
    /// Claims a name, or updates the display name of one that is ours already (compare-and-set on
    /// the key). A name that nobody has comes without end-to-end keys. Answer: [`Answer::Claim`].
    Claim(Account),
    /// As [`Command::Claim`]; but a name that nobody has takes one use of an invite with it, or is not
    /// claimed. Answer: [`Answer::Claim`].
    ClaimInvited {
        /// Whose the name becomes.
        account: Account,
        /// What was shown.
        code: InviteCode,
        /// The time by which an invite may be over.
        at: UnixMillis,
    },
    /// What the operator decided. Answer: [`Answer::Decided`].
    Decide(Decision),
    /// Sets the keys of a user's device. The same `device` as before keeps its one-time keys; with
    /// another one they are gone, and numbers begin anew at 0. Of a device that comes back nothing is
    /// known any more. Answer: [`Answer::Keys`].
    PublishDevice {
        /// Whose.
        user: UserName,
        /// The device's key.
        device: DeviceKey,
        /// Handed out, as often as it takes, where no one-time key is left.
        fallback: Prekey,
    },
    /// Adds one-time keys to a user's device. Passed over, without a trace, are those
    ///
    /// - of a number below one that was stored for this device before: a key that was handed out stays
    ///   dead, and the same command twice changes nothing;
    /// - for which there is no room beside `chat::PREKEYS_MAX` others: [`OwnKeys::next`] says where to go
    ///   on;
    /// - of a number above [`PREKEY_NUMBER_MAX`], or of a user without a device.
    ///
    /// Answer: [`Answer::Keys`].
    PublishPrekeys {
        /// Whose.
        user: UserName,
        /// The number of the first.
        first: u64,
        /// In the order of their numbers.
        keys: Vec<Prekey>,
    },
    /// Takes a user's one-time key, of those that are left the one of the lowest number. Each is
    /// answered once, however many ask and whatever crashes come. When none is left the answer is the
    /// fallback key. Answer: [`Answer::Prekey`].
    ClaimPrekey {
        /// Whose.
        user: UserName,
    },
}

/// An entry on its way into a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Whose mailbox.
    pub mailbox: UserName,
    /// Where it comes from, for exactly-once.
    pub origin: Origin,
    /// Its place, where the mailbox's shard handed it out itself: such entries come in the order of
    /// their cursors, and no quota holds them up, as the recipient may have them already.
    pub place: Option<Cursor>,
    /// An encoded `chat::ToClient`.
    pub entry: Arc<[u8]>,
}

/// Where an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user's outbox: counted against the mailbox's quota, and not stored where the stream's position
    /// is past it. The position moves behind the message if it stands just before it. If not, messages
    /// before it are still on their way, and whoever knows when all of them are safe moves it.
    Stream {
        /// The sender.
        user: UserName,
        /// The outbox.
        stream: StreamId,
        /// Everything up to here is known to be safe: the position is at least this.
        safe: Seq,
        /// The message's first record.
        first: Seq,
        /// The message's last record.
        last: Seq,
    },
    /// The server itself (receipts): always stored, beyond any quota.
    Server,
}

impl Command {
    /// Whose mailbox, position, name or keys it is about, if it is about anybody's.
    #[must_use]
    pub const fn user(&self) -> Option<&UserName> {
        match self {
            Self::Append(append) => Some(&append.mailbox),
            Self::Advance { user, .. }
            | Self::PublishDevice { user, .. }
            | Self::PublishPrekeys { user, .. }
            | Self::ClaimPrekey { user } => Some(user),
            Self::Trim { mailbox, .. }
            | Self::Raise { mailbox, .. }
            | Self::Take { mailbox, .. }
            | Self::Reserve { mailbox, .. } => Some(mailbox),
            Self::Claim(account) | Self::ClaimInvited { account, .. } => Some(&account.user),
            Self::Decide(decision) => match decision {
                Decision::Free { user }
                | Decision::Rebind { user, .. }
                | Decision::Rename { user, .. } => Some(user),
                Decision::Purge { mailbox } => Some(mailbox),
                Decision::Ban { .. }
                | Decision::Unban { .. }
                | Decision::Invite(_)
                | Decision::Revoke { .. } => None,
            },
        }
    }
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of [`Command::Append`].
    Append(Appended),
    /// Of [`Command::Claim`] and [`Command::ClaimInvited`].
    Claim(Claimed),
    /// Of [`Command::Decide`].
    Decided(Decided),
    /// Of [`Command::Reserve`]: cursors up to here are set aside.
    Reserved(Cursor),
    /// Of [`Command::Take`]: a number that grows with each server that takes this mailbox.
    Taken(u64),
    /// Of [`Command::PublishDevice`] and [`Command::PublishPrekeys`]: what is held now; `None` if nobody
    /// has claimed the name, and nothing was done.
    Keys(Option<OwnKeys>),
    /// Of [`Command::ClaimPrekey`]; `None` if nobody has claimed the name.
    Prekey(Option<UserKeys>),
    /// Of the others.
    Done,
}

/// What an append came to. Anything but `Stored` left no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// On disk.
    Stored {
        /// At this place.
        cursor: Cursor,
        /// Cursors up to here are set aside on disk: who alone writes to this mailbox may hand out
        /// those after `cursor`.
        reserved: Cursor,
    },
    /// The stream's position is past it: it was stored before.
    Duplicate,
    /// The mailbox is at its quota.
    Full,
    /// Nobody has claimed the name.
    NoSuchUser,
    /// The mailbox is another server's, who is there: it is to be handed to that one. Never where one server
    /// has its own store.
    Elsewhere(Node),
}

/// One of the servers that share a store, from its start to its end: drawn at random, and not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u64);

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0 >> 32)
    }
}

/// What a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The name is ours now.
    New,
    /// It was ours already.
    Ours,
    /// It belongs to another key.
    Taken,
    /// There is no open invite of that code.
    NotInvited,
}

/// A user name and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: UserName,
    /// The key that claimed it.
    pub key: PublicKey,
    /// On screen.
    pub name: DisplayName,
    /// When it was claimed, or its display name last set.
    pub since: UnixMillis,
    /// Whether the operator set the display name: a claim does not change it then.
    pub name_is_set: bool,
}

/// How much to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Entries.
    pub entries: usize,
    /// Bytes of entries; the first one is read whatever its size.
    pub bytes: usize,
}

/// A piece of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Ascending.
    pub entries: Vec<Entry>,
    /// Whether there are others after the last.
    pub more: bool,
}

/// An entry of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub cursor: Cursor,
    /// An encoded `chat::ToClient`.
    pub entry: Arc<[u8]>,
}

/// What a caller may do after a failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing of it was written: try again later (a full disk, a busy engine).
    #[error("not written: {0}")]
    NotWritten(String),
    /// Maybe written: try again with the same commands, never report as failed.
    #[error("maybe written: {0}")]
    Unknown(String),
    /// The engine must be opened anew; nothing is tried again on this one (a failed fsync).
    #[error("the store must be opened anew: {0}")]
    Fatal(String),
}

/// Quotas of one mailbox, for entries that users send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Entries.
    pub entries: u64,
    /// Bytes of entries.
    pub bytes: u64,
}

impl Default for Quota {
    /// docs/PROTOCOL.md, "Limits".
    fn default() -> Self {
        Self { entries: 10_000, bytes: 64 * 1024 * 1024 }
    }
}
