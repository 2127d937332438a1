//! A server and some daemons on a network that loses nothing but what a test cuts off.

use super::server::Server;
use crate::{
    core::{Action, Core, CoreConfig, Limits, Now},
    db::Database,
};
use pychat_control::{
    ConnectParams, Connected, Event, Failure, HistoryParams, InboxParams, Link, List, Message,
    Request, SendParams, Sent, State, Status, Trace,
};
use pychat_proto::{Instant, Node, Place, SecretKey};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

/// What came of a request.
pub(super) type Answer = Result<serde_json::Value, Failure>;

/// A step of virtual time that no test needs more of.
const PATIENCE: Duration = Duration::from_secs(600);

/// Rounds of datagrams at one moment.
const ROUNDS_MAX: u32 = 10_000;

pub(super) struct World {
    pub(super) now: Now,
    pub(super) server: Server,
    pub(super) daemons: Vec<Daemon>,
    /// Whether datagrams get through.
    pub(super) online: bool,
    /// Of those that do, so many of a hundred are lost.
    loss: (ChaCha12Rng, u64),
    seed: u8,
}

pub(super) struct Daemon {
    pub(super) core: Core,
    pub(super) events: Vec<Event>,
    pub(super) shut_down: bool,
    pub(super) resolves: u32,
    /// What was looked up, each time.
    pub(super) looked_up: Vec<Vec<Place>>,
    /// Where it was asked whether anybody listens.
    pub(super) asked_refusal: Vec<SocketAddr>,
    answers: BTreeMap<u64, Answer>,
    next_token: u64,
    number: u8,
}

impl Daemon {
    pub(super) fn answers_to(&self, token: u64) -> bool {
        self.answers.contains_key(&token)
    }
}

/// Each place but those called `nowhere` is a node: `server` is the server, and at the others nobody answers.
fn looked_up(places: &[Place]) -> Vec<Node> {
    let found = places.iter().enumerate().filter(|(_, place)| place.host() != "nowhere");
    let node = |(index, place): (usize, &Place)| {
        let silent = SocketAddr::from(([10, 0, 1, index as u8], place.port()));
        let address = if place.host() == "server" { server_address() } else { silent };
        Node { place: place.clone(), addresses: vec![address] }
    };
    found.map(node).collect()
}

pub(super) fn server_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7420))
}

impl World {
    /// A server and `count` daemons with empty databases.
    pub(super) fn new(count: u8) -> Self {
        let now = Now { mono: Instant::from_micros(1_000_000), unix_ms: 1_700_000_000_000 };
        let mut world = Self {
            now,
            server: Server::new(1),
            daemons: Vec::new(),
            online: true,
            loss: (ChaCha12Rng::seed_from_u64(0), 0),
            seed: 0,
        };
        for number in 0..count {
            let connection = Connection::open_in_memory().unwrap();
            let daemon = world.daemon(number, connection, Limits::default());
            world.daemons.push(daemon);
        }
        world
    }

    /// Daemons that are logged in: alice, bob, carol.
    pub(super) fn connected(count: u8) -> Self {
        let mut world = Self::new(count);
        for (index, user) in ["alice", "bob", "carol"].into_iter().take(count.into()).enumerate() {
            world.connect(index, user).unwrap();
        }
        world
    }

    /// From now on so many datagrams of a hundred are lost.
    pub(super) fn lose(&mut self, seed: u64, percent: u64) {
        self.loss = (ChaCha12Rng::seed_from_u64(seed), percent);
    }

    fn gets_through(&mut self) -> bool {
        let (dice, percent) = &mut self.loss;
        self.online && (*percent == 0 || dice.next_u64() % 100 >= *percent)
    }

    /// One more daemon, with an empty database.
    pub(super) fn join(&mut self, number: u8) -> usize {
        let connection = Connection::open_in_memory().unwrap();
        let daemon = self.daemon(number, connection, Limits::default());
        self.daemons.push(daemon);
        self.daemons.len() - 1
    }

    fn daemon(&mut self, number: u8, connection: Connection, limits: Limits) -> Daemon {
        self.seed += 1;
        let config = CoreConfig {
            identity: SecretKey::from_bytes([100_u8.wrapping_add(number); 32]),
            profile: "default".to_owned(),
            pid: 7,
            started_at_unix_ms: self.now.unix_ms,
            limits,
        };
        let database = Database::from_connection(connection).unwrap();
        Daemon {
            core: Core::new(database, config, [self.seed; 32], self.now).unwrap(),
            events: Vec::new(),
            shut_down: false,
            resolves: 0,
            looked_up: Vec::new(),
            asked_refusal: Vec::new(),
            answers: BTreeMap::new(),
            next_token: 0,
            number,
        }
    }

