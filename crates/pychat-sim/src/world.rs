//! A server, its users, the network between them, and what goes wrong.

use crate::{
    daemon::{Daemon, Draft},
    disk::{Crash, Disk, Plug},
    machine::Start,
    server::Server,
    trace::Trace,
    wire::WireCheck,
};
use pychat_proto::Instant;
use pychat_testkit::{
    dice::Dice,
    sim::{Datagram, Network},
};
use pychatd::core::Now;
use std::{cell::RefCell, net::SocketAddr, ops::AddAssign, rc::Rc, time::Duration};

mod checks;
mod mishaps;

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
    /// Whether everything that happens is printed.
    pub traced: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            users: 3,
            texts: 12,
            trouble: Duration::from_secs(40),
            healing: Duration::from_secs(30),
            traced: false,
        }
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Texts that arrived.
    pub texts: u64,
    /// Programs that were killed.
    pub kills: u64,
    /// Machines that lost their power, and with it what was not synced.
    pub power_cuts: u64,
    /// Times that a disk was full, failed or was slow.
    pub disk_faults: u64,
    /// States told to people that were looked up on disks.
    pub checked: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// How long after the network healed the last text arrived.
    pub healed_after: Duration,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        let Self { texts, kills, power_cuts, disk_faults, checked, datagrams, healed_after } =
            other;
        self.texts += texts;
        self.kills += kills;
        self.power_cuts += power_cuts;
        self.disk_faults += disk_faults;
        self.checked += checked;
        self.datagrams += datagrams;
        self.healed_after = self.healed_after.max(healed_after);
    }
}

const NAMES: [&str; 9] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan"];
/// A step that comes back to the same moment so often does not end.
const STEPS_PER_MOMENT_MAX: u32 = 20_000;
/// What a text begins with; it must not be seen on the wire.
const SECRET: &str = "for your eyes only";
/// How often the disks are read to see whether all has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Datagrams that wait for a program that is stopped, as in a socket's buffer.
const HELD_MAX: usize = 256;
/// What a machine's wall clock says when the run begins.
const UNIX_START_MS: u64 = 1_700_000_000_000;

/// See the crate's documentation.
pub struct World {
    seed: u64,
    plan: Plan,
    dice: Dice,
    network: Network,
    server: Server,
    daemons: Vec<Daemon>,
    /// The server's machine, then the daemons'.
    machines: Vec<Machine>,
    next_trouble: Instant,
    trouble_until: Instant,
    healed: bool,
    next_look: Option<Instant>,
    rebinds: u16,
    outcome: Outcome,
    trace: Trace,
    wire: Rc<RefCell<WireCheck>>,
}

/// What happens to a machine from outside.
#[derive(Debug, Default)]
struct Machine {
    back_at: Option<Instant>,
    /// Its program does nothing until then: it was stopped, or waits for its disk.
    stopped_until: Option<Instant>,
    held: Vec<Datagram>,
    /// How far its wall clock is off.
    clock_off_ms: i64,
}

