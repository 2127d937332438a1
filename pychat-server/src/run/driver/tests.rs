use super::*;
use crate::{
    committer::{self, Committer, ToShard},
    run::peers,
    shard::ShardConfig,
    store::{Quota, embedded::Embedded},
};
use pychat_proto::{SecretKey, ServerSecrets};
use std::sync::mpsc::{channel, sync_channel};

/// Longer than a shard takes to end on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn all_orders_that_came_together_are_obeyed() {
    let poll = Poll::new().unwrap();
    let bell = Bell::new(poll.registry(), BELL).unwrap();
    let (peers, mail) = peers::connect(std::slice::from_ref(&bell)).pop().unwrap();
    let (queue, from_committer) = sync_channel(1);
    let store = Box::new(Embedded::in_memory(Quota::default()).unwrap());
    let to_shard = ToShard { queue, bell: bell.clone() };
    let (handle, _) = committer::spawn(Committer::new(store, 1), vec![to_shard]).unwrap();
    let (order, orders) = sync_channel(3);
    for said in [Order::Beat, Order::Beat, Order::Stop { spread: Duration::ZERO }] {
        order.send(said).unwrap();
    }
    bell.ring();

    let [identity, reset] = [1, 2].map(|byte| SecretKey::from_bytes([byte; 32]));
    let config = ShardConfig::new(Arc::new(ServerSecrets { identity, reset }), 0, 1);
    let shard = Shard::new(config, [3; 32]);
    let sockets = vec![PollSocket::bind(([127, 0, 0, 1], 0).into()).unwrap()];
    let ears = Ears { poll, bell, mail, committer: from_committer, orders };
    let beats = Arc::new(AtomicU64::new(0));
    let data = tempfile::tempdir().unwrap();
    let journal = Journal::open(data.path(), 0, 1);
    let driver = Driver::new(shard, ears, sockets, peers, handle, Arc::clone(&beats), journal);
    let driver = driver.unwrap_or_else(|failure| panic!("{failure}"));
    let (end, ended) = channel();
    thread::spawn(move || end.send(driver.run().is_ok()));
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(true));
    assert_eq!(beats.load(Ordering::Relaxed), 2);
}
