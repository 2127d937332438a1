//! Nodes, their people and their store, in one thread and on a virtual clock.

use super::super::person::{Device, Person};
use crate::{
    committer::{Committer, Job, Work},
    shard::{FromNodes, FromShard, NodeMail, Now, Shard, ShardConfig, ToNodes},
    store::{
        Node, Quota,
        jetstream::{JetStream, LiveNodes, Model},
    },
};
use pychat_proto::{Endpoint, Instant, Owner, SecretKey, ServerSecrets};
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

const SHARDS: u8 = 2;
const EPOCH_MS: u64 = 1_700_000_000_000;

pub(super) struct Server {
    pub(super) node: Node,
    pub(super) shards: Vec<Shard>,
    pub(super) committer: Committer,
    pub(super) jobs: Vec<Job>,
    pub(super) store: Model,
    pub(super) live: LiveNodes,
    /// A frozen node does nothing, and what is for it waits.
    pub(super) is_frozen: bool,
    /// Its store writes later.
    pub(super) store_waits: bool,
    pub(super) waiting: Vec<(Node, NodeMail)>,
}

pub(super) struct Cluster {
    pub(super) mono: Instant,
    pub(super) secrets: Arc<ServerSecrets>,
    pub(super) model: Model,
    pub(super) servers: Vec<Option<Server>>,
    pub(super) people: Vec<(Person, usize)>,
    pub(super) lives: u8,
    /// Mail between nodes that is lost, by its number.
    pub(super) loses: BTreeSet<usize>,
    /// Whether nobody hears that mailboxes were taken.
    pub(super) loses_news: bool,
    pub(super) mails: usize,
}

impl Cluster {
    pub(super) fn new(nodes: usize) -> Self {
        let [identity, reset] = [101, 102].map(|byte| SecretKey::from_bytes([byte; 32]));
        let mut cluster = Self {
            mono: Instant::from_micros(1_000_000),
            secrets: Arc::new(ServerSecrets { identity, reset }),
            model: Model::default(),
            servers: (0..nodes).map(|_| None).collect(),
            people: Vec::new(),
            lives: 0,
            loses: BTreeSet::new(),
            loses_news: false,
            mails: 0,
        };
        (0..nodes).for_each(|number| cluster.start(number));
        cluster
    }

    pub(super) fn start(&mut self, number: usize) {
        self.lives += 1;
        let node = Node(u64::from(self.lives));
        let (store, live) = (self.model.connect(), LiveNodes::default());
        let engine = JetStream::new(store.clone(), node.0, Quota::default());
        let committer = Committer::new(Box::new(engine.with_live(live.clone())), SHARDS);
        let shard = |shard| {
            let config = ShardConfig {
                member: Some(node),
                ..ShardConfig::new(self.secrets.clone(), shard, SHARDS)
            };
            Shard::new(config, [self.lives * 16 + shard; 32])
        };
        let shards: Vec<Shard> = (0..SHARDS).map(shard).collect();
        let (jobs, waiting) = (Vec::new(), Vec::new());
        let (is_frozen, store_waits) = (false, false);
        let server =
            Server { node, shards, committer, jobs, store, live, is_frozen, store_waits, waiting };
        for other in self.servers.iter_mut().flatten() {
            other.live.set(node, true);
            server.live.set(other.node, true);
        }
        self.servers[number] = Some(server);
        self.introduce(number);
    }

    /// Tells a node who is at the others.
    pub(super) fn introduce(&mut self, number: usize) {
        let mut seated = Vec::new();
        for server in self.servers.iter().flatten() {
            let there = server.shards.iter().flat_map(Shard::seated);
            seated.extend(there.map(|it| (server.node, it)));
        }
        let now = self.now();
        let Some(server) = &mut self.servers[number] else { return };
        for (node, seated) in seated.into_iter().filter(|(node, _)| *node != server.node) {
            let home = crate::committer::home(&seated.user, SHARDS);
            let heard = FromNodes::Presence(node, seated);
            server.shards[usize::from(home)].handle_nodes(now, heard);
        }
    }

