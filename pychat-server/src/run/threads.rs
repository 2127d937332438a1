//! The shards' threads: starting them, telling them, and noticing when one ends.

use super::{
    Failure,
    driver::{BELL, Driver, Ears, Order, Visited},
    journal::Journal,
    listen::Listeners,
    peers::{self, Mail, Mailbox, Peers},
};
use crate::{
    bell::Bell,
    cluster::ToCluster,
    committer::{CommitterHandle, Done, Unasked},
    config::Settings,
    random,
    shard::{Shard, ShardConfig},
    store::Node,
};
use pychat_proto::ServerSecrets;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};
use tokio::sync::{
    mpsc::{self, channel},
    oneshot,
};

/// Orders that may wait for one shard: a stop, a beat or two, and visitors.
const ORDERS_LEN: usize = 32;

/// What all shards are started from.
pub(super) struct ShardsConfig<'a> {
    pub(super) settings: &'a Settings,
    pub(super) secrets: Arc<ServerSecrets>,
    pub(super) listeners: &'a Listeners,
    /// Which of several nodes this is, and the way to the others.
    pub(super) cluster: Option<(Node, ToCluster)>,
}

/// All shards' threads.
pub(super) struct Shards {
    threads: Vec<Thread>,
    ends: mpsc::Receiver<Ended>,
    mailboxes: Vec<Mailbox>,
}

struct Thread {
    orders: SyncSender<Order>,
    bell: Bell,
    beats: Arc<AtomicU64>,
}

/// A way to visit a shard.
#[derive(Clone)]
pub(super) struct Door {
    orders: SyncSender<Order>,
    bell: Bell,
}

impl Door {
    /// Has `question` run on the shard's thread. The answer is gone where the thread ends before.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Visited<'_>) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Unasked> {
        let (answer, answered) = oneshot::channel();
        let visit = Box::new(move |visited: &mut Visited<'_>| {
            // Who does not wait any more needs no answer.
            let _ = answer.send(question(visited));
        });
        self.orders.try_send(Order::Visit(visit)).map_err(|_| Unasked)?;
        self.bell.ring();
        Ok(answered)
    }
}

/// A shard's thread has ended.
pub(super) struct Ended {
    pub(super) shard: u8,
    pub(super) result: Result<(), Failure>,
}

/// What one thread takes along.
struct Luggage {
    config: ShardConfig,
    nodes: Option<Vec<pychat_proto::Place>>,
    seed: [u8; 32],
    sockets: Vec<pychat_udp::PollSocket>,
    place: Place,
    peers: Peers,
    inbox: Receiver<Mail>,
    committer: CommitterHandle,
    from_committer: Receiver<Done>,
    journal: Journal,
    cluster: Option<ToCluster>,
}

/// Where a shard's thread will wait, and what wakes it there.
pub(super) struct Place {
    poll: mio::Poll,
    pub(super) bell: Bell,
}

impl Place {
    pub(super) fn new() -> Result<Self, Failure> {
        let made = mio::Poll::new().and_then(|poll| {
            let bell = Bell::new(poll.registry(), BELL)?;
            Ok(Self { poll, bell })
        });
        made.map_err(Failure::system("preparing a shard's thread"))
    }
}

impl Shards {
    /// Starts one thread for each of `places`. All sockets are bound when it returns.
    pub(super) fn start(
        config: &ShardsConfig<'_>,
        committer: &CommitterHandle,
        places: Vec<(Place, Receiver<Done>)>,
    ) -> Result<Self, Failure> {
        let shards = config.settings.shards;
        let (end, ends) = channel(usize::from(shards));
        let bells: Vec<Bell> = places.iter().map(|(place, _)| place.bell.clone()).collect();
        let queues = peers::connect(&bells).into_iter().zip(places);
        // All luggage first: if a socket cannot be bound, no thread has started.
        let queues: Vec<_> = queues.collect();
        let mailboxes = queues.first().map(|((peers, _), _)| peers.mailboxes()).unwrap_or_default();
        let luggage: Result<Vec<Luggage>, Failure> = (0..shards)
            .zip(queues)
            .map(|(shard, (peers, place))| pack(config, shard, peers, committer.clone(), place))
            .collect();
        let threads = luggage?.into_iter().map(|luggage| luggage.start(&end));
        Ok(Self { threads: threads.collect::<Result<_, _>>()?, ends, mailboxes })
    }

