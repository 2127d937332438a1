//! The servers: shards, committers, streams and NATS servers, each with its queue, and who is connected where.

use super::{
    figures::{
        ALONE, LIVE_AT_SENDER, QUORUM, REPLICAS, SECOND, SIGN_EVERY, SIGN_OF_LIFE, WRITTEN_AT_NATS,
    },
    model::Deployment,
    people::{People, What, until_next},
    phase::Phase,
    queues::{Gathering, Queue},
};
use pychat_testkit::dice::Dice;

/// A core that serves sessions.
#[derive(Clone, Default)]
struct Shard {
    queue: Queue,
    sessions: u32,
    /// When the next of all its sessions shows a sign of life.
    next_sign_at: u64,
}

/// All servers.
pub(super) struct Cluster {
    dice: Dice,
    deployment: Deployment,
    shards: Vec<Shard>,
    /// Of each node: it writes for all its shards.
    committers: Vec<Gathering>,
    streams: Vec<Gathering>,
    servers: Vec<Queue>,
    /// Of each stream: its leader, and those who follow.
    replicas: Vec<Vec<usize>>,
    /// Of each node: the NATS server that it is connected to.
    server_of: Vec<usize>,
    /// Of each stream: users who are connected.
    users_of: Vec<u32>,
}

/// What a text or a login costs where it is served.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    /// If the core is busy with something before it.
    pub(super) among_many: u64,
    /// If it is not.
    pub(super) alone: u64,
}

impl Cost {
    /// Of a text at one of its ends, from what it costs among many.
    pub(super) fn of_text(among_many: u64) -> Self {
        Self { among_many, alone: ALONE + among_many.saturating_sub(LIVE_AT_SENDER) }
    }
}

/// When something that was served began, and was done.
pub(super) struct Served {
    pub(super) waited: u64,
    pub(super) done_at: u64,
}

impl Cluster {
    /// With all who are here connected, from some time on.
    pub(super) fn new(seed: u64, people: &People, deployment: Deployment, began_at: u64) -> Self {
        let mut dice = Dice::new(seed);
        let streams = usize::from(deployment.streams);
        let servers = usize::from(deployment.servers);
        let server_of = (0..u64::from(deployment.nodes))
            .map(|node| (people.share(node, What::Server) * servers as f64) as usize)
            .collect();
        let mut all = Self {
            replicas: placed(streams, servers, &mut dice),
            dice,
            deployment,
            shards: vec![Shard::default(); deployment.shards()],
            committers: vec![Gathering::default(); usize::from(deployment.nodes)],
            streams: vec![Gathering::default(); streams],
            servers: vec![Queue::default(); servers],
            server_of,
            users_of: vec![0; streams],
        };
        for user in (0..people.users).filter(|user| people.is_here(*user)) {
            let (home, stream) = people.place(user);
            let shard = all.shard(people.node(user), home);
            all.shards[shard].sessions += 1;
            all.users_of[usize::from(stream)] += 1;
        }
        for Shard { sessions, next_sign_at, .. } in &mut all.shards {
            *next_sign_at = began_at + until_next_sign(*sessions, &mut all.dice);
        }
        all
    }

    /// The number of a node's shard among all.
    pub(super) fn shard(&self, node: u16, home: u8) -> usize {
        usize::from(node) * usize::from(self.deployment.shards) + usize::from(home)
    }

    /// How many are connected at each node.
    pub(super) fn sessions_of_nodes(&self) -> Vec<u32> {
        let shards = self.shards.chunks(usize::from(self.deployment.shards));
        shards.map(|shards| shards.iter().map(|shard| shard.sessions).sum()).collect()
    }

    /// How many are connected at each shard, and of each stream.
    pub(super) fn sessions_of_shards(&self) -> Vec<u32> {
        self.shards.iter().map(|shard| shard.sessions).collect()
    }

    /// See [`Cluster::sessions_of_shards`].
    pub(super) fn users_of_streams(&self) -> &[u32] {
        &self.users_of
    }

    /// Of each NATS server: users who are connected, of all streams that it has a replica of.
    pub(super) fn users_of_servers(&self) -> Vec<u32> {
        let mut users = vec![0; self.servers.len()];
        for (stream, replicas) in self.replicas.iter().enumerate() {
            replicas.iter().for_each(|server| users[*server] += self.users_of[stream]);
        }
        users
    }

    /// A node is no more, and nobody there shows signs of life.
    pub(super) fn kill(&mut self, node: u16) {
        for home in 0..self.deployment.shards {
            let shard = self.shard(node, home);
            self.shards[shard] = Shard { next_sign_at: u64::MAX, ..Shard::default() };
        }
    }

