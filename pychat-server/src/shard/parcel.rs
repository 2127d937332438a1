//! Entries on their way to the shard that their mailbox lives on, and the word that comes back.
//!
//! That shard alone writes to the mailbox, so that it can hand out places in it, and send an entry to
//! its reader, before a disk has it.

use super::unsettled::Owed;
use crate::store::Node;
use pychat_proto::{Instant, RefuseCode, Seq, SessionId, StreamId, Urgency, UserName};
use smallvec::SmallVec;
use std::sync::Arc;

/// Something for a mailbox.
pub struct Parcel {
    pub(super) mailbox: UserName,
    /// An encoded `chat::ToClient`.
    pub(super) entry: Arc<[u8]>,
    /// The receipt that is due once the recipient has it.
    pub(super) owed: Option<Owed>,
    pub(super) asker: Asker,
    /// It may go to its reader unwritten only under a lease that was asked for later than this. See
    /// [`super::ownership`].
    pub(super) since: Instant,
}

/// Names a message of a session's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) shard: u8,
    pub(super) session: SessionId,
    /// Its last record.
    pub(super) last: Seq,
}

/// A message whose text is on no disk of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// Of a session of this server.
    Here(Record),
    /// Of another node's, by the number of its parcel.
    There(Node, u64),
}

/// Who waits to hear what became of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A session's stream.
    Stream(Record, Place),
    /// A receipt's recipient gets it, and then somebody else's entries may go.
    Receipt(Receipt),
    /// Another node, on behalf of one of these.
    Hop(Hop),
}

/// A parcel of another node's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) node: Node,
    /// Its number there.
    pub(super) number: u64,
    pub(super) what: Hopped,
}

/// What the other node's asker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hopped {
    /// A stream, and the message's last record.
    Text(Place, Seq),
    /// A receipt, and whether its reader is to say at once that it has it.
    Receipt(Urgency),
}

impl Asker {
    /// Whether somebody waits for it: what is of low urgency may be kept from the disk for longer.
    pub(super) const fn urgency(&self) -> Urgency {
        match self {
            Self::Stream(..) | Self::Hop(Hop { what: Hopped::Text(..), .. }) => Urgency::Normal,
            Self::Receipt(_) | Self::Hop(Hop { what: Hopped::Receipt(_), .. }) => Urgency::Low,
        }
    }

    /// Whether the reader is to say at once that it has it.
    pub(super) const fn word_back(&self) -> Urgency {
        match self {
            Self::Stream(..) | Self::Hop(Hop { what: Hopped::Text(..), .. }) => Urgency::Normal,
            Self::Receipt(receipt) => receipt.word_back,
            Self::Hop(Hop { what: Hopped::Receipt(word_back), .. }) => *word_back,
        }
    }

    /// The text that it is about, if it is one.
    pub(super) const fn text(&self) -> Option<Unwritten> {
        match self {
            Self::Stream(record, _) => Some(Unwritten::Here(*record)),
            Self::Hop(Hop { node, number, what: Hopped::Text(..), .. }) => {
                Some(Unwritten::There(*node, *number))
            }
            Self::Receipt(_) | Self::Hop(Hop { what: Hopped::Receipt(_), .. }) => None,
        }
    }
}

/// Where in its stream a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) user: UserName,
    pub(super) stream: StreamId,
    /// Everything up to here is safe for good.
    pub(super) safe: Seq,
    /// The message's first record.
    pub(super) first: Seq,
    /// The message before it in the same mailbox, by its last record, if nobody knows yet what became of it. See
    /// [`super::turns`].
    pub(super) after: Option<Seq>,
}

/// What waits for a receipt to be safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    /// A round of receipts, by its session's shard, and the receipt's number in it.
    pub(super) round: Option<(u8, SessionId, usize)>,
    /// Texts that no disk of ours holds, on the shard that the receipt goes to: they are done with only
    /// when their receipt is safe.
    pub(super) settles: SmallVec<[Unwritten; 2]>,
    /// Whether its reader is to say at once that it has it.
    pub(super) word_back: Urgency,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The recipient has it on disk, and the receipt is under way. No disk of ours has either.
    Delivered,
    /// It is done with: on our disk, or delivered and receipted.
    Settled,
    /// It cannot be taken.
    Refused(RefuseCode),
    /// The store failed: it is to be handed over again after a while.
    Failed,
    /// The mailbox is somewhere else by now, or whoever had it is gone: it is to be handed over again.
    Again,
    /// The one before it was not there: it is to be handed over again when it is known what became of that.
    OutOfTurn,
}

/// A receipt is not safe, and to be handed over again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsafe {
    /// The store failed: after a while.
    Failed,
    /// Something before it was not written: at once.
    OutOfTurn,
}

/// What one shard tells another. None of it may be lost but a login; none may overtake another.
// Nearly all of it are parcels and their fates, and a box for each would cost more than its size.
#[allow(clippy::large_enum_variant)]
pub enum FromShard {
    /// A login of a user who lives there.
    Login(Box<pychat_proto::Incoming>),
    /// Something for the mailbox of a user who lives there.
    Parcel(Parcel),
    /// What became of a message.
    Fate(Record, Fate),
    /// Whether a receipt of a session's round is safe; its number.
    Receipted(SessionId, usize, Result<(), Unsafe>),
}

#[cfg(test)]
impl FromShard {
    /// News of no weight, for a queue's tests.
    pub(crate) const fn receipted() -> Self {
        Self::Receipted(SessionId::NONE, 0, Ok(()))
    }
}