    /// Kills a node; the others are told that it is gone.
    pub(super) fn kill(&mut self, number: usize) {
        let Some(server) = self.servers[number].take() else { return };
        self.lose(server.node);
    }

    pub(super) fn lose(&mut self, node: Node) {
        let now = self.now();
        for other in self.servers.iter_mut().flatten().filter(|other| other.node != node) {
            other.live.set(node, false);
            other.shards.iter_mut().for_each(|it| it.handle_nodes(now, FromNodes::Lost(node)));
        }
    }

    /// A node stands still, and the others take it for dead; it knows nothing of that.
    pub(super) fn freeze(&mut self, number: usize) {
        let server = self.server(number);
        server.is_frozen = true;
        let node = server.node;
        self.lose(node);
    }

    /// It goes on, and is heard of again.
    pub(super) fn thaw(&mut self, number: usize) {
        let now = self.now();
        let server = self.server(number);
        server.is_frozen = false;
        let (node, waiting) = (server.node, std::mem::take(&mut server.waiting));
        for other in self.servers.iter_mut().flatten().filter(|other| other.node != node) {
            other.live.set(node, true);
        }
        let nodes: Vec<Node> = self.servers.iter().flatten().map(|it| it.node).collect();
        for (from, mail) in waiting {
            self.deliver(from, node, mail);
        }
        // What was under way in both directions may be lost.
        let server = self.server(number);
        for other in nodes.into_iter().filter(|other| *other != node) {
            server.shards.iter_mut().for_each(|it| it.handle_nodes(now, FromNodes::Lost(other)));
        }
        self.introduce(number);
        let server = self.server(number);
        server.shards.iter_mut().for_each(|it| it.handle_nodes(now, FromNodes::Check));
    }

    /// A node counts another one as gone, which knows nothing of it.
    pub(super) fn miss(&mut self, by: usize, whom: usize) {
        let now = self.now();
        let whom = self.server(whom).node;
        let server = self.server(by);
        server.live.set(whom, false);
        server.shards.iter_mut().for_each(|it| it.handle_nodes(now, FromNodes::Lost(whom)));
    }

    /// It hears of it again, on a new link, but not yet who is there.
    pub(super) fn meet_again(&mut self, by: usize, whom: usize) {
        let now = self.now();
        let (node, other) = (self.server(by).node, self.server(whom).node);
        self.server(by).live.set(other, true);
        let server = self.server(whom);
        server.shards.iter_mut().for_each(|it| it.handle_nodes(now, FromNodes::Lost(node)));
        self.introduce(by);
    }

    /// A node has heard that it was missed.
    pub(super) fn wake(&mut self, number: usize) {
        let now = self.now();
        let server = self.server(number);
        server.shards.iter_mut().for_each(|it| it.handle_nodes(now, FromNodes::Check));
    }

    /// A node's store does so many of the writes that it was given.
    pub(super) fn write_down(&mut self, number: usize, count: usize) {
        let now = self.now();
        let server = self.server(number);
        let mut told = Vec::new();
        let jobs = server.jobs.drain(..count).collect();
        server.committer.step(jobs, &mut told);
        for (shard, told) in told {
            server.shards[usize::from(shard)].handle_committer(now, told);
        }
    }

