//! What goes between nodes over NATS: best effort, in order, perhaps lost.

use crate::{
    shard::{NodeMail, Seated},
    store::Node,
};
use pychat_proto::{UserName, chat};
use serde::{Deserialize, Serialize};

/// A message of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frame {
    /// Whose.
    pub(super) from: u64,
    pub(super) what: What,
}

/// See [`Frame`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// To all: it is there.
    Beat {
        /// Its public address, if it has told one.
        advertise: Option<String>,
        /// How often it has counted which of the nodes that are there as gone, for their silence.
        missed: Vec<(u64, u32)>,
    },
    /// To all: it is going.
    Bye,
    /// Users who came, went or fell silent there; to all, or to one that asked.
    Seated(Vec<Seated>),
    /// To all: mailboxes that it took over from a node that did not answer, and wrote to.
    Took(Vec<UserName>),
    /// To one: who is there?
    Who,
    /// To one: mail. The first piece's number on this link.
    Mail { link: u64, first: u64, mail: Vec<NodeMail> },
    /// To one: so many pieces were sent on this link.
    Sent { link: u64, count: u64 },
}

/// The form of all frames that there are.
const FORM: u8 = 2;

impl Frame {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        chat::encode_into(self, &mut bytes);
        bytes
    }

    /// None for what a node of another version, or somebody else, says.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (form, rest) = bytes.split_first()?;
        (*form == FORM).then(|| chat::decode(rest).ok()).flatten()
    }

    pub(super) const fn node(&self) -> Node {
        Node(self.from)
    }
}
