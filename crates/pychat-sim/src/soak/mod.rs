//! A long time with many people: shards, committer and the embedded store on a real file, and clients that
//! come and go, under a virtual clock. Nothing of the server may grow.
//!
//! [`run`] plays it, tells of each hour, and says what grew. Every text is checked where it arrives.

mod habits;
mod network;
mod person;
mod readings;
mod server;

pub use readings::{Growth, Reading};

use habits::Habits;
use network::Network;
use person::Person;
use pychat_proto::Instant;
use pychat_testkit::dice::Dice;
use server::Server;
use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Determines all that is chance, but for the time that the disk takes.
    pub seed: u64,
    /// People, each with at most one session.
    pub people: u16,
    /// How long.
    pub hours: u32,
    /// Between two texts of one person who is there, on average.
    pub between_texts: Duration,
}

/// What people did and saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Logins that succeeded.
    pub logins: u64,
    /// Sessions that ended with a goodbye.
    pub goodbyes: u64,
    /// Sessions whose client was gone without a word.
    pub silent: u64,
    /// Addresses that changed under a session.
    pub moves: u64,
    /// Times that nothing came through for minutes.
    pub tunnels: u64,
    /// Devices that began a new stream.
    pub wipes: u64,
    /// Texts written.
    pub written: u64,
    /// Texts read, each the next one of its writer.
    pub read: u64,
    /// Texts that came once more, which daemons know by their ids.
    pub again: u64,
    /// Texts of which their writers were told that they are delivered.
    pub delivered: u64,
    /// Read receipts that arrived.
    pub read_receipts: u64,
}

/// What a soak came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What people did.
    pub tally: Tally,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Of everything that could grow, the most in the time of comparison and in the last hours.
    pub growth: Vec<Growth>,
}

/// Until then tables fill and files get to their size.
const WARM_HOURS: u32 = 4;
/// The most in so many hours after that is compared with the most in as many at the end.
const COMPARED_HOURS: u32 = 6;
/// A soak of fewer hours compares nothing.
pub const HOURS_MIN: u32 = WARM_HOURS + 2 * COMPARED_HOURS;
/// Between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_secs(300);
const LOOKS_PER_HOUR: u32 = 12;
/// All have come for the first time within this time, and write only then: before it nobody knows them.
const ALL_HERE: Duration = Duration::from_secs(1_200);
const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 7420);

/// Plays it with its store in `directory`, and tells the most of each hour.
///
/// # Panics
/// A text was lost, doubled or overtaken, or the directory takes no store.
pub fn run(plan: Plan, directory: &Path, mut hour_is_over: impl FnMut(u32, &Reading)) -> Outcome {
    let mut world = World::new(plan, directory);
    let (mut early, mut late) = (Reading::default(), Reading::default());
    for hour in 1..=plan.hours {
        let mut most = Reading::default();
        for _ in 0..LOOKS_PER_HOUR {
            let until = world.now + LOOK_EVERY;
            world.play(until);
            most.keep_most(&world.look());
        }
        if (WARM_HOURS + 1..=WARM_HOURS + COMPARED_HOURS).contains(&hour) {
            early.keep_most(&most);
        }
        if hour + COMPARED_HOURS > plan.hours {
            late.keep_most(&most);
        }
        hour_is_over(hour, &most);
    }
    let growth = Reading::growth(&early, &late);
    Outcome { tally: world.tally, datagrams: world.network.sent, growth }
}

struct World {
    now: Instant,
    dice: Dice,
    server: Server,
    people: Vec<Person>,
    /// Who is at which address.
    places: HashMap<SocketAddr, usize>,
    /// When each is due, once each.
    due: BTreeSet<(Instant, usize)>,
    armed: Vec<Instant>,
    network: Network,
    tally: Tally,
    buffer: Vec<u8>,
}

impl World {
    fn new(plan: Plan, directory: &Path) -> Self {
        let mut dice = Dice::new(plan.seed);
        let now = Instant::from_micros(1_000_000);
        let server = Server::new(directory, &mut dice);
        let there = (SERVER, server.key());
        let people: Vec<Person> = (0..usize::from(plan.people))
            .map(|number| {
                let habits = Habits::of(number, plan.between_texts);
                let writes = now + ALL_HERE + habits.until_next_text(&mut dice);
                let times = (now + dice.up_to(ALL_HERE / 2), writes);
                Person::new(number, plan.people.into(), habits, there, times, &mut dice)
            })
            .collect();
        let armed: Vec<Instant> = people.iter().map(Person::poll_timeout).collect();
        Self {
            now,
            dice,
            server,
            places: people.iter().enumerate().map(|(at, person)| (person.address, at)).collect(),
            due: armed.iter().copied().enumerate().map(|(number, at)| (at, number)).collect(),
            armed,
            people,
            network: Network::default(),
            tally: Tally::default(),
            buffer: Vec::new(),
        }
    }

    /// Lets everything happen until then.
    fn play(&mut self, until: Instant) {
        loop {
            let person = self.due.first().map(|(at, _)| *at);
            let others = [self.network.next_arrival(), self.server.poll_timeout()];
            let next = others.into_iter().chain([person]).flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = until;
    }

    fn step(&mut self) {
        while let Some(datagram) = self.network.receive(self.now) {
            let (from, to, mut bytes) = (datagram.from, datagram.to, datagram.bytes);
            if to == SERVER {
                self.server.handle_datagram(self.now, from, &mut bytes);
                self.settle_server();
            } else if let Some(number) = self.places.get(&to).copied()
                && !self.people[number].in_a_tunnel
            {
                self.people[number].handle_datagram(self.now, &mut bytes);
                self.serve(number);
            }
        }
        while let Some((at, number)) = self.due.first().copied()
            && at <= self.now
        {
            let person = &mut self.people[number];
            let before = person.address;
            person.handle_timeout(self.now, &mut self.dice, &mut self.tally);
            if person.address != before {
                self.places.remove(&before);
                self.places.insert(person.address, number);
            }
            self.serve(number);
        }
        self.settle_server();
    }

    fn settle_server(&mut self) {
        let Self { server, network, dice, now, .. } = self;
        server.settle(*now, |to, bytes| network.send(*now, (SERVER, to), bytes, dice));
    }

    fn serve(&mut self, number: usize) {
        let Self { people, network, dice, tally, now, buffer, .. } = self;
        let person = &mut people[number];
        person.serve(*now, dice, tally);
        let (from, in_a_tunnel) = (person.address, person.in_a_tunnel);
        person.transmit(*now, buffer, |bytes| {
            if !in_a_tunnel {
                network.send(*now, (from, SERVER), bytes, dice);
            }
        });
        let at = person.poll_timeout();
        let before = std::mem::replace(&mut self.armed[number], at);
        self.due.remove(&(before, number));
        self.due.insert((at, number));
    }

    fn look(&self) -> Reading {
        let mut reading = Reading::default();
        readings::of_this_process(&mut reading);
        self.server.read(&mut reading);
        let waiting = self.people.iter().map(Person::waiting).sum();
        reading.add("entries in people's outboxes", waiting);
        reading
    }
}
