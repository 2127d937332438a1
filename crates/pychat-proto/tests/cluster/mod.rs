//! Many clients and the nodes of one server on a simulated network, in one thread, under a virtual clock. What the
//! nodes store they share.

use pychat_proto::{
    Client, ClientConfig, ClientEvent, CloseCode, Cursor, DisplayName, Endpoint, EndpointConfig,
    EndpointEvent, Instant, Lane, Login, NodeTag, Place, SecretKey, Seq, ServerKey, ServerSecrets,
    SessionId, StreamId, UserName, Welcome,
};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{cmp::Reverse, collections::BinaryHeap, net::SocketAddr, sync::Arc, time::Duration};

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Up,
    /// Its machine is gone: nothing comes back.
    Silent,
    /// Its process is gone, and its machine says so.
    Refusing,
}

pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    pub(crate) health: Health,
    /// INITs that came, each with its moment.
    pub(crate) inits: Vec<Instant>,
    /// Logins that it answers with this, and for how long.
    pub(crate) turns_away: Option<(CloseCode, Duration)>,
}

pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    /// Messages that it is to send; each is its number.
    pub(crate) written: u64,
    offered: u64,
    /// What the server has of it.
    pub(crate) taken: Vec<u64>,
    pub(crate) events: Vec<ClientEvent>,
    /// At which node, and since when.
    pub(crate) at: Vec<(usize, Instant)>,
    /// The latest session of this person's, wherever it is.
    pub(crate) session: Option<(usize, SessionId)>,
}

type Flight = Reverse<(Instant, u64, SocketAddr, SocketAddr, Vec<u8>)>;

pub(crate) struct Cluster {
    pub(crate) now: Instant,
    /// Of a hundred datagrams so many are lost, each way.
    pub(crate) loss: u64,
    pub(crate) delay: Duration,
    pub(crate) nodes: Vec<Node>,
    pub(crate) people: Vec<Person>,
    /// The datagrams that a person sent last.
    pub(crate) last_sent: Option<(usize, Vec<u8>)>,
    secrets: Arc<ServerSecrets>,
    flights: BinaryHeap<Flight>,
    /// Refusals on their way back.
    refusals: Vec<(Instant, usize, SocketAddr)>,
    order: u64,
    rng: ChaCha12Rng,
}

pub(crate) fn place(node: usize) -> Place {
    format!("n{node}").parse().unwrap()
}

pub(crate) fn address(node: usize) -> SocketAddr {
    ([10, 0, 1, node as u8], 7420).into()
}

fn node_at(address: SocketAddr) -> Option<usize> {
    match address.ip().to_string().strip_prefix("10.0.1.") {
        Some(node) => node.parse().ok(),
        None => None,
    }
}

fn person_at(address: SocketAddr) -> usize {
    usize::from(address.port()) - 5000
}

