//! The thread that speaks to the other nodes.

use super::{
    BEAT, CHECK_EVERY, CUT_OFF, GONE, LISTEN, MAIL_BYTES_PER_FRAME, MAIL_PER_FRAME, NODES_MAX,
    QUEUE_LEN, SEATED_PER_FRAME, SETTLED, STALLED, TELL_AGAIN, ToCluster,
    frame::{Frame, What},
    link::{Heard, Link},
};
use crate::{
    committer::{Committer, home},
    run::Ways,
    shard::{FromNodes, NodeMail, Seated, ToNodes},
    store::{
        Node,
        jetstream::{LiveNodes, Options, wire},
    },
};
use pychat_proto::{Place, UserName};
use std::{collections::BTreeMap, io, thread};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::{info, warn};

/// What the thread is started from.
pub(crate) struct Wires {
    /// Who this node is.
    pub(crate) node: Node,
    /// Where the cluster is.
    pub(crate) options: Options,
    /// Clients reach it there.
    pub(crate) advertise: Option<Place>,
    /// Whether clients are told of the nodes that there are; not where a list is configured.
    pub(crate) tells_nodes: bool,
    /// Who is there, for the store.
    pub(crate) live: LiveNodes,
}

/// The queue that shards put their mail into, before the thread is there.
pub(crate) struct Mailbag {
    bag: mpsc::Receiver<ToNodes>,
}

/// Makes a shard's way to the cluster, and its other end.
pub(crate) fn mailbag() -> (ToCluster, Mailbag) {
    let (queue, bag) = mpsc::channel(QUEUE_LEN);
    (ToCluster { queue }, Mailbag { bag })
}

/// Starts the thread. It ends when `stop` says so, and says goodbye.
///
/// # Errors
/// There can be no thread, or nobody is there whom it could speak to.
pub(crate) fn start(
    wires: Wires,
    bag: Mailbag,
    ways: Ways,
    stop: watch::Receiver<bool>,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("cluster".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(run(wires, bag, ways, stop)),
            Err(error) => warn!(%error, "this node hears nothing of the others"),
        }
    })
}

struct Peer {
    heard_at: Instant,
    /// How often we have counted it as gone for its silence, and it us, as far as it has said so.
    missed: u32,
    missed_us: u32,
    link: Link,
    /// What goes out at the end of this turn: what a turn takes from the shards, whose sessions' windows bound it.
    out: Vec<NodeMail>,
    is_there: bool,
    advertise: Option<Place>,
}

struct Nodes {
    wires: Wires,
    wire: wire::Wire,
    ways: Ways,
    peers: BTreeMap<Node, Peer>,
    seated: Vec<Seated>,
    took: Vec<UserName>,
    /// When mailboxes are taken back after a pause.
    listens_until: Option<Instant>,
    /// When something that we said to all came back to us.
    echo_at: Instant,
    cut_since: Option<Instant>,
    is_cut_off: bool,
    /// Where clients reach the nodes that there are, since when that is so, and whether they were told.
    places: (Vec<Place>, Instant, bool),
}

async fn run(wires: Wires, mut bag: Mailbag, ways: Ways, mut stop: watch::Receiver<bool>) {
    let opened = wire::Wire::open(&wires.options, wires.node).await;
    let wire = match opened {
        Ok(wire) => wire,
        Err(error) => return warn!(%error, "this node hears nothing of the others"),
    };
    let mut nodes = Nodes {
        wires,
        wire,
        ways,
        peers: BTreeMap::new(),
        seated: Vec::new(),
        took: Vec::new(),
        listens_until: None,
        echo_at: Instant::now(),
        cut_since: None,
        is_cut_off: false,
        places: (Vec::new(), Instant::now(), true),
    };
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut again = interval(TELL_AGAIN);
    let mut check = interval(CHECK_EVERY);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_beat = Instant::now();
    let mut mail = Vec::new();
    nodes.broadcast(What::Who).await;
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            heard = nodes.wire.next() => match heard {
                Some(bytes) => nodes.hear(&bytes).await,
                None => break,
            },
            count = bag.bag.recv_many(&mut mail, MAIL_PER_FRAME) => {
                if count == 0 {
                    break;
                }
                for news in mail.drain(..) {
                    nodes.take(news);
                }
            }
            _ = beat.tick() => {
                let pause = last_beat.elapsed();
                last_beat = Instant::now();
                if pause > STALLED {
                    info!(?pause, "this node stood still; it listens for who has moved meanwhile");
                    nodes.echo_at = Instant::now();
                    nodes.renew_all();
                }
                nodes.on_beat().await;
            }
            _ = again.tick() => nodes.tell_seated(None).await,
            _ = check.tick() => nodes.tell_all(&FromNodes::Check),
        }
        nodes.send_out().await;
    }
    nodes.broadcast(What::Bye).await;
    nodes.wire.flush().await;
}