    /// Drops a daemon without a goodbye and starts it again on the same disk, as changed by
    /// `meanwhile`.
    pub(super) fn crash(
        &mut self,
        index: usize,
        limits: Limits,
        meanwhile: impl FnOnce(Connection) -> Connection,
    ) {
        let old = self.daemons.remove(index);
        let mut connection = old.core.into_database().into_connection();
        connection.commit_hook(None::<fn() -> bool>).unwrap();
        let new = self.daemon(old.number, meanwhile(connection), limits);
        self.daemons.insert(index, new);
    }

    pub(super) fn restart(&mut self, index: usize) {
        self.crash(index, Limits::default(), |connection| connection);
    }

    pub(super) fn limit(&mut self, index: usize, limits: Limits) {
        self.crash(index, limits, |connection| connection);
    }

    /// Runs SQL on a daemon's disk, behind its back.
    pub(super) fn sql(&mut self, index: usize, sql: &str) {
        self.crash(index, Limits::default(), |connection| {
            connection.execute_batch(sql).unwrap();
            connection
        });
    }

    /// Hands in a request; its answer comes with time.
    pub(super) fn ask(&mut self, index: usize, request: Request) -> u64 {
        let now = self.now;
        let daemon = &mut self.daemons[index];
        daemon.next_token += 1;
        daemon.core.handle_request(now, daemon.next_token, request);
        daemon.next_token
    }

    pub(super) fn answer(&mut self, index: usize, token: u64) -> Option<Answer> {
        self.daemons[index].answers.remove(&token)
    }

    /// Hands in a request and waits for its answer.
    pub(super) fn request<T: DeserializeOwned>(
        &mut self,
        index: usize,
        request: Request,
    ) -> Result<T, Failure> {
        let token = self.ask(index, request);
        self.until("an answer", |world| world.daemons[index].answers.contains_key(&token));
        let answer = self.answer(index, token).unwrap()?;
        Ok(serde_json::from_value(answer).unwrap())
    }

    pub(super) fn connect(&mut self, index: usize, user: &str) -> Result<Connected, Failure> {
        self.request(index, Request::Connect(connect(user)))
    }

    pub(super) fn send(&mut self, index: usize, to: &str, body: &str) -> Result<Sent, Failure> {
        self.request(index, Request::Send(text(to, body, State::Accepted)))
    }

    pub(super) fn queue(&mut self, index: usize, to: &str, body: &str) -> Sent {
        self.request(index, Request::Send(text(to, body, State::Queued))).unwrap()
    }

    pub(super) fn status(&mut self, index: usize) -> Status {
        self.request(index, Request::Status {}).unwrap()
    }

    pub(super) fn inbox(&mut self, index: usize) -> Vec<Message> {
        let params = InboxParams { limit: 1000, ..InboxParams::default() };
        self.request::<List<Message>>(index, Request::Inbox(params)).unwrap().items
    }

    /// The texts of the inbox.
    pub(super) fn received(&mut self, index: usize) -> Vec<String> {
        self.inbox(index).into_iter().map(|message| message.body).collect()
    }

    /// The texts that the server stored, in their order, doubles and all; each as its sender wrote it.
    pub(super) fn stored_texts(&self) -> Vec<String> {
        let ids = self.server.texts.clone();
        let mut bodies = BTreeMap::new();
        for daemon in &self.daemons {
            for id in &ids {
                if let Some(message) = daemon.core.database.read().outgoing(*id).unwrap() {
                    bodies.insert(*id, message.body);
                }
            }
        }
        ids.iter().filter_map(|id| bodies.get(id).cloned()).collect()
    }

    pub(super) fn history(&mut self, index: usize) -> Vec<Message> {
        let params = HistoryParams { limit: 1000, ..HistoryParams::default() };
        self.request::<List<Message>>(index, Request::History(params)).unwrap().items
    }

    /// The words of a message's life.
    pub(super) fn life(&mut self, index: usize, id: &str) -> Vec<String> {
        let trace: Trace = self.request(index, Request::Trace { id: id.to_owned() }).unwrap();
        trace.steps.into_iter().map(|step| step.what).collect()
    }

    pub(super) fn link(&mut self, index: usize, link: Link) {
        self.until("the link", |world| world.daemons[index].core.link.state == link);
    }