    /// The first shard to end.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.ends.recv().await {
            Some(ended) => ended,
            // Every thread says how it ended before it drops its sender.
            None => std::future::pending().await,
        }
    }

    /// Waits for another shard to end; `false`: all have.
    pub(super) async fn next_end(&mut self) -> bool {
        self.ends.recv().await.is_some()
    }

    /// Tells all shards to say goodbye and end.
    pub(super) fn stop(&self, spread: Duration) {
        for thread in &self.threads {
            // One that has ended already, or is too stuck to listen, is not waited for.
            let _ = thread.orders.try_send(Order::Stop { spread });
            thread.bell.ring();
        }
    }

    /// Where the shards' mail goes.
    pub(super) fn mailboxes(&self) -> Vec<Mailbox> {
        self.mailboxes.clone()
    }

    /// A way to visit the shards.
    pub(super) fn doors(&self) -> Vec<Door> {
        let door =
            |thread: &Thread| Door { orders: thread.orders.clone(), bell: thread.bell.clone() };
        self.threads.iter().map(door).collect()
    }

    /// How often each shard has answered.
    pub(super) fn beats(&self) -> Vec<u64> {
        self.threads.iter().map(|thread| thread.beats.load(Ordering::Relaxed)).collect()
    }

    /// Asks each shard for a sign of life.
    pub(super) fn ask_for_beats(&self) {
        for thread in &self.threads {
            let _ = thread.orders.try_send(Order::Beat);
            thread.bell.ring();
        }
    }
}

fn pack(
    config: &ShardsConfig<'_>,
    shard: u8,
    (peers, inbox): (Peers, Receiver<Mail>),
    committer: CommitterHandle,
    (place, from_committer): (Place, Receiver<Done>),
) -> Result<Luggage, Failure> {
    let settings = config.settings;
    let seed = *random::bytes().map_err(Failure::system("asking for randomness"))?;
    let sockets = config.listeners.sockets()?;
    let (member, cluster) = config.cluster.clone().unzip();
    let config = ShardConfig {
        member,
        registration: settings.registration.clone(),
        always_write: settings.always_write,
        node: settings.nodes.advertise.clone(),
        ..ShardConfig::new(config.secrets.clone(), shard, settings.shards)
    };
    let journal = Journal::open(&settings.data, shard, settings.shards);
    let nodes = settings.nodes.told.clone();
    Ok(Luggage {
        config,
        nodes,
        seed,
        sockets,
        place,
        peers,
        inbox,
        committer,
        from_committer,
        journal,
        cluster,
    })
}

impl Luggage {
    fn start(self, end: &mpsc::Sender<Ended>) -> Result<Thread, Failure> {
        let (orders, from_main) = sync_channel(ORDERS_LEN);
        let bell = self.place.bell.clone();
        let beats = Arc::new(AtomicU64::new(0));
        let (shard, end, beating) = (self.config.shard, end.clone(), beats.clone());
        let body = move || {
            let ran = catch_unwind(AssertUnwindSafe(|| self.run(from_main, beating)));
            let panicked = |_| Err(Failure::Panicked(format!("shard {shard}")));
            let ended = Ended { shard, result: ran.unwrap_or_else(panicked) };
            // There is room for every shard's end.
            let _ = end.try_send(ended);
        };
        let name = format!("shard-{shard}");
        let started = thread::Builder::new().name(name).spawn(body);
        started.map_err(Failure::system("starting a shard's thread"))?;
        Ok(Thread { orders, bell, beats })
    }

    fn run(self, orders: Receiver<Order>, beats: Arc<AtomicU64>) -> Result<(), Failure> {
        let Place { poll, bell } = self.place;
        let (mail, committer) = (self.inbox, self.from_committer);
        let ears = Ears { poll, bell, mail, committer, orders };
        let mut shard = Shard::new(self.config, self.seed);
        if let Some(nodes) = &self.nodes {
            shard.set_nodes(super::driver::now(), nodes);
        }
        let driver =
            Driver::new(shard, ears, self.sockets, self.peers, self.committer, beats, self.journal);
        driver?.with_cluster(self.cluster).run()
    }
}