impl Nodes {
    /// Takes what a shard has for others.
    fn take(&mut self, news: ToNodes) {
        match news {
            ToNodes::Mail(node, mail) => match self.peers.get_mut(&node) {
                Some(peer) if peer.is_there => {
                    peer.out.push(mail);
                }
                // It is gone: what was for it is to be handed over anew.
                Some(_) | None => self.tell_all(&FromNodes::Lost(node)),
            },
            ToNodes::Presence(seated) => self.seated.push(seated),
            ToNodes::Took(mailbox) => self.took.push(mailbox),
        }
    }

    async fn send_out(&mut self) {
        let from = self.wires.node.0;
        for (node, peer) in &mut self.peers {
            while !peer.out.is_empty() {
                let mut bytes = 0;
                let fits = peer.out.iter().take_while(|mail| {
                    bytes += mail.bytes();
                    bytes <= MAIL_BYTES_PER_FRAME
                });
                let count = fits.count().clamp(1, MAIL_PER_FRAME).min(peer.out.len());
                let mail: Vec<NodeMail> = peer.out.drain(..count).collect();
                let (link, first) = peer.link.send(mail.len());
                let frame = Frame { from, what: What::Mail { link, first, mail } };
                self.wire.send_to(*node, frame.encode()).await;
            }
        }
        if !self.seated.is_empty() {
            let seated = std::mem::take(&mut self.seated);
            for chunk in seated.chunks(SEATED_PER_FRAME) {
                self.broadcast(What::Seated(chunk.to_vec())).await;
            }
        }
        if !self.took.is_empty() {
            for chunk in std::mem::take(&mut self.took).chunks(SEATED_PER_FRAME) {
                self.broadcast(What::Took(chunk.to_vec())).await;
            }
        }
    }

    async fn broadcast(&self, what: What) {
        let frame = Frame { from: self.wires.node.0, what };
        self.wire.send_to_all(frame.encode()).await;
    }

    async fn hear(&mut self, bytes: &[u8]) {
        let Some(frame) = Frame::decode(bytes) else { return };
        let node = frame.node();
        if node == self.wires.node {
            self.echo_at = Instant::now();
            return;
        }
        if let What::Bye = frame.what {
            self.lose(node, "says goodbye");
            return;
        }
        self.meet(node).await;
        let Some(peer) = self.peers.get_mut(&node) else { return };
        peer.heard_at = Instant::now();
        match frame.what {
            What::Beat { advertise, missed } => {
                peer.advertise = advertise.and_then(|place| place.parse().ok());
                let ours = missed.iter().find(|(node, _)| *node == self.wires.node.0);
                let times = ours.map_or(0, |(_, times)| *times);
                if times > peer.missed_us {
                    info!(%node, "that node missed this one; it listens for who has moved meanwhile");
                    self.listens_until = Some(Instant::now() + LISTEN);
                }
                peer.missed_us = times;
            }
            What::Bye => {}
            What::Who => self.tell_seated(Some(node)).await,
            What::Seated(seated) => self.seat(node, seated),
            What::Took(mailboxes) => {
                for mailbox in mailboxes {
                    let shard = home(&mailbox, self.ways.shards());
                    self.ways.tell(shard, FromNodes::Took(mailbox));
                }
            }
            What::Sent { link, count } => {
                if let Heard::Lost { .. } = peer.link.hear_sent(link, count) {
                    self.tell_all(&FromNodes::Lost(node));
                }
            }
            What::Mail { link, first, mail } => {
                let heard = peer.link.hear(link, first, mail.len());
                if let Heard::Lost { .. } = heard {
                    self.tell_all(&FromNodes::Lost(node));
                }
                if let Heard::Taken | Heard::Lost { taken: true } = heard {
                    for mail in mail {
                        let shard = mail.shard(self.ways.shards());
                        self.ways.tell(shard, FromNodes::Mail(node, mail));
                    }
                }
            }
        }
    }

    /// Notes that a node is there.
    async fn meet(&mut self, node: Node) {
        if self.peers.len() >= NODES_MAX {
            // Each start of a node is a new one.
            self.peers.retain(|_, peer| peer.is_there);
        }
        let count = self.peers.len();
        let peer = match self.peers.get_mut(&node) {
            Some(peer) => peer,
            None if count >= NODES_MAX => return,
            None => self.peers.entry(node).or_insert_with(|| Peer {
                heard_at: Instant::now(),
                missed: 0,
                missed_us: 0,
                link: Link::default(),
                out: Vec::new(),
                is_there: false,
                advertise: None,
            }),
        };
        if !peer.is_there {
            peer.is_there = true;
            info!(%node, "another node is there");
            self.wires.live.set(node, true);
            if peer.missed > 0 {
                self.listens_until = Some(Instant::now() + LISTEN);
            }
            let frame = Frame { from: self.wires.node.0, what: What::Who };
            self.wire.send_to(node, frame.encode()).await;
            self.tell_seated(Some(node)).await;
        }
    }

