//! What the nodes of a cluster tell each other, and what a shard hears of them.

use crate::store::Node;
use pychat_proto::{
    MessageId, RefuseCode, Seq, StreamId, Urgency, UserName,
    chat::{Presence, UnixMillis},
};
use serde::{Deserialize, Serialize};

/// What a shard has for another node, or for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToNodes {
    /// For this one alone. Lost with the link to it, which is told as [`FromNodes::Lost`]; never overtaken.
    Mail(Node, NodeMail),
    /// A user came here, went or fell silent. It may get lost: it is told again now and then.
    Presence(Seated),
    /// This node has taken a mailbox over and written to it. It may get lost: whoever has the user here looks after
    /// the mailbox by itself now and then.
    Took(UserName),
}

/// A user who is, or was, at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seated {
    /// Who.
    pub user: UserName,
    /// On screen.
    pub name: pychat_proto::DisplayName,
    /// Whether the user is there.
    pub presence: Presence,
    /// Since when.
    pub since: UnixMillis,
    /// The mailbox's number since when it is this session's: of two sessions the one with the higher is the newer.
    pub taken: u64,
}

/// What a shard hears of other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromNodes {
    /// From this one.
    Mail(Node, NodeMail),
    /// Of a user whose mailbox lives on this shard, if it lives on this server.
    Presence(Node, Seated),
    /// One of them has taken this mailbox over and written to it, though its user may be here.
    Took(UserName),
    /// Something on the way to or from this one was lost, or it is gone.
    Lost(Node),
    /// Others counted this node as gone, or it them: they may have taken mailboxes that are still its users'.
    Check,
    /// The store was out of reach for long: whoever is here goes to another node.
    CutOff,
}

/// One node to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeMail {
    /// Something for the mailbox of a user who is there.
    Parcel(NodeParcel),
    /// What became of one that came from there.
    Fate {
        /// Its number.
        number: u64,
        /// What.
        fate: NodeFate,
    },
}

impl NodeMail {
    /// About how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Parcel(parcel) => parcel.entry.len() + 128,
            Self::Fate { .. } => 16,
        }
    }

    /// The shard that it is for, of so many.
    #[must_use]
    pub fn shard(&self, shards: u8) -> u8 {
        match self {
            Self::Parcel(parcel) => crate::committer::home(&parcel.mailbox, shards),
            Self::Fate { number, .. } => shard_of(*number),
        }
    }
}

/// See [`NodeMail::Parcel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeParcel {
    pub(super) number: u64,
    pub(super) mailbox: UserName,
    pub(super) entry: Vec<u8>,
    /// Whether it is to be written, which proves whose the mailbox is.
    pub(super) proves: bool,
    pub(super) what: NodeAsker,
}

/// Where a parcel comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum NodeAsker {
    Text {
        user: UserName,
        stream: StreamId,
        safe: Seq,
        first: Seq,
        last: Seq,
        /// See [`super::parcel::Place`].
        after: Option<Seq>,
        /// The text that a receipt is due for, if one is.
        owed: Option<MessageId>,
    },
    Receipt {
        at_once: bool,
    },
}

/// What became of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeFate {
    /// The recipient has it on disk, and no disk of the cluster does; its receipt is under way.
    Delivered,
    /// It is done with.
    Settled,
    /// It cannot be taken.
    Refused(RefuseCode),
    /// The store failed.
    Failed,
    /// The mailbox is not that node's.
    Bounced,
    /// The text before it was not there.
    OutOfTurn,
}

/// A parcel's number names its shard in the first byte.
const SHARD_BITS: u32 = 8;

pub(super) const fn number(shard: u8, count: u64) -> u64 {
    (shard as u64) << (u64::BITS - SHARD_BITS) | count
}

const fn shard_of(number: u64) -> u8 {
    (number >> (u64::BITS - SHARD_BITS)) as u8
}

pub(super) const fn word_back(at_once: bool) -> Urgency {
    if at_once { Urgency::Normal } else { Urgency::Low }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_its_shard() {
        let (first, last) = (number(0, 1), number(255, (1 << 56) - 1));
        assert_eq!((shard_of(first), shard_of(last)), (0, 255));
        let mail = NodeMail::Fate { number: number(3, 7), fate: NodeFate::Settled };
        assert_eq!(mail.shard(4), 3);
    }
}
