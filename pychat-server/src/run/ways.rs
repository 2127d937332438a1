//! The ways from the thread that speaks to other nodes to this one's shards and committer.

use super::{
    peers::{Mail, Mailbox},
    reins::Reins,
};
use crate::{
    committer::Committer,
    shard::{FromNodes, Seated},
};
use pychat_proto::Place;

/// Ways to all threads of a node.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(super) shards: Vec<Mailbox>,
    pub(super) reins: Reins,
}

impl Ways {
    /// How many shards there are.
    pub(crate) fn shards(&self) -> u8 {
        u8::try_from(self.shards.len()).unwrap_or(u8::MAX)
    }

    /// Tells a shard, after all that it was told before. Waits while its queue is full; one that has ended hears
    /// nothing.
    pub(crate) fn tell(&self, shard: u8, news: FromNodes) {
        if let Some((queue, bell)) = self.shards.get(usize::from(shard)) {
            bell.ring();
            let _ = queue.send(Mail::Nodes(news));
            bell.ring();
        }
    }

    /// Has the committer do something, unless it has too much to do.
    pub(crate) fn committer(&self, what: impl FnOnce(&mut Committer) + Send + 'static) {
        self.reins.have_committer(what);
    }

    /// Has the shards tell their clients of the nodes that there are.
    pub(crate) async fn set_nodes(&self, nodes: Vec<Place>) {
        // A shard that does not answer has other troubles.
        let _ = self
            .reins
            .each_shard_for_itself(move |visited| visited.shard.set_nodes(visited.now, &nodes))
            .await;
    }

    /// Users who are here.
    pub(crate) async fn seated(&self) -> Vec<Seated> {
        let seated = self.reins.each_shard_for_itself(|visited| visited.shard.seated()).await;
        seated.into_iter().flatten().flatten().collect()
    }
}
