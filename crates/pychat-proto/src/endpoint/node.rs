//! Which node of a server a connection id belongs to, where several nodes share one key.
//!
//! Such nodes make the same reset tokens. Who sees the connection id of another's session on the wire could send
//! any other node a packet that names it, and would get the RESET that ends that session. So each id names its
//! node, and a node says nothing of an id that belongs to another one that is there. docs/PROTOCOL.md, "Nodes".

use super::Endpoint;
use crate::{ConnectionId, Place, crypto};

/// Where the tag stands in a connection id: behind the shard. 40 random bits follow, which no endpoint has the
/// sessions to run out of.
const SHIFT: u32 = 40;

/// A short name of a node, in the connection ids that it hands out. Two of sixteen nodes have the same one in one
/// of five hundred servers; each of these two then takes the other's sessions for its own that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeTag(u16);

impl NodeTag {
    /// The tag of the node at `place`.
    #[must_use]
    pub fn of(place: &Place) -> Self {
        let [high, low, ..] = crypto::hash(b"pychat node", &[place.to_string().as_bytes()]);
        Self(u16::from_be_bytes([high, low]))
    }

    /// What a connection id says of its node; of one that was drawn by a server without nodes, anything.
    fn in_id(id: ConnectionId) -> Self {
        Self((id.0 >> SHIFT) as u16)
    }
}

/// The nodes as an endpoint knows them.
#[derive(Default)]
pub(super) struct Neighbours {
    own: Option<NodeTag>,
    others: Vec<NodeTag>,
}

impl Neighbours {
    /// Puts our tag into a connection id of 56 random bits behind the shard.
    pub(super) fn tagged(&self, id: ConnectionId) -> ConnectionId {
        let Some(NodeTag(own)) = self.own else { return id };
        let place = u64::from(u16::MAX) << SHIFT;
        ConnectionId(id.0 & !place | u64::from(own) << SHIFT)
    }

    /// Whether another node that is there handed out this id.
    fn hold(&self, id: ConnectionId) -> bool {
        let tag = NodeTag::in_id(id);
        self.own.is_some_and(|own| own != tag) && self.others.contains(&tag)
    }
}

impl Endpoint {
    /// This endpoint's node, and all nodes that are there. Sessions from before keep their ids. Without a node of
    /// its own an endpoint answers for every id.
    pub fn set_nodes(&mut self, own: Option<NodeTag>, all: impl IntoIterator<Item = NodeTag>) {
        let others = all.into_iter().filter(|tag| Some(*tag) != own).collect();
        self.neighbours = Neighbours { own, others };
    }

    /// Whether a session of this id lives at another node, or would: that node alone may say that it is gone.
    pub(super) fn is_elsewhere(&self, id: ConnectionId) -> bool {
        self.neighbours.hold(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: u8) -> NodeTag {
        NodeTag::of(&Place::new(&format!("n{number}"), 7420).unwrap())
    }

    #[test]
    fn an_id_keeps_its_shard_and_its_last_bits_and_names_its_node() {
        let drawn = ConnectionId(0x03ff_ffff_1234_5678);
        let neighbours = Neighbours { own: Some(tag(1)), others: vec![tag(2)] };
        let id = neighbours.tagged(drawn);
        assert_eq!((id.0 >> 56, id.0 & 0xff_ffff_ffff), (3, 0xff_1234_5678));
        assert_eq!(NodeTag::in_id(id), tag(1));
        assert_eq!(Neighbours::default().tagged(drawn), drawn);
    }

    #[test]
    fn only_ids_of_nodes_that_are_there_are_others() {
        let of = |number| {
            Neighbours { own: Some(tag(number)), others: Vec::new() }.tagged(ConnectionId(7))
        };
        let neighbours = Neighbours { own: Some(tag(1)), others: vec![tag(2)] };
        assert!(neighbours.hold(of(2)));
        assert!(!neighbours.hold(of(1)), "ours, from before a restart");
        assert!(!neighbours.hold(of(3)), "its node is gone");
        let nameless = Neighbours { own: None, others: vec![tag(2)] };
        assert!(!nameless.hold(of(2)), "who has no name knows nothing of ids");
    }
}
