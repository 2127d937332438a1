//! The node among its likes: signs of life, who is where, and mail between shards of different nodes.
//!
//! All of it goes over plain NATS subjects, which may lose what they carry; `link` notices that. Nothing
//! here decides what is true: that is the store's.

mod frame;
mod link;
mod sentry;
mod thread;

pub(crate) use sentry::Sentry;
pub(crate) use thread::{Wires, mailbag, start};

use crate::shard::ToNodes;
use std::time::Duration;
use tokio::sync::mpsc;

/// Mail from shards that may wait here. Beyond it a shard keeps its own.
const QUEUE_LEN: usize = 8192;

/// Between two signs of life.
const BEAT: Duration = Duration::from_millis(500);

/// Silence after which a node counts as gone: its mailboxes may be taken over. One that was only slow loses
/// nothing by it.
const GONE: Duration = Duration::from_millis(2_500);

/// A pause of our own after which the others may have counted us as gone; or how long we may not hear what we
/// say to all, which comes back to us too, before we know that NATS is out of reach.
const STALLED: Duration = Duration::from_secs(2);

/// How long one that the others may have counted as gone listens for who has moved meanwhile, before it takes
/// its mailboxes back.
const LISTEN: Duration = Duration::from_secs(1);

/// How long the cluster may be out of reach before clients are sent to other nodes.
const CUT_OFF: Duration = Duration::from_secs(5);

/// How long the nodes have to be the same before clients are told of them: each change costs a packet each.
const SETTLED: Duration = Duration::from_secs(3);

/// How often all who are here are told again, so that what got lost is known again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// How often each node looks whether others have taken mailboxes of users who are here: what tells them at once
/// may get lost. One read for each of them.
const CHECK_EVERY: Duration = Duration::from_secs(300);

/// Users in one message, and bytes of mail.
const SEATED_PER_FRAME: usize = 1_000;
const MAIL_BYTES_PER_FRAME: usize = 256 * 1024;
const MAIL_PER_FRAME: usize = 512;

/// Most nodes that are listened to.
const NODES_MAX: usize = 256;

/// A shard's way to the other nodes.
#[derive(Clone, Debug)]
pub(crate) struct ToCluster {
    queue: mpsc::Sender<ToNodes>,
}

impl ToCluster {
    /// Hands something over; comes back if there is no room.
    // What cannot be sent comes back whole.
    #[allow(clippy::result_large_err)]
    pub(crate) fn tell(&self, news: ToNodes) -> Result<(), ToNodes> {
        match self.queue.try_send(news) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(news)) => Err(news),
        }
    }
}
