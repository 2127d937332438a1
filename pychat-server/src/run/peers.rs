//! What shards hand each other: datagrams that landed on the wrong one, and the relay's news.

use crate::{
    bell::Bell,
    shard::{FromNodes, FromShard},
};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

/// Things that may wait for one shard. Beyond it datagrams and logins are dropped, as a network
/// may drop them: their senders try again. Entries and what became of them are held back here, in
/// their order; the windows of the sessions that they come from bound them.
const QUEUE_LEN: usize = 4096;

/// Something for another shard.
pub(super) enum Mail {
    /// A datagram of one of its sessions.
    Datagram {
        /// Over which socket it came.
        socket: usize,
        /// From whom.
        from: SocketAddr,
        /// What.
        bytes: Box<[u8]>,
    },
    /// What a shard's relay says.
    Relay(FromShard),
    /// What other nodes say.
    Nodes(FromNodes),
}

/// Where a shard's mail goes, and what wakes it.
pub(super) type Mailbox = (SyncSender<Mail>, Bell);

/// One shard's way to all others.
pub(super) struct Peers {
    to: Vec<Mailbox>,
    held: VecDeque<(u8, FromShard)>,
    dropped: u64,
}

/// Each shard's queue and its way to the others, by number; `bells` has each one's.
pub(super) fn connect(bells: &[Bell]) -> Vec<(Peers, Receiver<Mail>)> {
    let (to, inboxes): (Vec<_>, Vec<_>) = bells
        .iter()
        .map(|bell| {
            let (queue, inbox) = sync_channel(QUEUE_LEN);
            ((queue, bell.clone()), inbox)
        })
        .unzip();
    let peers = || Peers { to: to.clone(), held: VecDeque::new(), dropped: 0 };
    inboxes.into_iter().map(|inbox| (peers(), inbox)).collect()
}

impl Peers {
    /// All shards' mailboxes, by number.
    pub(super) fn mailboxes(&self) -> Vec<Mailbox> {
        self.to.clone()
    }

    /// How many shards there are.
    pub(super) fn count(&self) -> usize {
        self.to.len()
    }

    /// Hands a datagram over.
    pub(super) fn forward(&mut self, shard: u8, socket: usize, from: SocketAddr, bytes: &[u8]) {
        let mail = Mail::Datagram { socket, from, bytes: bytes.into() };
        if self.send(shard, mail).is_err() {
            self.dropped += 1;
        }
    }

    // What cannot be sent comes back whole.
    #[allow(clippy::result_large_err)]
    fn send(&self, shard: u8, mail: Mail) -> Result<(), TrySendError<Mail>> {
        let (queue, bell) = &self.to[usize::from(shard)];
        let sent = queue.try_send(mail);
        bell.ring();
        sent
    }

    /// Hands the relay's news over.
    pub(super) fn tell(&mut self, shard: u8, news: FromShard) {
        if self.held.iter().any(|(held_for, _)| *held_for == shard) {
            return self.hold(shard, news);
        }
        match self.send(shard, Mail::Relay(news)) {
            Err(TrySendError::Full(Mail::Relay(news))) => self.hold(shard, news),
            Err(_) => self.dropped += 1,
            Ok(()) => {}
        }
    }

    fn hold(&mut self, shard: u8, news: FromShard) {
        match news {
            // The client asks again.
            FromShard::Login(_) => self.dropped += 1,
            FromShard::Parcel(_) | FromShard::Fate(..) | FromShard::Receipted(..) => {
                self.held.push_back((shard, news));
            }
        }
    }

    /// Tries again what was held back.
    pub(super) fn flush(&mut self) {
        for (shard, news) in std::mem::take(&mut self.held) {
            self.tell(shard, news);
        }
    }

    /// Whether something is held back.
    pub(super) fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was dropped because a queue was full.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news() -> FromShard {
        FromShard::receipted()
    }

    #[test]
    fn a_full_queue_drops_datagrams_and_holds_news_back() {
        let poll = mio::Poll::new().unwrap();
        let bell = Bell::new(poll.registry(), mio::Token(0)).unwrap();
        let mut shards = connect(&[bell.clone(), bell]);
        let (_, inbox) = shards.pop().unwrap();
        let (mut peers, _own) = shards.pop().unwrap();
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        (0..QUEUE_LEN).for_each(|_| peers.forward(1, 0, from, b"x"));
        assert_eq!(peers.dropped(), 0);
        peers.forward(1, 0, from, b"x");
        assert_eq!(peers.dropped(), 1);
        (0..3).for_each(|_| peers.tell(1, news()));
        assert_eq!((peers.dropped(), peers.holds_back()), (1, true));

        while inbox.try_recv().is_ok() {}
        peers.flush();
        assert!(!peers.holds_back());
        let told = std::iter::from_fn(|| inbox.try_recv().ok());
        assert_eq!(
            told.filter(|mail| matches!(mail, Mail::Relay(FromShard::Receipted(..)))).count(),
            3
        );
    }
}