    /// Somebody more is connected.
    pub(super) fn seat(&mut self, shard: usize) {
        self.shards[shard].sessions += 1;
    }

    /// A shard serves something that comes at `at`, after the signs of life before it.
    pub(super) fn serve(&mut self, shard: usize, at: u64, cost: Cost, phase: &mut Phase) -> Served {
        self.serve_signs(shard, at, phase);
        let queue = &mut self.shards[shard].queue;
        let cost = if queue.is_busy(at) { cost.among_many } else { cost.alone };
        let begun = queue.serve(at, cost);
        self.note(shard, cost, phase);
        Served { waited: begun - at, done_at: begun + cost }
    }

    /// All shards serve the signs of life of a second that is over.
    pub(super) fn end_second(&mut self, at: u64, phase: &mut Phase) {
        (0..self.shards.len()).for_each(|shard| self.serve_signs(shard, at, phase));
    }

    fn serve_signs(&mut self, shard: usize, up_to: u64, phase: &mut Phase) {
        while self.shards[shard].next_sign_at <= up_to {
            let Shard { queue, sessions, next_sign_at } = &mut self.shards[shard];
            queue.serve(*next_sign_at, SIGN_OF_LIFE);
            *next_sign_at += until_next_sign(*sessions, &mut self.dice);
            phase.sign_time += SIGN_OF_LIFE;
            self.note(shard, SIGN_OF_LIFE, phase);
        }
    }

    fn note(&self, shard: usize, cost: u64, phase: &mut Phase) {
        phase.shards.note(shard, cost);
        phase.nodes.note(shard / usize::from(self.deployment.shards), cost);
    }

    /// NATS carries something for a node, which is half of the way between two.
    pub(super) fn carry(&mut self, node: u16, at: u64, cost: u64, phase: &mut Phase) -> Served {
        let server = self.server_of[usize::from(node)];
        phase.servers.note(server, cost);
        let begun = self.servers[server].serve(at, cost);
        Served { waited: begun - at, done_at: begun + cost }
    }

    /// When a node's next batch of writes goes out.
    pub(super) fn gather(&mut self, node: u16, at: u64) -> u64 {
        self.committers[usize::from(node)].take(at).begun
    }

    /// When a stream's next write begins.
    pub(super) fn write(&mut self, stream: u8, at: u64, phase: &mut Phase) -> u64 {
        let gathered = self.streams[usize::from(stream)].take(at);
        phase.writes.note(usize::from(stream), 1);
        if gathered.is_first {
            phase.streams.note(usize::from(stream), QUORUM);
        }
        gathered.begun
    }

    /// A write begins: half of its work is the leader's, the rest that of who follows. Says when a quorum has it.
    pub(super) fn replicate(&mut self, stream: u8, at: u64, phase: &mut Phase) -> Served {
        let mut waited = 0;
        for (rank, server) in self.replicas[usize::from(stream)].iter().enumerate() {
            let share = if rank == 0 { 2 } else { 2 * (u64::from(REPLICAS) - 1) };
            let cost = WRITTEN_AT_NATS / share;
            phase.servers.note(*server, cost);
            let begun = self.servers[*server].serve(at, cost);
            if rank == 0 {
                waited = begun - at;
            }
        }
        Served { waited, done_at: at + waited + QUORUM }
    }
}

/// Of so many sessions, by chance: each shows its signs at times of its own.
fn until_next_sign(sessions: u32, dice: &mut Dice) -> u64 {
    let a_second = f64::from(sessions.max(1)) * SECOND as f64 / SIGN_EVERY as f64;
    until_next(a_second, dice).max(1)
}

/// Puts the replicas of each stream at those servers that have the fewest. The first one leads, by chance.
fn placed(streams: usize, servers: usize, dice: &mut Dice) -> Vec<Vec<usize>> {
    let mut pieces = vec![0_u32; servers];
    let place = |_| {
        let mut order: Vec<(u32, u64, usize)> = pieces
            .iter()
            .enumerate()
            .map(|(server, pieces)| (*pieces, dice.below(u64::MAX), server))
            .collect();
        order.sort_unstable();
        let mut chosen: Vec<usize> =
            order.iter().take(usize::from(REPLICAS)).map(|(.., server)| *server).collect();
        chosen.iter().for_each(|server| pieces[*server] += 1);
        let leader = dice.below(chosen.len() as u64) as usize;
        chosen.swap(0, leader);
        chosen
    };
    (0..streams).map(place).collect()
}
