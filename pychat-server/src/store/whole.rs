//! A store as a whole, while no server uses it: user by user, in a form that is no engine's. What moves from one
//! engine to another, and what both are compared by.

use super::{Account, Ban, Decision, Entry, Invite, ReadLimit, StoreError, keys::Keys};
use blake2::{Blake2s256, Digest as _};
use pychat_proto::{Cursor, PublicKey, Seq, StreamId, UserName};

/// All that an engine keeps, in the order of users' names. Nobody else reads or writes it meanwhile.
pub(crate) trait Whole {
    /// Looks anew at who is there, before each pass over the names; answers how many there are, about.
    fn begin(&mut self) -> Result<u64, StoreError>;

    /// Names of which something may be kept, in their order, those after `after`, at most `limit`.
    fn names(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<UserName>, StoreError>;

    /// What is kept of each of these users but the entries of the mailbox.
    fn standings(&mut self, users: &[UserName]) -> Result<Vec<Standing>, StoreError>;

    /// Entries of each of these mailboxes, those after the cursor, ascending; at least one where there is one, and
    /// for each mailbox at most about `limit`. All of them are among the users of the last
    /// [`Whole::standings`].
    fn pieces(
        &mut self,
        wanted: &[(UserName, Cursor)],
        limit: ReadLimit,
    ) -> Result<Vec<Vec<Piece>>, StoreError>;

    /// Bans and invites.
    fn rules(&mut self) -> Result<RuleBook, StoreError>;

    /// Writes parcels, each of another user: done means that all of it survives a power cut. What was there of a
    /// user goes with the first parcel, also where it is an unfinished try's. The same parcels twice, and the
    /// first of them after any crash, come to the same.
    fn put(&mut self, parcels: &[Parcel]) -> Result<(), StoreError>;

    /// Makes decisions about bans and invites hold.
    fn decide(&mut self, decisions: Vec<Decision>) -> Result<(), StoreError>;
}

/// What is kept of a user but the entries of the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) user: UserName,
    /// Whose the name is, if anybody's.
    pub(crate) account: Option<Account>,
    pub(super) keys: Option<Keys>,
    /// How far the outboxes have come, the one that was used last at the end.
    pub(crate) streams: Vec<(StreamId, Seq)>,
    /// Cursors up to here may have been handed out: none of them is again.
    pub(crate) reserved: Cursor,
    /// The mailbox's last entry; none if it is empty.
    pub(crate) last: Cursor,
}

/// What the operator decided that concerns no account, each kind in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleBook {
    pub(crate) bans: Vec<(UserName, Ban)>,
    pub(crate) invites: Vec<Invite>,
}

/// An entry of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) entry: Entry,
    pub(crate) weight: Weight,
}

/// Whether an entry counts against the mailbox's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It does: a user's.
    Counts,
    /// It does not: the server's own.
    Free,
}

/// A user's part of what is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) standing: Standing,
    pub(crate) part: Part,
    /// Entries behind those of the parcel before.
    pub(crate) pieces: Vec<Piece>,
}

/// Which of a user's parcels it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The first: nothing stays of what was there.
    First,
    /// More entries for the same mailbox.
    Next,
}

impl Standing {
    /// One of whom nothing is kept.
    pub(super) const fn nothing(user: UserName) -> Self {
        Self {
            user,
            account: None,
            keys: None,
            streams: Vec::new(),
            reserved: Cursor::NONE,
            last: Cursor::NONE,
        }
    }

    /// Whether nothing is kept.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::nothing(self.user)
    }
}

/// How a place that is to be filled may be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Empty, or half filled by an earlier try.
    Anew,
    /// Half filled by an earlier try, and not otherwise.
    GoOn,
}

/// Whether there was a try of the same migration before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// There was not.
    Now,
    /// It goes on.
    Before,
}

/// What a user's part of a store comes to. Two engines that hold the same for clients have the same.
pub(crate) struct Tally {
    hash: Blake2s256,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    /// Begins with what is not in the mailbox.
    pub(crate) fn of(standing: &Standing) -> Self {
        let Standing { user, account, keys, streams, reserved, last } = standing;
        let mut tally = Self { hash: Blake2s256::new(), entries: 0, bytes: 0 };
        tally.feed(user.as_str().as_bytes());
        tally.number(account.is_some().into());
        if let Some(Account { user: _, key: PublicKey(key), name, since, name_is_set }) = account {
            tally.feed(key);
            tally.feed(name.as_str().as_bytes());
            tally.number(*since);
            tally.number((*name_is_set).into());
        }
        tally.number(keys.is_some().into());
        if let Some(Keys { device, fallback, next, unused }) = keys {
            tally.feed(device.as_bytes());
            tally.feed(fallback.as_bytes());
            tally.number(*next);
            tally.feed(&unused.bytes);
        }
        tally.number(streams.len() as u64);
        for (StreamId(stream), position) in streams {
            tally.feed(stream);
            tally.number(position.0);
        }
        tally.number(reserved.0);
        tally.number(last.0);
        tally
    }

    /// Adds an entry.
    pub(crate) fn add(&mut self, piece: &Piece) {
        let Piece { entry: Entry { cursor, entry }, weight } = piece;
        self.number(cursor.0);
        self.number((*weight == Weight::Counts).into());
        self.feed(entry);
        self.entries += 1;
        self.bytes += entry.len() as u64;
    }

    /// All of it in few bytes.
    pub(crate) fn finish(self) -> [u8; 32] {
        self.hash.finalize().into()
    }

    fn number(&mut self, number: u64) {
        self.hash.update(number.to_le_bytes());
    }

    /// Behind their length, so that nothing passes for its neighbour.
    fn feed(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hash.update(bytes);
    }
}
