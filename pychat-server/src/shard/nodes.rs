//! Where else the server is: what clients are told of its nodes, and whose sessions this one answers for.

use super::{Now, Shard};
use pychat_proto::{
    NodeTag, Place, SessionId,
    chat::{self, Note},
};

impl Shard {
    /// The server's nodes, as they are now, this one among them. Clients who are here are told if that is news, and
    /// all others after their login. Each change costs every session a packet: whoever watches nodes come and go
    /// waits a moment before it says so.
    ///
    /// Also, no other node's session is answered with RESET as long as that node is named here: it alone knows
    /// whether the session is there. A node that is gone for good is to be left out, so that its clients are told
    /// wherever they turn up.
    pub fn set_nodes(&mut self, now: Now, nodes: &[Place]) {
        let own = self.config.node.as_ref().map(NodeTag::of);
        self.endpoint.set_nodes(own, nodes.iter().map(NodeTag::of));
        let note = Note::of_nodes(nodes);
        let encoded = chat::encode(&note).into_boxed_slice();
        if self.nodes.as_ref() != Some(&encoded) {
            self.nodes = Some(encoded);
            self.tell_all(now, &note);
        }
    }

    /// Tells one who has logged in.
    pub(super) fn tell_nodes(&mut self, now: Now, id: SessionId) {
        if let Some(note) = &self.nodes {
            self.endpoint.note(now.mono, id, note);
        }
    }
}
