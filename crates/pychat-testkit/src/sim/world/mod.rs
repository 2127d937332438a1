//! Many clients and one server endpoint on a simulated network, in one thread.
//!
//! The world plays the applications around the protocol: a server that keeps accounts and mailboxes
//! in memory, and daemons that keep an outbox and a cursor. After each step it holds the protocol
//! against its promises (see [`Invariants`]), and it panics, naming the seed, where one is broken.

mod account;
mod invariants;
mod pairs;
mod peer;
mod server;
mod wiretap;

pub use account::Account;
pub use invariants::Invariants;
pub use peer::Peer;
pub use server::{Admission, REFUSED_PREFIX, Relay};
pub use wiretap::{Sent, Wiretap};

use super::{Datagram, Network, Tapped};
use crate::dice::Dice;
use pychat_proto::{ClientEvent, Instant, ServerKey};
use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

/// Steps at one moment of virtual time. A world that takes more turns in circles.
const STEPS_PER_MOMENT_MAX: u32 = 10_000;

/// Events and bursts of datagrams that may come of one step.
const TURNS_MAX: u32 = 10_000;

/// Names a client of a world.
pub type PeerId = usize;

/// Clients, a server and the network between them.
pub struct World {
    /// The network: set its faults and rebind its hosts as you like.
    pub network: Network,
    /// The server.
    pub relay: Relay,
    peers: Vec<Peer>,
    dice: Dice,
    invariants: Rc<RefCell<Invariants>>,
    moment: (Instant, u32),
}

