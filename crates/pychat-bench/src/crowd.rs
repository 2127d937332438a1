//! Many clients over a few sockets, sans-IO.
//!
//! Drive it: `handle_datagram` for each that came, `handle_timeout`, then drain `poll_transmit`, then
//! sleep until `poll_timeout`. A client is looked after only when something happened to it: with a
//! hundred thousand of them nobody goes round.

use crate::{
    body::Arrivals,
    member::{Ids, Member},
    tally::Tally,
    timers::Timers,
    writer::{Pace, Writer},
};
use pychat_proto::{
    Client, ClientConfig, ConnectionId, Cursor, DisplayName, Instant, Login, PublicKey, SecretKey,
    ServerKey, StreamId, Transmit, UserName, client_id_of,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

/// Most bytes of one train: what fits a UDP packet over IPv4.
const TRAIN_BYTES_MAX: usize = 65_507;

/// Timers that fire before it is looked again what came: many clients that wait for an answer must not keep
/// this one thread from taking it. Each of them would have a machine of its own.
const TIMERS_PER_TURN: usize = 16;

/// First bytes of the datagrams that are counted: docs/PROTOCOL.md, "Datagrams".
const INIT: u8 = 0x01;
const RETRY: u8 = 0x02;

/// What a [`Crowd`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct CrowdConfig {
    /// Where the server is.
    pub server: SocketAddr,
    /// Where those log in who are written to, if that is another of its nodes.
    pub recipients: Option<SocketAddr>,
    /// Its key.
    pub key: PublicKey,
    /// How many sockets the members share.
    pub sockets: usize,
    /// Determines the members' identities: the same seed may use a server again, another one finds
    /// the names taken.
    pub seed: u64,
    /// Tells this run's streams and texts from those of other runs on the same server.
    pub run: u32,
}

impl CrowdConfig {
    /// Where a member logs in: of each pair the second one is written to.
    fn node_of(&self, member: u32) -> SocketAddr {
        self.recipients.filter(|_| member % 2 == 1).unwrap_or(self.server)
    }
}

/// Many clients.
pub struct Crowd {
    config: CrowdConfig,
    members: Vec<Member>,
    by_id: HashMap<ConnectionId, u32>,
    timers: Timers,
    touched: VecDeque<u32>,
    /// A datagram that begins the next train of the member that is being looked after.
    ahead: Option<Transmit>,
    ahead_bytes: Vec<u8>,
    tally: Tally,
}

impl Crowd {
    /// Nobody.
    #[must_use]
    pub fn new(config: CrowdConfig) -> Self {
        Self {
            config,
            members: Vec::new(),
            by_id: HashMap::new(),
            timers: Timers::default(),
            touched: VecDeque::new(),
            ahead: None,
            ahead_bytes: Vec::new(),
            tally: Tally::new(),
        }
    }

    /// Adds clients, two for each pair, until there are `count`. They do nothing yet.
    pub fn grow(&mut self, count: u32) {
        for index in self.members.len() as u32..count {
            let member = make(&self.config, index);
            self.members.push(member);
            self.timers.add();
        }
    }

    /// What happened so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// For the one who measures.
    pub const fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// A member logs in.
    pub fn log_in(&mut self, now: Instant, member: u32) {
        self.members[member as usize].client.set_addresses(now, vec![self.config.node_of(member)]);
        self.note_ids(member);
        self.touch(member);
    }

    /// A member says goodbye.
    pub fn log_out(&mut self, now: Instant, member: u32) {
        self.members[member as usize].log_out(now, &mut self.tally);
        self.note_ids(member);
        self.touch(member);
    }

    /// From now on the tally shows who has a session again; how many have one now.
    pub fn await_returns(&mut self) -> u64 {
        self.tally.back.clear();
        self.tally.asked_away = Duration::ZERO;
        (self.tally.inits, self.tally.retries) = (0, 0);
        self.members.iter_mut().map(|member| u64::from(member.await_return())).sum()
    }

    /// A member asks whether the server knows its name; `Tally::known` counts who was told yes.
    pub fn ask(&mut self, now: Instant, member: u32) {
        self.members[member as usize].ask(now);
        self.touch(member);
    }

    /// Member `2 * pair` begins to write to the next one, up to `limit` texts.
    pub fn begin_writing(&mut self, pair: u32, pace: Pace, limit: u64) {
        let run = self.config.run;
        let (from, to) = (2 * pair, 2 * pair + 1);
        let name = *self.members[to as usize].name();
        self.members[to as usize].arrivals = Some(Arrivals::new(run, pair));
        let mut writer = Writer::new(run, pair, name, pace, limit);
        // Its stream is new: the server holds nothing of it.
        writer.begin(Some(pychat_proto::Seq(1)));
        self.members[from as usize].writer = Some(writer);
        self.touch(from);
    }

    /// One more text of this pair is due, in the open loop.
    pub fn due(&mut self, pair: u32) {
        if let Some(writer) = &mut self.members[2 * pair as usize].writer {
            writer.due();
            self.touch(2 * pair);
        }
    }