    pub(super) fn server(&mut self, number: usize) -> &mut Server {
        self.servers[number].as_mut().expect("it runs")
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: self.mono, unix_ms: EPOCH_MS + self.mono.as_micros() / 1_000 }
    }

    pub(super) fn address(server: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, server as u8 + 1], 7420))
    }

    pub(super) fn join(&mut self, user: &str, server: usize) -> usize {
        let number = self.people.len();
        let address = SocketAddr::from(([10, number as u8, 0, 1], 5_000 + number as u16));
        let key = self.secrets.identity.public();
        let device = Device::new(user, number as u8 + 1);
        let person = Person::new(device, key, address, [200 - number as u8; 32]);
        self.people.push((person, server));
        self.go_to(number, server);
        number
    }

    /// A person logs in at a node; whatever session there was elsewhere is left without a word.
    pub(super) fn go_to(&mut self, number: usize, server: usize) {
        let mono = self.mono;
        let (person, at) = &mut self.people[number];
        *at = server;
        person.client.handle_network_change(mono);
        person.client.set_addresses(mono, vec![Self::address(server)]);
        self.run(Duration::from_secs(2));
    }

    pub(super) fn write(&mut self, from: usize, to: &str, body: &str) {
        let mono = self.mono;
        self.people[from].0.write(mono, to, body);
    }

    pub(super) fn texts(&self, number: usize) -> Vec<String> {
        let texts = self.people[number].0.texts();
        texts.into_iter().map(str::to_owned).collect()
    }

    /// Of how many texts a person was told that they are delivered; being told twice means nothing.
    pub(super) fn delivered(&self, number: usize) -> usize {
        let told: BTreeSet<_> = self.people[number].0.delivered().into_iter().collect();
        told.len()
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.mono + time;
        let mut rounds = 0;
        loop {
            while self.exchange() {
                rounds += 1;
                assert!(rounds < 1_000_000, "this never ends, at {:?}", self.mono);
            }
            let servers = self.servers.iter_mut().flatten().filter(|it| !it.is_frozen);
            let servers = servers.flat_map(|it| it.shards.iter_mut());
            let next = servers.filter_map(Shard::poll_timeout);
            let people = self.people.iter().filter_map(|(it, _)| it.client.poll_timeout());
            match next.chain(people).min() {
                Some(next) if next <= end => {
                    self.mono = self.mono.max(next);
                    let now = self.now();
                    let servers = self.servers.iter_mut().flatten().filter(|it| !it.is_frozen);
                    servers
                        .flat_map(|it| it.shards.iter_mut())
                        .for_each(|it| it.handle_timeout(now));
                    self.people.iter_mut().for_each(|(it, _)| it.client.handle_timeout(now.mono));
                }
                Some(_) | None => break,
            }
        }
        self.mono = end;
    }

    pub(super) fn exchange(&mut self) -> bool {
        let mut moved = self.exchange_datagrams();
        moved |= self.exchange_news();
        moved |= self.exchange_mail();
        let mono = self.mono;
        for (person, _) in &mut self.people {
            while person.take_event(mono) {
                moved = true;
            }
        }
        moved
    }

    pub(super) fn exchange_datagrams(&mut self) -> bool {
        let (now, mut buffer) = (self.now(), Vec::new());
        let mut moved = false;
        for (person, at) in &mut self.people {
            while let Some(transmit) = person.client.poll_transmit(now.mono, &mut buffer) {
                moved = true;
                for datagram in buffer.chunks_mut(transmit.segment_bytes.max(1)) {
                    let server = self.servers[*at].as_mut();
                    let Some(server) = server.filter(|it| !it.is_frozen) else { continue };
                    let shard = match Endpoint::owner(datagram) {
                        Owner::Shard(number) => usize::from(number % SHARDS),
                        Owner::Any => 0,
                    };
                    server.shards[shard].handle_datagram(now, person.address, datagram);
                }
            }
        }
        for (number, server) in self.servers.iter_mut().enumerate() {
            let Some(server) = server.as_mut().filter(|it| !it.is_frozen) else { continue };
            for shard in &mut server.shards {
                while let Some(transmit) = shard.poll_transmit(now, &mut buffer) {
                    moved = true;
                    let to = self.people.iter_mut().find(|(it, _)| it.address == transmit.to);
                    let Some((person, _)) = to else { continue };
                    for datagram in buffer.chunks_mut(transmit.segment_bytes.max(1)) {
                        let from = Self::address(number);
                        person.client.handle_datagram(now.mono, from, datagram);
                    }
                }
            }
        }
        moved
    }

    pub(super) fn exchange_news(&mut self) -> bool {
        let now = self.now();
        let mut moved = false;
        for server in self.servers.iter_mut().flatten().filter(|it| !it.is_frozen) {
            let mut news: Vec<(u8, FromShard)> = Vec::new();
            for shard in &mut server.shards {
                server.jobs.extend(std::iter::from_fn(|| shard.poll_job()));
                news.extend(std::iter::from_fn(|| shard.poll_to_shard()));
            }
            let waits = |job: &Job| server.store_waits && matches!(job.work, Work::Commit(_));
            let (waiting, jobs) = std::mem::take(&mut server.jobs).into_iter().partition(waits);
            server.jobs = waiting;
            let jobs: Vec<Job> = jobs;
            moved |= !news.is_empty() || !jobs.is_empty();
            for (shard, news) in news {
                server.shards[usize::from(shard)].handle_peer_shard(now, news);
            }
            let mut told = Vec::new();
            server.committer.step(jobs, &mut told);
            for (shard, told) in told {
                server.shards[usize::from(shard)].handle_committer(now, told);
            }
        }
        moved
    }

    pub(super) fn exchange_mail(&mut self) -> bool {
        let mut out = Vec::new();
        for server in self.servers.iter_mut().flatten().filter(|it| !it.is_frozen) {
            let node = server.node;
            for shard in &mut server.shards {
                out.extend(std::iter::from_fn(|| shard.poll_to_nodes()).map(|it| (node, it)));
            }
        }
        let moved = !out.is_empty();
        // With one piece of mail all that is under way between two nodes is lost.
        let mut broken = BTreeSet::new();
        for (from, mail) in out {
            match mail {
                ToNodes::Mail(to, mail) => {
                    self.mails += 1;
                    let link = (from.min(to), from.max(to));
                    if self.loses.contains(&self.mails) && broken.insert(link) {
                        self.break_link(from, to);
                    } else if !broken.contains(&link) {
                        self.deliver(from, to, mail);
                    }
                }
                ToNodes::Took(mailbox) => {
                    let now = self.now();
                    let home = usize::from(crate::committer::home(&mailbox, SHARDS));
                    let others = self.servers.iter_mut().flatten();
                    for other in others.filter(|it| it.node != from && !it.is_frozen) {
                        if self.loses_news {
                            continue;
                        }
                        other.shards[home].handle_nodes(now, FromNodes::Took(mailbox));
                    }
                }
                ToNodes::Presence(seated) => {
                    let now = self.now();
                    let home = usize::from(crate::committer::home(&seated.user, SHARDS));
                    let others = self.servers.iter_mut().flatten();
                    for other in others.filter(|it| it.node != from && !it.is_frozen) {
                        let heard = FromNodes::Presence(from, seated.clone());
                        other.shards[home].handle_nodes(now, heard);
                    }
                }
            }
        }
        moved
    }

    pub(super) fn deliver(&mut self, from: Node, to: Node, mail: NodeMail) {
        let now = self.now();
        let Some(server) = self.servers.iter_mut().flatten().find(|it| it.node == to) else {
            return;
        };
        if server.is_frozen {
            server.waiting.push((from, mail));
            return;
        }
        let shard = usize::from(mail.shard(SHARDS));
        server.shards[shard].handle_nodes(now, FromNodes::Mail(from, mail));
    }

    /// Something between two nodes was lost, and both notice.
    pub(super) fn break_link(&mut self, one: Node, other: Node) {
        let now = self.now();
        for (node, lost) in [(one, other), (other, one)] {
            let server = self.servers.iter_mut().flatten().find(|it| it.node == node);
            for shard in server.into_iter().flat_map(|it| it.shards.iter_mut()) {
                shard.handle_nodes(now, FromNodes::Lost(lost));
            }
        }
    }
}