impl World {
    /// A world with a server and nobody else, on a network without faults. Prints its seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let mut network = Network::new(seed);
        let relay = Relay::new(SocketAddr::from(([10, 0, 0, 1], 7420)), &mut dice);
        let invariants = Rc::new(RefCell::new(Invariants::new(relay.address())));
        let watching = Rc::clone(&invariants);
        network.add_tap(move |_, tapped| watching.borrow_mut().see(tapped));
        let moment = (network.now(), 0);
        Self { network, relay, peers: Vec::new(), dice, invariants, moment }
    }

    /// Adds a client with the server's key pinned, and starts to connect it.
    pub fn join(&mut self) -> PeerId {
        let key = ServerKey::Pinned(self.relay.key());
        let id = self.add(key);
        self.connect(id);
        id
    }

    /// Adds a client that does nothing yet.
    pub fn add(&mut self, server: ServerKey) -> PeerId {
        let id = self.peers.len();
        let number = u8::try_from(id).expect("a world has at most 255 clients");
        let address = SocketAddr::from(([10, 1, 0, number], 5_000));
        self.peers.push(Peer::new(id, address, server, &mut self.dice));
        id
    }

    /// Tells a client the server's address.
    pub fn connect(&mut self, id: PeerId) {
        let server = self.relay.address();
        self.with_peer(id, |peer, now| peer.connect(now, vec![server]));
    }

    /// Queues a message from a client to the server.
    pub fn send_up(&mut self, id: PeerId, payload: &[u8]) {
        self.with_peer(id, |peer, now| peer.queue(now, payload));
    }

    /// Queues a message from the server to a client.
    pub fn send_down(&mut self, id: PeerId, payload: &[u8]) {
        let key = self.peers[id].key();
        self.with_relay(|relay, now| relay.queue(now, key, payload));
    }

    /// A client's crash and new start: what is on its disk (outbox, cursor, keys) survives.
    pub fn restart_client(&mut self, id: PeerId) {
        let seed = self.dice.seed();
        self.peers[id].restart(seed);
        self.connect(id);
    }

    /// The server's crash and new start: what is on its disk (accounts, mailboxes, secrets)
    /// survives.
    pub fn restart_server(&mut self) {
        let seed = self.dice.seed();
        self.relay.restart(seed);
    }

    /// Runs an act on one client, on its clock, and sends what comes of it.
    pub fn with_peer<T>(&mut self, id: PeerId, act: impl FnOnce(&mut Peer, Instant) -> T) -> T {
        let now = self.network.clock_of(self.peers[id].address());
        let result = act(&mut self.peers[id], now);
        self.drain_peer(id);
        result
    }

    /// Runs an act on the server, on its clock, and sends what comes of it.
    pub fn with_relay<T>(&mut self, act: impl FnOnce(&mut Relay, Instant) -> T) -> T {
        let now = self.network.clock_of(self.relay.address());
        let result = act(&mut self.relay, now);
        self.drain_relay();
        result
    }

    /// One client.
    #[must_use]
    pub fn peer(&self, id: PeerId) -> &Peer {
        &self.peers[id]
    }

    /// All clients.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// What the server keeps of a client; `None` before its first login.
    #[must_use]
    pub fn account(&self, id: PeerId) -> Option<&Account> {
        self.relay.account(self.peers[id].key())
    }

    /// Keeps every datagram that is sent from now on.
    pub fn wiretap(&mut self) -> Wiretap {
        let wiretap = Wiretap::default();
        let keeper = wiretap.clone();
        self.network.add_tap(move |at, tapped| {
            if let Tapped::Sent(datagram) = tapped {
                keeper.keep(at, datagram);
            }
        });
        wiretap
    }

    /// Hands the server a datagram out of thin air.
    pub fn inject_to_server(&mut self, from: SocketAddr, bytes: &[u8]) {
        let to = self.relay.address();
        let mut forged = Datagram { from, to, bytes: bytes.to_vec() };
        self.network.forge(&forged);
        self.with_relay(|relay, now| relay.handle_datagram(now, from, &mut forged.bytes));
        self.check();
    }

    /// Hands a client a datagram out of thin air, which seems to come from the server.
    pub fn inject_to_client(&mut self, id: PeerId, bytes: &[u8]) {
        let (from, to) = (self.relay.address(), self.peers[id].address());
        let mut forged = Datagram { from, to, bytes: bytes.to_vec() };
        self.network.forge(&forged);
        self.with_peer(id, |peer, now| peer.handle_datagram(now, from, &mut forged.bytes));
        self.check();
    }

    /// Runs for a while of virtual time.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.network.now() + time;
        while self.step(end) {}
    }

    /// Runs until `done`; says how much virtual time that took.
    ///
    /// # Panics
    /// It takes longer than `limit`.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> Duration {
        let start = self.network.now();
        while !done(self) {
            if !self.step(start + limit) && !done(self) {
                let story: String = self.peers.iter().map(Peer::story).collect();
                panic!("not done after {limit:?}: {:?}\n{story}", self.network);
            }
        }
        self.network.now().since(start)
    }

    /// Runs until every client is logged in, within ten seconds.
    pub fn run_until_connected(&mut self) -> Duration {
        let connected = |world: &Self| world.peers.iter().all(Peer::is_connected);
        self.run_until(Duration::from_secs(10), connected)
    }

    /// Whether everything queued so far arrived and was committed, both ways.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let settled = |peer: &Peer| {
            peer.has_sent_all()
                && self.relay.account(peer.key()).is_some_and(|account| {
                    account.has_received(peer.sent()) && account.has_delivered_all()
                })
        };
        self.peers.iter().all(settled)
    }

    /// Does what is due next; `false` if that is nothing before `end`, and it is `end` then.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.network.next_arrival();
        let timers = self.peers.iter().enumerate().filter_map(|(id, peer)| {
            Some((self.network.when(peer.address(), peer.poll_timeout()?), Some(id)))
        });
        let server = self.relay.poll_timeout();
        let server = server.map(|at| (self.network.when(self.relay.address(), at), None));
        let timer = timers.chain(server).min();
        let next = arrival.into_iter().chain(timer.map(|(at, _)| at)).min();
        let Some(next) = next.filter(|next| *next <= end) else {
            self.network.advance_to(end);
            return false;
        };
        match timer {
            Some((at, owner)) if arrival.is_none_or(|arrival| at < arrival) => {
                self.network.advance_to(at);
                match owner {
                    Some(id) => self.with_peer(id, Peer::handle_timeout),
                    None => self.with_relay(Relay::handle_timeout),
                }
            }
            Some(_) | None => self.deliver(),
        }
        self.count_step(next);
        self.check();
        true
    }

    fn deliver(&mut self) {
        let Some((_, mut datagram)) = self.network.next_delivery() else { return };
        let bytes = &mut datagram.bytes;
        if datagram.to == self.relay.address() {
            self.with_relay(|relay, now| relay.handle_datagram(now, datagram.from, bytes));
        } else if let Some(id) = self.peers.iter().position(|peer| peer.address() == datagram.to) {
            self.with_peer(id, |peer, now| peer.handle_datagram(now, datagram.from, bytes));
        }
    }

    fn drain_peer(&mut self, id: PeerId) {
        let peer = &mut self.peers[id];
        let now = self.network.clock_of(peer.address());
        let server = self.relay.address();
        for _ in 0..TURNS_MAX {
            let event = peer.take_event(now);
            if event == Some(ClientEvent::NeedAddresses) {
                peer.connect(now, vec![server]);
            }
            let mut sent = false;
            while let Some((to, datagram)) = peer.poll_datagram(now) {
                self.network.send(peer.address(), to, datagram);
                sent = true;
            }
            if event.is_none() && !sent {
                return;
            }
        }
        panic!("a client has no end of things to say: {:?}\n{}", self.network, peer.story());
    }

    fn drain_relay(&mut self) {
        let now = self.network.clock_of(self.relay.address());
        for _ in 0..TURNS_MAX {
            let happened = self.relay.take_event(now);
            let mut sent = false;
            while let Some((to, datagram)) = self.relay.poll_datagram(now) {
                self.network.send(self.relay.address(), to, datagram);
                sent = true;
            }
            if !happened && !sent {
                return;
            }
        }
        panic!("the server has no end of things to say: {:?}", self.network);
    }

    fn count_step(&mut self, at: Instant) {
        self.moment = if self.moment.0 == at { (at, self.moment.1 + 1) } else { (at, 0) };
        assert!(self.moment.1 < STEPS_PER_MOMENT_MAX, "time stands still: {:?}", self.network);
    }

    fn check(&self) {
        let broken = self.invariants.borrow().broken().map(str::to_owned);
        if let Some(broken) = broken {
            panic!("{broken}: {:?}", self.network);
        }
    }
}