    /// Lets time pass until something is so.
    pub(super) fn until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let deadline = self.now.mono + PATIENCE;
        loop {
            self.settle();
            if so(self) {
                return;
            }
            assert!(self.now.mono < deadline, "{what} did not come");
            self.advance(deadline);
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        self.settle();
        while self.now.mono < end {
            self.advance(end);
            self.settle();
        }
    }

    /// To the next timer, at most to `end`.
    fn advance(&mut self, end: Instant) {
        let timers = self.daemons.iter_mut().filter_map(|daemon| daemon.core.poll_timeout());
        let next = timers.chain(self.server.endpoint.poll_timeout()).min().unwrap_or(end);
        let tick = Duration::from_millis(1);
        let next = next.min(end).max(self.now.mono + tick);
        // Both clocks go alike, in whole milliseconds, as a test can follow.
        let ms = next.since(self.now.mono).as_micros().div_ceil(1000) as u64;
        self.now.mono += Duration::from_millis(ms);
        self.now.unix_ms += ms;
        for daemon in &mut self.daemons {
            daemon.core.handle_timeout(self.now);
        }
        self.server.endpoint.handle_timeout(self.now.mono);
    }

    /// Carries datagrams until nobody has any.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "the datagrams go round and round");
            let mut quiet = true;
            for index in 0..self.daemons.len() {
                quiet &= !self.serve(index);
            }
            self.server.work(self.now);
            let mut buffer = Vec::new();
            while let Some(transmit) =
                self.server.endpoint.poll_transmit(self.now.mono, &mut buffer)
            {
                quiet = false;
                let SocketAddr::V4(to) = transmit.to else { continue };
                let number = to.ip().octets()[3];
                let through = self.gets_through();
                let daemon = self.daemons.iter_mut().find(|daemon| daemon.number == number);
                if let Some(daemon) = daemon.filter(|_| through) {
                    for datagram in buffer.chunks_mut(transmit.segment_bytes) {
                        daemon.core.handle_datagram(self.now, server_address(), datagram);
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// Carries out what a daemon's core gives out. Says whether there was anything.
    fn serve(&mut self, index: usize) -> bool {
        let now = self.now;
        let (online, (dice, percent)) = (self.online, &mut self.loss);
        let mut gets_through = || online && (*percent == 0 || dice.next_u64() % 100 >= *percent);
        let daemon = &mut self.daemons[index];
        let from = SocketAddr::from(([10, 0, 1, daemon.number], 5000));
        let mut busy = false;
        let mut buffer = Vec::new();
        while let Some(transmit) = daemon.core.poll_transmit(now, &mut buffer) {
            busy = true;
            // At other nodes nobody answers.
            let is_there = transmit.to == server_address();
            assert!(is_there || daemon.looked_up.iter().any(|places| places.len() > 1));
            if gets_through() && is_there {
                for datagram in buffer.chunks_mut(transmit.segment_bytes) {
                    self.server.endpoint.handle_datagram(now.mono, from, datagram);
                }
            }
        }
        while let Some((token, answer)) = daemon.core.poll_response() {
            let before = daemon.answers.insert(token, answer);
            assert!(before.is_none(), "a request has one answer");
        }
        while let Some(event) = daemon.core.poll_event() {
            daemon.events.push(event);
        }
        while let Some(action) = daemon.core.poll_action() {
            busy = true;
            match action {
                Action::Resolve { places, .. } => {
                    daemon.resolves += 1;
                    match places[0].host() {
                        "nowhere" => daemon.core.handle_resolve_failed(now, "no such host"),
                        _ if places.len() == 1 => {
                            assert_eq!(places[0].port(), server_address().port());
                            daemon.core.handle_addresses(now, vec![server_address()]);
                        }
                        _ => daemon.core.handle_nodes(now, looked_up(&places)),
                    }
                    daemon.looked_up.push(places);
                }
                Action::AskRefusal { address } => daemon.asked_refusal.push(address),
                Action::Shutdown => {
                    daemon.shut_down = true;
                    daemon.core.close(now);
                }
            }
        }
        busy
    }
}

pub(super) fn connect(user: &str) -> ConnectParams {
    ConnectParams {
        user: user.to_owned(),
        name: user.to_uppercase(),
        server: Some("pychat://server".to_owned()),
        trust_key: None,
        invite: None,
        timeout_ms: 10_000,
    }
}

pub(super) fn text(to: &str, body: &str, wait: State) -> SendParams {
    SendParams {
        to: to.to_owned(),
        body: body.to_owned(),
        key: None,
        wait,
        timeout_ms: 10_000,
        expire_ms: None,
    }
}
