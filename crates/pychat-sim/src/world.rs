//! A server, its users, the network between them, and what goes wrong.

use crate::{
    crash::{Moment, Plug},
    daemon::{Daemon, Draft},
    server::Server,
    wire::WireCheck,
};
use pychat_control::State;
use pychat_proto::Instant;
use pychat_testkit::{
    dice::{Chance, Dice},
    faults::{Faults, Loss},
    sim::Network,
};
use pychatd::core::Now;
use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, rc::Rc, time::Duration};

/// How much happens in a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Users, at most 9.
    pub users: u8,
    /// Texts that each of them sends.
    pub texts: u32,
    /// For how long things go wrong.
    pub trouble: Duration,
    /// Within this time after the network healed everything has arrived.
    pub healing: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            users: 3,
            texts: 12,
            trouble: Duration::from_secs(40),
            healing: Duration::from_secs(120),
        }
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Texts that arrived.
    pub texts: u64,
    /// Crashes of the server and of daemons.
    pub crashes: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// How long after the network healed the last text arrived.
    pub healed_after: Duration,
}

const NAMES: [&str; 9] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan"];
/// A step that comes back to the same moment so often does not end.
const STEPS_PER_MOMENT_MAX: u32 = 20_000;
/// What a text begins with; it must not be seen on the wire.
const SECRET: &str = "for your eyes only";

/// See the crate's documentation.
pub struct World {
    seed: u64,
    plan: Plan,
    dice: Dice,
    network: Network,
    server: Server,
    server_back_at: Option<Instant>,
    daemons: Vec<Daemon>,
    daemon_back_at: Vec<Option<Instant>>,
    next_trouble: Instant,
    trouble_until: Instant,
    healed: bool,
    rebinds: u16,
    outcome: Outcome,
}

impl World {
    /// Plays the run of this seed.
    ///
    /// # Panics
    /// A promise was broken; the seed is in the text.
    #[must_use]
    pub fn run(seed: u64, plan: Plan) -> Outcome {
        let mut world = Self::new(seed, plan);
        world.play();
        world.outcome
    }