/// Which machine. Zero is the server's.
type Host = usize;
const SERVER: Host = 0;

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
        let trace = if plan.traced { Trace::printing() } else { Trace::default() };
        let server_address = SocketAddr::from(([10, 0, 0, 1], 7420));
        let server = Server::new(server_address, Disk::new(Dice::new(seed ^ 0xd15c)), seed);
        trace.name(server_address, "server");
        let secrets = vec![SECRET.as_bytes().to_vec()];
        let wire = Rc::new(RefCell::new(WireCheck::new(server_address, secrets)));
        let (tap, lines) = (Rc::clone(&wire), trace.clone());
        network.add_tap(move |now, tapped| {
            lines.datagram(now, tapped);
            tap.borrow_mut().look(tapped);
        });
        let start = network.now();
        let mut daemons = Vec::new();
        for number in 0..plan.users {
            let address = SocketAddr::from(([10, 0, 1, number], 5000 + u16::from(number)));
            let user = NAMES[usize::from(number)];
            trace.name(address, user);
            let disk = Disk::new(Dice::new(seed ^ 0xd15d_0000 ^ u64::from(number)));
            let mut daemon = Daemon::new(number, user, address, server.link(), disk);
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
        let machine = |_| Machine { back_at: Some(start), ..Machine::default() };
        Self {
            seed,
            plan,
            dice,
            trouble_until: start + plan.trouble,
            network,
            server,
            machines: (0..=daemons.len()).map(machine).collect(),
            daemons,
            next_trouble: start,
            healed: false,
            next_look: None,
            rebinds: 0,
            outcome: Outcome::default(),
            trace,
            wire,
        }
    }

    /// The time on a machine's clocks.
    fn now(&self, host: Host) -> Now {
        let mono = self.network.clock_of(self.address(host));
        let unix_ms = UNIX_START_MS + mono.as_micros() / 1000;
        let off = self.machines[host].clock_off_ms;
        Now { mono, unix_ms: unix_ms.saturating_add_signed(off) }
    }

    fn server_now(&self) -> pychat_server::shard::Now {
        let Now { mono, unix_ms } = self.now(SERVER);
        pychat_server::shard::Now { mono, unix_ms }
    }

    fn address(&self, host: Host) -> SocketAddr {
        match host.checked_sub(1) {
            None => self.server.address,
            Some(index) => self.daemons[index].address,
        }
    }

    fn name(&self, host: Host) -> &str {
        match host.checked_sub(1) {
            None => "server",
            Some(index) => &self.daemons[index].user,
        }
    }

    fn disk(&self, host: Host) -> &Disk {
        match host.checked_sub(1) {
            None => &self.server.disk,
            Some(index) => &self.daemons[index].disk,
        }
    }

    fn is_running(&self, host: Host) -> bool {
        match host.checked_sub(1) {
            None => self.server.is_running(),
            Some(index) => self.daemons[index].is_running(),
        }
    }

    fn note(&self, host: Host, what: impl FnOnce() -> String) {
        self.trace.set_time(self.network.now());
        self.trace.note(self.name(host), what);
    }

    fn play(&mut self) {
        let deadline = self.trouble_until + self.plan.healing;
        let mut steps_here = 0;
        loop {
            let before = self.network.now();
            self.step();
            steps_here = if self.network.now() > before { 0 } else { steps_here + 1 };
            assert!(steps_here < STEPS_PER_MOMENT_MAX, "seed {}: time stands still", self.seed);
            if self.healed && self.is_time_to_look() && self.everything_arrived() {
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

    /// Reading all disks takes time: it is done now and then.
    fn is_time_to_look(&mut self) -> bool {
        let now = self.network.now();
        let due = self.next_look.is_none_or(|at| at <= now);
        if due {
            self.next_look = Some(now + LOOK_EVERY);
        }
        due
    }

    /// Moves on to the next thing that happens.
    fn step(&mut self) {
        self.settle();
        let go = self.everybody_is_known();
        let mut next = self.network.next_arrival();
        let mut earlier = |at: Option<Instant>| next = next.into_iter().chain(at).min();
        for (host, machine) in self.machines.iter().enumerate() {
            earlier(machine.back_at);
            if machine.stopped_until.is_some() {
                earlier(machine.stopped_until);
                continue;
            }
            match host.checked_sub(1) {
                None => earlier(self.server.poll_timeout()),
                Some(index) => {
                    let daemon = &mut self.daemons[index];
                    let due = daemon.poll_timeout(go);
                    earlier(due.map(|at| self.network.when(daemon.address, at)));
                }
            }
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
        self.wake_what_was_stopped();
        self.restart_what_is_due();
        let now = self.network.now();
        if !self.healed && now >= self.trouble_until {
            self.heal();
        } else if !self.healed && now >= self.next_trouble {
            self.make_trouble();
        }
    }

    fn deliver(&mut self) {
        let Some((_, datagram)) = self.network.next_delivery() else { return };
        let host = (0..self.machines.len()).find(|host| self.address(*host) == datagram.to);
        let Some(host) = host else { return };
        let machine = &mut self.machines[host];
        if machine.stopped_until.is_none() {
            self.hand_over(host, datagram);
        } else if machine.held.len() < HELD_MAX {
            machine.held.push(datagram);
        }
    }

    fn hand_over(&mut self, host: Host, mut datagram: Datagram) {
        if !self.is_running(host) {
            return;
        }
        self.wire.borrow_mut().taken(host, &datagram.bytes);
        let (from, bytes) = (datagram.from, &mut datagram.bytes);
        match host.checked_sub(1) {
            None => {
                let now = self.server_now();
                self.server.handle_datagram(now, from, bytes);
            }
            Some(index) => {
                let now = self.now(host);
                self.daemons[index].handle_datagram(now, from, bytes);
            }
        }
    }

    fn settle(&mut self) {
        let go = self.everybody_is_known();
        let mut out = Vec::new();
        for host in 0..self.machines.len() {
            if self.machines[host].stopped_until.is_some() {
                continue;
            }
            match host.checked_sub(1) {
                None => {
                    let now = self.server_now();
                    self.server.settle(now, &mut self.dice, &mut out);
                }
                Some(index) => {
                    let now = self.now(host);
                    self.daemons[index].settle(now, self.server.address, go, &mut out);
                }
            }
            if self.disk(host).is_pulled() {
                // Nothing leaves a machine that went down on the way.
                out.clear();
                self.crash(host, "at a write");
            }
            let address = self.address(host);
            for (to, bytes) in out.drain(..) {
                self.network.send(address, to, bytes);
            }
        }
        if let Some(why) = self.server.broken() {
            let why = why.to_owned();
            self.note(SERVER, || format!("ends because its store failed: {why}"));
            self.server.disk.pull(Crash::Kill);
            self.crash(SERVER, "after its store failed");
        }
        self.check_what_was_told();
        self.check_bounds();
    }

    fn everybody_is_known(&self) -> bool {
        self.daemons.iter().all(|daemon| daemon.connected_once)
    }

    /// Takes down a machine whose disk is pulled. It comes back after a while.
    fn crash(&mut self, host: Host, when: &str) {
        match host.checked_sub(1) {
            None => self.server.crash(),
            Some(index) => self.daemons[index].crash(),
        }
        self.note(host, || format!("goes down {when}"));
        let pause = self.dice.up_to(Duration::from_secs(3));
        let machine = &mut self.machines[host];
        *machine = Machine { clock_off_ms: machine.clock_off_ms, ..Machine::default() };
        machine.back_at = Some(self.network.now() + pause);
        self.wire.borrow_mut().forget(host);
    }

    fn kill(&mut self, host: Host, crash: Crash) {
        match crash {
            Crash::Kill => self.outcome.kills += 1,
            Crash::PowerCut => self.outcome.power_cuts += 1,
        }
        self.disk(host).pull(crash);
        self.crash(host, if crash == Crash::Kill { "killed" } else { "without power" });
    }

    fn wake_what_was_stopped(&mut self) {
        let now = self.network.now();
        for host in 0..self.machines.len() {
            if self.machines[host].stopped_until.take_if(|at| *at <= now).is_some() {
                self.note(host, || "goes on".to_owned());
                for datagram in std::mem::take(&mut self.machines[host].held) {
                    self.hand_over(host, datagram);
                }
            }
        }
    }

    fn restart_what_is_due(&mut self) {
        let now = self.network.now();
        for host in 0..self.machines.len() {
            if self.machines[host].back_at.take_if(|at| *at <= now).is_none() {
                continue;
            }
            self.plug(host);
            let start = match host.checked_sub(1) {
                None => self.server.start(&mut self.dice),
                Some(index) => {
                    let now = self.now(host);
                    self.daemons[index].start(now, &mut self.dice)
                }
            };
            match start {
                Start::Up => self.note(host, || "starts".to_owned()),
                Start::Crashed => self.crash(host, "while it starts"),
                Start::Refused(why) => {
                    self.disk(host).pull(Crash::Kill);
                    self.crash(host, &format!("as it does not start: {why}"));
                }
            }
        }
    }

    /// Chooses at which write a machine that starts now goes down, if at any.
    fn plug(&mut self, host: Host) {
        if self.healed || self.dice.below(2) == 0 {
            return;
        }
        let done = self.dice.below(2) == 0;
        let crash = if self.dice.below(2) == 0 { Crash::Kill } else { Crash::PowerCut };
        let after = self.dice.below(120);
        match crash {
            Crash::Kill => self.outcome.kills += 1,
            Crash::PowerCut => self.outcome.power_cuts += 1,
        }
        self.disk(host).plug(Plug { after, done, crash });
    }
}