impl Cluster {
    pub(crate) fn new(seed: u64, nodes: usize, people: usize) -> Self {
        println!("seed {seed}");
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes([1; 32]),
            reset: SecretKey::from_bytes([2; 32]),
        });
        let mut cluster = Self {
            now: Instant::from_micros(1_000_000),
            loss: 0,
            delay: Duration::from_millis(25),
            nodes: Vec::new(),
            people: Vec::new(),
            last_sent: None,
            secrets,
            flights: BinaryHeap::new(),
            refusals: Vec::new(),
            order: 0,
            rng: ChaCha12Rng::seed_from_u64(seed),
        };
        for node in 0..nodes {
            let endpoint = cluster.endpoint(node, nodes);
            let (health, inits) = (Health::Up, Vec::new());
            cluster.nodes.push(Node { endpoint, health, inits, turns_away: None });
        }
        for person in 0..people {
            let key = ServerKey::Pinned(cluster.secrets.identity.public());
            let person = cluster.person(person, key);
            cluster.people.push(person);
        }
        cluster
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    fn endpoint(&mut self, node: usize, nodes: usize) -> Endpoint {
        let secrets = Arc::clone(&self.secrets);
        let config = EndpointConfig { secrets, shard: 0, retry_beyond_per_s: 200 };
        let seed = self.seed();
        let mut endpoint = Endpoint::new(config, seed);
        let all = (0..nodes).map(|node| NodeTag::of(&place(node)));
        endpoint.set_nodes(Some(NodeTag::of(&place(node))), all);
        endpoint
    }

    fn person(&mut self, number: usize, server: ServerKey) -> Person {
        let mut identity = [3; 32];
        identity[..8].copy_from_slice(&number.to_be_bytes());
        let login = Login {
            user: UserName::parse(&format!("u{number}")).unwrap(),
            name: DisplayName::parse("").unwrap(),
            stream: StreamId([9; 16]),
            cursor: Cursor::NONE,
            invite: None,
        };
        let identity = SecretKey::from_bytes(identity);
        let config = ClientConfig { identity, server, login, rtt_hint: None };
        Person {
            client: Client::new(config, self.seed()),
            // Each in a network of its own, as logins are limited for each.
            address: (
                [10, 2 + (number / 200) as u8, (number % 200) as u8, 1],
                5000 + number as u16,
            )
                .into(),
            written: 0,
            offered: 0,
            taken: Vec::new(),
            events: Vec::new(),
            at: Vec::new(),
            session: None,
        }
    }

    /// Forgets the server's key at this person's.
    pub(crate) fn make_stranger(&mut self, person: usize) {
        self.people[person] = self.person(person, ServerKey::Unknown);
    }

    /// Everybody connects, with all nodes known.
    pub(crate) fn connect(&mut self) {
        for person in 0..self.people.len() {
            self.tell_nodes(person);
        }
    }

    fn tell_nodes(&mut self, person: usize) {
        let nodes = (0..self.nodes.len()).map(|node| vec![address(node)]).collect();
        self.people[person].client.set_nodes(self.now, nodes);
    }

    /// Takes a node away.
    pub(crate) fn take_down(&mut self, node: usize, health: Health) {
        self.nodes[node].health = health;
    }

    /// Brings a node back, without its sessions.
    pub(crate) fn bring_up(&mut self, node: usize) {
        let endpoint = self.endpoint(node, self.nodes.len());
        self.nodes[node].endpoint = endpoint;
        self.nodes[node].health = Health::Up;
    }

    /// Says goodbye to all who are at a node, and turns logins away, for `stay_away`.
    pub(crate) fn drain(&mut self, node: usize, stay_away: Duration) {
        self.nodes[node].turns_away = Some((CloseCode::Restarting, stay_away));
        for person in &mut self.people {
            if let Some((_, session)) = person.session.take_if(|(at, _)| *at == node) {
                let endpoint = &mut self.nodes[node].endpoint;
                endpoint.close(self.now, session, CloseCode::Restarting, stay_away, "restart");
            }
        }
    }

    /// Where a person is, as the client sees it.
    pub(crate) fn node_of(&self, person: usize) -> Option<usize> {
        self.people[person].client.remote().and_then(node_at)
    }

    fn carry(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.rng.next_u64() % 100 < self.loss {
            return;
        }
        self.order += 1;
        self.flights.push(Reverse((self.now + self.delay, self.order, from, to, bytes.to_vec())));
    }

    fn settle_person(&mut self, number: usize) {
        let mut buffer = Vec::new();
        loop {
            let now = self.now;
            let person = &mut self.people[number];
            let Some(event) = person.client.poll_event() else { break };
            match &event {
                ClientEvent::Connected { committed, .. } => {
                    person.offered = committed.0;
                    let node = person.client.remote().and_then(node_at).unwrap();
                    person.at.push((node, now));
                }
                ClientEvent::Unanswered { address } => {
                    let node = node_at(*address).unwrap();
                    if self.nodes[node].health == Health::Refusing {
                        self.refusals.push((now + 2 * self.delay, number, *address));
                    }
                }
                ClientEvent::NeedAddresses => self.tell_nodes(number),
                _ => {}
            }
            self.people[number].events.push(event);
        }
        let now = self.now;
        let person = &mut self.people[number];
        while person.offered < person.written && person.client.room(Lane::CHAT) > 0 {
            person.offered += 1;
            let payload = person.offered.to_be_bytes();
            person.client.send_message(now, Lane::CHAT, Seq(person.offered), &payload);
        }
        let from = person.address;
        while let Some(transmit) = self.people[number].client.poll_transmit(now, &mut buffer) {
            self.last_sent = Some((number, buffer.clone()));
            self.carry(from, transmit.to, &buffer);
        }
    }

    fn settle_node(&mut self, number: usize) {
        let (now, mut buffer) = (self.now, Vec::new());
        while let Some(event) = self.nodes[number].endpoint.poll_event() {
            self.node_event(number, event);
        }
        while let Some(transmit) = self.nodes[number].endpoint.poll_transmit(now, &mut buffer) {
            for datagram in buffer.chunks(transmit.segment_bytes) {
                self.carry(address(number), transmit.to, datagram);
            }
        }
    }

    fn node_event(&mut self, number: usize, event: EndpointEvent) {
        let now = self.now;
        let node = &mut self.nodes[number];
        match event {
            EndpointEvent::Incoming(incoming) => match node.turns_away {
                Some((code, wait)) => node.endpoint.refuse(now, incoming, code, wait, "go away"),
                None => {
                    let person = &self.people[person_at(incoming.from)];
                    let committed = Seq(person.taken.len() as u64);
                    node.endpoint.accept(now, incoming, Welcome { committed, server_time: 0 });
                }
            },
            EndpointEvent::Confirmed { session } => {
                let from = node.endpoint.address(session).unwrap();
                self.people[person_at(from)].session = Some((number, session));
            }
            EndpointEvent::Message { session, last, payload, .. } => {
                let from = node.endpoint.address(session).unwrap();
                let person = &mut self.people[person_at(from)];
                // The newest session alone is heard, as the nodes see to together.
                if person.session == Some((number, session)) {
                    if person.taken.len() as u64 == last.0 - 1 {
                        person.taken.push(u64::from_be_bytes(payload.try_into().unwrap()));
                    }
                    node.endpoint.commit(now, session, Lane::CHAT, last);
                }
            }
            EndpointEvent::Skip { .. }
            | EndpointEvent::Call { .. }
            | EndpointEvent::Closed { .. }
            | EndpointEvent::Committed { .. }
            | EndpointEvent::Writable { .. }
            | EndpointEvent::Away { .. }
            | EndpointEvent::Back { .. } => {}
        }
    }

    fn settle(&mut self) {
        for person in 0..self.people.len() {
            self.settle_person(person);
        }
        for node in 0..self.nodes.len() {
            self.settle_node(node);
        }
    }

    /// Moves on to the next thing that happens, if it happens before `end`.
    fn step(&mut self, end: Instant) -> bool {
        self.settle();
        let flight = self.flights.peek().map(|Reverse((at, ..))| *at);
        let refusal = self.refusals.iter().map(|(at, ..)| *at).min();
        let clients = self.people.iter().filter_map(|person| person.client.poll_timeout());
        let nodes = self.nodes.iter_mut().filter_map(|node| node.endpoint.poll_timeout());
        let next = clients.chain(nodes).chain(flight).chain(refusal).min();
        let Some(at) = next.filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(at);
        while let Some(Reverse((at, ..))) = self.flights.peek()
            && *at <= self.now
            && let Some(Reverse((_, _, from, to, mut bytes))) = self.flights.pop()
        {
            match node_at(to) {
                Some(node) if self.nodes[node].health == Health::Up => {
                    let node = &mut self.nodes[node];
                    if bytes.first() == Some(&1) {
                        node.inits.push(self.now);
                    }
                    node.endpoint.handle_datagram(self.now, from, &mut bytes);
                }
                Some(_) => {}
                None => {
                    let alive = node_at(from).is_some_and(|it| self.nodes[it].health == Health::Up);
                    if alive {
                        let person = &mut self.people[person_at(to)];
                        person.client.handle_datagram(self.now, from, &mut bytes);
                    }
                }
            }
        }
        let due: Vec<_> = self.refusals.extract_if(.., |(at, ..)| *at <= self.now).collect();
        for (_, person, address) in due {
            self.people[person].client.handle_refused(self.now, address);
        }
        for person in &mut self.people {
            person.client.handle_timeout(self.now);
        }
        for node in &mut self.nodes {
            node.endpoint.handle_timeout(self.now);
        }
        true
    }

    /// Runs until `done`, at most `limit` of virtual time; how long it took.
    ///
    /// # Panics
    /// It is not done by then.
    pub(crate) fn run_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Duration {
        let (start, end) = (self.now, self.now + limit);
        loop {
            self.settle();
            if done(self) {
                return self.now.since(start);
            }
            assert!(self.step(end), "not within {limit:?}: {what}");
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// Hands a node a datagram that somebody else than the sender puts on the network.
    pub(crate) fn inject(&mut self, node: usize, from: SocketAddr, datagram: &[u8]) {
        self.nodes[node].endpoint.handle_datagram(self.now, from, &mut datagram.to_vec());
        self.settle();
    }
}