    fn new(seed: u64, plan: Plan) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let mut network = Network::new(seed);
        let server_address = SocketAddr::from(([10, 0, 0, 1], 7420));
        let server = Server::new(server_address);
        let secrets = vec![SECRET.as_bytes().to_vec()];
        let wire = Rc::new(RefCell::new(WireCheck::new(server_address, secrets)));
        let tap = Rc::clone(&wire);
        network.add_tap(move |_, tapped| tap.borrow_mut().look(tapped));
        let start = network.now();
        let mut daemons = Vec::new();
        for number in 0..plan.users {
            let address = SocketAddr::from(([10, 0, 1, number], 5000 + u16::from(number)));
            let user = NAMES[usize::from(number)];
            let mut daemon = Daemon::new(number, user, address, server.link());
            for text in 0..plan.texts {
                // Now and then to oneself, and now and then in a burst.
                let to = NAMES[dice.below(u64::from(plan.users)) as usize].to_owned();
                let pause = if dice.below(3) == 0 { Duration::ZERO } else { plan.trouble };
                let not_before = start + dice.up_to(pause);
                let length = if dice.below(10) == 0 { dice.below(6000) } else { dice.below(100) };
                let body = format!("{SECRET} {user} {text} {}", "x".repeat(length as usize));
                daemon.drafts.push_back(Draft { to, body, not_before });
            }
            daemons.push(daemon);
        }
        let daemon_back_at = vec![Some(start); daemons.len()];
        Self {
            seed,
            plan,
            dice,
            trouble_until: start + plan.trouble,
            network,
            server,
            server_back_at: Some(start),
            daemons,
            daemon_back_at,
            next_trouble: start,
            healed: false,
            rebinds: 0,
            outcome: Outcome::default(),
        }
    }

    fn now(&self, host: SocketAddr) -> Now {
        let mono = self.network.clock_of(host);
        Now { mono, unix_ms: 1_700_000_000_000 + mono.as_micros() / 1000 }
    }

    fn server_now(&self) -> pychat_server::shard::Now {
        let Now { mono, unix_ms } = self.now(self.server.address);
        pychat_server::shard::Now { mono, unix_ms }
    }

    fn play(&mut self) {
        let deadline = self.trouble_until + self.plan.healing;
        let mut steps_here = 0;
        loop {
            let before = self.network.now();
            self.step();
            steps_here = if self.network.now() > before { 0 } else { steps_here + 1 };
            assert!(steps_here < STEPS_PER_MOMENT_MAX, "seed {}: time stands still", self.seed);
            if self.healed && self.everything_arrived() {
                self.outcome.healed_after = self.network.now().since(self.trouble_until);
                break;
            }
            if self.network.now() >= deadline {
                let (seed, missing) = (self.seed, self.missing());
                panic!("seed {seed}: not everything arrived in {:?}: {missing}", self.plan.healing);
            }
        }
        self.outcome.datagrams = self.network.counts().sent;
        self.check_prefixes();
    }

    /// Moves on to the next thing that happens.
    fn step(&mut self) {
        self.settle();
        let go = self.everybody_is_known();
        let mut next = self.network.next_arrival();
        let mut earlier = |at: Option<Instant>| next = next.into_iter().chain(at).min();
        earlier(self.server.poll_timeout());
        earlier(self.server_back_at);
        for (daemon, back) in self.daemons.iter_mut().zip(&self.daemon_back_at) {
            let due = daemon.poll_timeout(go);
            earlier(due.map(|at| self.network.when(daemon.address, at)));
            earlier(*back);
        }
        if !self.healed {
            earlier(Some(self.next_trouble.min(self.trouble_until)));
        }
        let at = next.expect("something always waits").max(self.network.now());
        if self.network.next_arrival().is_some_and(|arrival| arrival <= at) {
            self.deliver();
        } else {
            self.network.advance_to(at);
        }
        self.restart_what_is_due();
        let now = self.network.now();
        if !self.healed && now >= self.trouble_until {
            self.heal();
        } else if !self.healed && now >= self.next_trouble {
            self.make_trouble();
        }
    }

    fn deliver(&mut self) {
        let Some((_, mut datagram)) = self.network.next_delivery() else { return };
        if datagram.to == self.server.address {
            let now = self.server_now();
            self.server.handle_datagram(now, datagram.from, &mut datagram.bytes);
        } else {
            let now = self.now(datagram.to);
            for daemon in self.daemons.iter_mut().filter(|daemon| daemon.address == datagram.to) {
                daemon.handle_datagram(now, datagram.from, &mut datagram.bytes);
            }
        }
    }

    fn settle(&mut self) {
        let mut out = Vec::new();
        let now = self.server_now();
        self.server.settle(now, &mut self.dice, &mut out);
        if self.server.is_crashed() {
            out.clear();
            self.crash_server();
        }
        let from = self.server.address;
        for (to, bytes) in out.drain(..) {
            self.network.send(from, to, bytes);
        }
        let go = self.everybody_is_known();
        for index in 0..self.daemons.len() {
            let now = self.now(self.daemons[index].address);
            self.daemons[index].settle(now, from, go, &mut out);
            if self.daemons[index].is_crashed() {
                out.clear();
                self.crash_daemon(index);
            }
            let address = self.daemons[index].address;
            for (to, bytes) in out.drain(..) {
                self.network.send(address, to, bytes);
            }
        }
        // Each table within its bound: a user has one session, and one more while it changes.
        let users = self.daemons.len();
        assert!(self.server.sessions() <= 2 * users, "seed {}: sessions pile up", self.seed);
        assert!(self.server.jobs() <= 300 * users, "seed {}: jobs pile up", self.seed);
    }

    fn everybody_is_known(&self) -> bool {
        self.daemons.iter().all(|daemon| daemon.connected_once)
    }

    fn crash_server(&mut self) {
        self.outcome.crashes += 1;
        self.server.crash();
        self.server_back_at = Some(self.network.now() + self.dice.up_to(Duration::from_secs(3)));
    }

    fn crash_daemon(&mut self, index: usize) {
        self.outcome.crashes += 1;
        self.daemons[index].crash();
        let pause = self.dice.up_to(Duration::from_secs(3));
        self.daemon_back_at[index] = Some(self.network.now() + pause);
    }

    /// The plug of a machine that starts now.
    fn plug(&mut self) -> Plug {
        if self.healed || self.dice.below(2) == 0 {
            return Plug::never();
        }
        let moment = if self.dice.below(2) == 0 { Moment::Before } else { Moment::After };
        Plug::new(self.dice.below(30), moment)
    }

    fn restart_what_is_due(&mut self) {
        let now = self.network.now();
        if self.server_back_at.take_if(|at| *at <= now).is_some() {
            let plug = self.plug();
            self.server.start(&mut self.dice, plug);
        }
        for index in 0..self.daemons.len() {
            if self.daemon_back_at[index].take_if(|at| *at <= now).is_some() {
                let plug = self.plug();
                let now = self.now(self.daemons[index].address);
                self.daemons[index].start(now, &mut self.dice, plug);
            }
        }
    }

    fn make_trouble(&mut self) {
        self.next_trouble = self.network.now() + self.dice.up_to(Duration::from_secs(4));
        let index = self.dice.below(self.daemons.len() as u64) as usize;
        let (host, server) = (self.daemons[index].address, self.server.address);
        match self.dice.below(12) {
            0..=3 => {
                let (there, back) = (self.draw_faults(), self.draw_faults());
                self.network.set_faults(host, server, there);
                self.network.set_faults(server, host, back);
            }
            4 => self.network.set_faults_between(host, server, Faults::BLACKOUT),
            5 => self.network.set_faults(host, server, Faults::BLACKOUT),
            6 => self.network.set_faults(server, host, Faults::BLACKOUT),
            7 | 8 => {
                self.rebinds += 1;
                let outside = SocketAddr::from(([10, 0, 2, index as u8], 1000 + self.rebinds));
                self.network.rebind(host, outside);
            }
            9 => {
                let nap = self.dice.up_to(Duration::from_secs(100));
                self.network.jump_clock(host, nap);
                let now = self.now(host);
                self.daemons[index].handle_network_change(now);
            }
            10 if self.server.is_running() => self.crash_server(),
            11 if self.daemons[index].is_running() => self.crash_daemon(index),
            _ => self.check_prefixes(),
        }
    }

    fn draw_faults(&mut self) -> Faults {
        let dice = &mut self.dice;
        let mut percent = |most: u64| Chance::percent(dice.below(most + 1) as f64);
        let random = Loss::Random(percent(40));
        let (reordering, duplication, corruption) = (percent(20), percent(10), percent(5));
        let loss = match dice.below(3) {
            0 => Loss::Bursts {
                worsen: Chance::percent(5.0),
                recover: Chance::percent(20.0),
                good: Chance::percent(2.0),
                bad: Chance::percent(80.0),
            },
            _ => random,
        };
        Faults {
            loss,
            delay: dice.up_to(Duration::from_millis(150)),
            jitter: dice.up_to(Duration::from_millis(60)),
            reordering,
            reordering_delay: Duration::from_millis(80),
            duplication,
            corruption,
            ..Faults::NONE
        }
    }

    /// From now on nothing goes wrong.
    fn heal(&mut self) {
        self.healed = true;
        self.network.set_all_faults(Faults::delayed(Duration::from_millis(20)));
        // Machines whose plug would be pulled at some later write start once more.
        if self.server.is_running() {
            self.crash_server();
        }
        for index in 0..self.daemons.len() {
            if self.daemons[index].is_running() {
                self.crash_daemon(index);
            }
        }
    }

    fn everything_arrived(&mut self) -> bool {
        if self.daemons.iter().any(|daemon| !daemon.drafts.is_empty() || !daemon.is_running()) {
            return false;
        }
        let sent: u64 = self.daemons.iter().map(|daemon| daemon.sent.len() as u64).sum();
        let received = self.received();
        self.outcome.texts = received.values().map(|texts| texts.len() as u64).sum();
        sent == self.outcome.texts
    }

    /// What each user has on disk from each other, in the order of its arrival.
    fn received(&mut self) -> BTreeMap<(String, String), Vec<String>> {
        let mut received: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for index in 0..self.daemons.len() {
            if !self.daemons[index].is_running() || self.daemons[index].is_crashed() {
                continue;
            }
            let now = self.now(self.daemons[index].address);
            let user = self.daemons[index].user.clone();
            for message in self.daemons[index].messages(now) {
                // A note to oneself is one row for both ends: it counts once it has come back.
                let back = matches!(message.state, State::Delivered | State::Read | State::Unread);
                let arrived = message.received_at.is_some() || (message.from == user && back);
                if message.to == user && arrived {
                    received.entry((message.from, message.to)).or_default().push(message.body);
                }
            }
        }
        received
    }

    /// What arrived is an exact prefix of what was sent, in each conversation.
    fn check_prefixes(&mut self) {
        let mut sent: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for daemon in &self.daemons {
            for (to, body) in &daemon.sent {
                sent.entry((daemon.user.clone(), to.clone())).or_default().push(body.clone());
            }
            // Perhaps on disk and under way, though the person was not told.
            if let Some(draft) = daemon.drafts.front() {
                let key = (daemon.user.clone(), draft.to.clone());
                sent.entry(key).or_default().push(draft.body.clone());
            }
        }
        for (key, texts) in self.received() {
            let (sent, seed) = (sent.get(&key).map_or(&[][..], Vec::as_slice), self.seed);
            let count = texts.len();
            assert!(count <= sent.len(), "seed {seed}: {key:?}: more arrived than was sent");
            let brief = |texts: &[String]| -> Vec<String> {
                texts
                    .iter()
                    .map(|text| text.chars().skip(SECRET.len()).take(12).collect())
                    .collect()
            };
            assert!(
                texts == sent[..count],
                "seed {seed}: {key:?}: arrived {:?}, sent {:?}",
                brief(&texts),
                brief(sent)
            );
        }
    }

    fn missing(&mut self) -> String {
        let drafts: usize = self.daemons.iter().map(|daemon| daemon.drafts.len()).sum();
        let sent: usize = self.daemons.iter().map(|daemon| daemon.sent.len()).sum();
        let running = self.daemons.iter().filter(|daemon| daemon.is_running()).count();
        let arrived: usize = self.received().values().map(Vec::len).sum();
        format!(
            "{drafts} not typed, {sent} sent, {arrived} arrived, {running} daemons and {} sessions",
            self.server.sessions()
        )
    }
}