    fn lose(&mut self, node: Node, why: &str) {
        let Some(peer) = self.peers.get_mut(&node).filter(|peer| peer.is_there) else { return };
        info!(%node, why, "another node is gone");
        peer.is_there = false;
        peer.out.clear();
        peer.link.renew();
        self.wires.live.set(node, false);
        self.tell_all(&FromNodes::Lost(node));
        self.ways.committer(move |committer: &mut Committer| committer.forget_node(node));
    }

    async fn on_beat(&mut self) {
        let advertise = self.wires.advertise.as_ref().map(ToString::to_string);
        let missed = self.peers.iter().filter(|(_, peer)| peer.is_there && peer.missed > 0);
        let missed = missed.map(|(node, peer)| (node.0, peer.missed)).collect();
        self.broadcast(What::Beat { advertise, missed }).await;
        let silent =
            self.peers.iter().filter(|(_, it)| it.is_there && it.heard_at.elapsed() > GONE);
        let silent: Vec<Node> = silent.map(|(node, _)| *node).collect();
        let is_connected = self.wire.is_connected() && self.echo_at.elapsed() < STALLED;
        // Who hears nobody, not even itself, is the one who is gone.
        if is_connected {
            for node in silent {
                self.lose(node, "is silent");
                if let Some(peer) = self.peers.get_mut(&node) {
                    peer.missed = peer.missed.saturating_add(1);
                }
                // It may be the one that goes on, and this one that is missed.
                self.listens_until = Some(Instant::now() + LISTEN);
            }
        }
        let from = self.wires.node.0;
        for (node, peer) in self.peers.iter_mut().filter(|(_, peer)| peer.is_there) {
            if let Some((link, count)) = peer.link.tell() {
                let frame = Frame { from, what: What::Sent { link, count } };
                self.wire.send_to(*node, frame.encode()).await;
            }
        }
        self.watch_connection(is_connected);
        self.tell_places().await;
        if self.listens_until.is_some_and(|until| until <= Instant::now()) {
            self.listens_until = None;
            self.tell_all(&FromNodes::Check);
        }
    }

    /// Tells clients of the nodes that there are, once that has been so for a while.
    async fn tell_places(&mut self) {
        let Some(own) = self.wires.advertise.clone().filter(|_| self.wires.tells_nodes) else {
            return;
        };
        let others = self.peers.values().filter(|peer| peer.is_there);
        let others = others.filter_map(|peer| peer.advertise.clone());
        let places: BTreeMap<String, Place> =
            others.chain([own]).map(|place| (place.to_string(), place)).collect();
        let places: Vec<Place> = places.into_values().collect();
        if places != self.places.0 {
            self.places = (places, Instant::now(), false);
        } else if !self.places.2 && self.places.1.elapsed() > SETTLED {
            self.places.2 = true;
            info!(nodes = self.places.0.len(), "clients are told of the nodes");
            self.ways.set_nodes(self.places.0.clone()).await;
        }
    }

    fn watch_connection(&mut self, is_connected: bool) {
        match (is_connected, self.cut_since) {
            (true, None) => {}
            (true, Some(_)) => {
                info!("this node reaches NATS again");
                self.cut_since = None;
                self.is_cut_off = false;
                self.renew_all();
            }
            (false, None) => {
                warn!("this node does not reach NATS");
                self.cut_since = Some(self.echo_at);
            }
            (false, Some(since)) if since.elapsed() > CUT_OFF && !self.is_cut_off => {
                self.is_cut_off = true;
                // Without others there is no better place for anybody.
                if self.peers.values().any(|peer| peer.is_there) {
                    self.tell_all(&FromNodes::CutOff);
                }
            }
            (false, Some(_)) => {}
        }
    }

    /// What was under way with all others may be lost, and mailboxes may have been taken over.
    fn renew_all(&mut self) {
        let nodes: Vec<Node> = self.peers.keys().copied().collect();
        for node in nodes {
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.link.renew();
                peer.out.clear();
                peer.heard_at = Instant::now();
            }
            self.tell_all(&FromNodes::Lost(node));
        }
        self.listens_until = Some(Instant::now() + LISTEN);
    }

    fn seat(&self, node: Node, seated: Vec<Seated>) {
        for seated in &seated {
            let shard = home(&seated.user, self.ways.shards());
            self.ways.tell(shard, FromNodes::Presence(node, seated.clone()));
        }
        self.ways.committer(move |committer: &mut Committer| {
            seated.into_iter().for_each(|seated| committer.seat(node, seated));
        });
    }

    async fn tell_seated(&self, to: Option<Node>) {
        let from = self.wires.node.0;
        let seated = self.ways.seated().await;
        for chunk in seated.chunks(SEATED_PER_FRAME) {
            let bytes = Frame { from, what: What::Seated(chunk.to_vec()) }.encode();
            match to {
                Some(node) => self.wire.send_to(node, bytes).await,
                None => self.wire.send_to_all(bytes).await,
            }
        }
    }

    fn tell_all(&self, news: &FromNodes) {
        (0..self.ways.shards()).for_each(|shard| self.ways.tell(shard, news.clone()));
    }
}