    /// Nobody writes anything more; what was written goes on its way.
    pub fn stop_writing(&mut self) {
        self.members.iter_mut().filter_map(|member| member.writer.as_mut()).for_each(Writer::stop);
    }

    /// Takes a datagram; it is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        let member = client_id_of(datagram).and_then(|id| self.by_id.get(&id).copied());
        if let Some(member) = member {
            self.tally.retries += u64::from(datagram.first() == Some(&RETRY));
            self.members[member as usize].client.handle_datagram(now, from, datagram);
            self.touch(member);
        }
    }

    /// Looks after everybody to whom something happened, or whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..TIMERS_PER_TURN {
            let Some(index) = self.timers.pop(now) else { break };
            let client = &mut self.members[index as usize].client;
            if client.poll_timeout().is_some_and(|at| at <= now) {
                client.handle_timeout(now);
                self.note_ids(index);
            }
            self.touch(index);
        }
        for at in 0..self.touched.len() {
            let index = self.touched[at];
            let member = &mut self.members[index as usize];
            match member.serve(now, self.config.node_of(index), &mut self.tally) {
                Ids::Changed => self.note_ids(index),
                Ids::Same => {}
            }
        }
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.touched.is_empty() { self.timers.next() } else { Some(Instant::ZERO) }
    }

    /// Writes the next train of datagrams to `train` (cleared first); over which socket it goes.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        train: &mut Vec<u8>,
    ) -> Option<(usize, Transmit)> {
        while let Some(&index) = self.touched.front() {
            let socket = self.members[index as usize].socket;
            if let Some(transmit) = self.poll_train(now, index, train) {
                return Some((socket, transmit));
            }
            let member = &mut self.members[index as usize];
            member.touched = false;
            self.touched.pop_front();
            self.timers.arm(index, member.client.poll_timeout());
        }
        None
    }

    /// Datagrams of one size, the last one perhaps shorter, go as one train.
    fn poll_train(&mut self, now: Instant, index: u32, train: &mut Vec<u8>) -> Option<Transmit> {
        let client = &mut self.members[index as usize].client;
        let transmit = match self.ahead.take() {
            Some(transmit) => {
                std::mem::swap(train, &mut self.ahead_bytes);
                transmit
            }
            None => client.poll_transmit(now, train)?,
        };
        let size = transmit.segment_bytes;
        while train.len().is_multiple_of(size.max(1)) && train.len() + size <= TRAIN_BYTES_MAX {
            let Some(next) = client.poll_transmit(now, &mut self.ahead_bytes) else { break };
            if next.to != transmit.to || self.ahead_bytes.len() > size {
                self.ahead = Some(next);
                break;
            }
            train.extend_from_slice(&self.ahead_bytes);
        }
        // A train is of one kind: INITs have a size that nothing else of a client's has.
        if train.first() == Some(&INIT) {
            self.tally.inits += train.len().div_ceil(size.max(1)) as u64;
        }
        Some(transmit)
    }

    fn touch(&mut self, index: u32) {
        let member = &mut self.members[index as usize];
        if !std::mem::replace(&mut member.touched, true) {
            self.touched.push_back(index);
        }
    }

    /// Datagrams are for a member by these ids from now on.
    fn note_ids(&mut self, index: u32) {
        let Member { client, ids, .. } = &mut self.members[index as usize];
        ids.iter().for_each(|id| {
            self.by_id.remove(id);
        });
        ids.clear();
        ids.extend(client.connection_ids());
        self.by_id.extend(ids.iter().map(|id| (*id, index)));
    }
}

/// A client with an identity and a name of its own, the same for the same seed.
fn make(config: &CrowdConfig, index: u32) -> Member {
    let mut random = ChaCha8Rng::seed_from_u64(config.seed);
    random.set_stream(u64::from(index));
    let mut secret = || {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        bytes
    };
    let identity = SecretKey::from_bytes(secret());
    let mut seed = secret();
    let mut stream = [0; 16];
    stream[..4].copy_from_slice(&config.run.to_be_bytes());
    stream[4..8].copy_from_slice(&index.to_be_bytes());
    // Another run is another device start: its ids and nonces may not repeat.
    seed[..4].copy_from_slice(&config.run.to_be_bytes());
    let side = if index.is_multiple_of(2) { 'a' } else { 'b' };
    let name = UserName::parse(&format!("b{:05}{side}", index / 2)).expect("a plain name");
    let login = Login {
        user: name,
        name: DisplayName::parse("").expect("it may be empty"),
        stream: StreamId(stream),
        cursor: Cursor::NONE,
        invite: None,
    };
    let server = ServerKey::Pinned(config.key);
    let client = Client::new(ClientConfig { identity, server, login, rtt_hint: None }, seed);
    // A pair shares a socket.
    Member::new(name, client, index as usize / 2 % config.sockets)
}

#[cfg(test)]
mod tests;
