//! Everything in one thread: shards, committer, people, and a network that loses nothing.

use super::{
    person::{Device, Person},
    store::{Disk, Mood, Switch},
};
use crate::{
    committer::{Committer, Job},
    shard::{FromShard, Now, Registration, Shard, ShardConfig},
    store::Quota,
};
use pychat_proto::{Endpoint, Instant, Owner, PublicKey, SecretKey, ServerSecrets};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Time on the wall when a world begins.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// What a world is made of.
pub(super) struct Options {
    pub(super) shards: u8,
    pub(super) registration: Registration,
    pub(super) quota: Quota,
    pub(super) always_write: bool,
}

impl Default for Options {
    fn default() -> Self {
        let (registration, quota) = (Registration::Open, Quota::default());
        Self { shards: 2, registration, quota, always_write: false }
    }
}

pub(super) struct World {
    mono: Instant,
    options: Options,
    secrets: Arc<ServerSecrets>,
    pub(super) shards: Vec<Shard>,
    disk: Disk,
    committer: Committer,
    jobs: Vec<Job>,
    switch: Switch,
    /// The committer is busy: jobs wait.
    pub(super) is_busy: bool,
    people: Vec<Person>,
    lives: u8,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        let [identity, reset] = [101, 102].map(|byte| SecretKey::from_bytes([byte; 32]));
        let switch = Switch::default();
        let disk = Disk::new(options.quota);
        let store = disk.open(options.quota, switch.clone());
        let mut world = Self {
            mono: Instant::from_micros(1_000_000),
            secrets: Arc::new(ServerSecrets { identity, reset }),
            shards: Vec::new(),
            disk,
            committer: Committer::new(Box::new(store), options.shards),
            jobs: Vec::new(),
            switch,
            is_busy: false,
            people: Vec::new(),
            lives: 0,
            options,
        };
        world.restart();
        world
    }

    /// The server's process begins anew on the same store.
    pub(super) fn restart(&mut self) {
        self.lives += 1;
        self.jobs.clear();
        let store = self.disk.open(self.options.quota, self.switch.clone());
        self.committer = Committer::new(Box::new(store), self.options.shards);
        let shard = |number| {
            let config = ShardConfig {
                registration: self.options.registration.clone(),
                always_write: self.options.always_write,
                ..ShardConfig::new(self.secrets.clone(), number, self.options.shards)
            };
            Shard::new(config, [number * 16 + self.lives; 32])
        };
        self.shards = (0..self.options.shards).map(shard).collect();
    }

    pub(super) const fn now(&self) -> Now {
        Now { mono: self.mono, unix_ms: EPOCH_MS + self.mono.as_micros() / 1_000 }
    }

    pub(super) fn server_key(&self) -> PublicKey {
        self.secrets.identity.public()
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.switch.set(mood);
    }

    /// A new person, who connects; the person's place in [`World::person`].
    pub(super) fn join(&mut self, device: Device) -> usize {
        let number = self.people.len();
        // Each in a network of its own, as logins are limited for each.
        let address = SocketAddr::from(([10, number as u8, 0, 1], 5_000 + number as u16));
        let seed = [200 - number as u8; 32];
        let mut person = Person::new(device, self.server_key(), address, seed);
        person.client.set_addresses(self.mono, vec![SERVER]);
        self.people.push(person);
        number
    }

    /// A person of that name whose key comes from the person's place.
    pub(super) fn join_as(&mut self, user: &str) -> usize {
        self.join(Device::new(user, self.people.len() as u8 + 1))
    }

    /// Several people at once, connected.
    pub(super) fn with_people<const N: usize>(
        options: Options,
        users: [&str; N],
    ) -> (Self, [usize; N]) {
        let mut world = Self::new(options);
        let people = users.map(|user| world.join_as(user));
        world.settle();
        for person in people {
            assert!(world.person(person).client.is_connected(), "{}", users[person]);
        }
        (world, people)
    }

    pub(super) fn person(&mut self, number: usize) -> &mut Person {
        &mut self.people[number]
    }

    /// A person writes a text.
    pub(super) fn write(&mut self, from: usize, to: &str, body: &str) -> pychat_proto::MessageId {
        self.people[from].write(self.mono, to, body)
    }

    /// A person writes several texts.
    pub(super) fn write_all(&mut self, from: usize, to: &str, bodies: &[impl AsRef<str>]) {
        for body in bodies {
            self.write(from, to, body.as_ref());
        }
    }

    /// A person's device is off the network: nothing comes or goes until `come_back`.
    pub(super) fn leave(&mut self, number: usize) {
        let now = self.mono;
        self.people[number].client.close(now);
        self.settle();
    }

    pub(super) fn come_back(&mut self, number: usize) {
        let now = self.mono;
        self.people[number].client.set_addresses(now, vec![SERVER]);
        self.settle();
    }

    /// Until nobody has anything to say for two seconds.
    pub(super) fn settle(&mut self) {
        self.run(Duration::from_secs(2));
    }

    /// Lets this much time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.mono + time;
        let mut rounds = 0;
        loop {
            while self.exchange() {
                rounds += 1;
                assert!(rounds < ROUNDS_MAX, "this never ends, at {:?}", self.mono);
            }
            rounds += 1;
            match self.next_timeout() {
                Some(next) if next <= end => {
                    self.mono = self.mono.max(next);
                    let now = self.now();
                    self.shards.iter_mut().for_each(|shard| shard.handle_timeout(now));
                    let people = self.people.iter_mut();
                    people.for_each(|person| person.client.handle_timeout(now.mono));
                }
                Some(_) | None => break,
            }
        }
        self.mono = end;
    }

    fn next_timeout(&mut self) -> Option<Instant> {
        let shards = self.shards.iter_mut().filter_map(Shard::poll_timeout);
        shards.chain(self.people.iter().filter_map(|person| person.client.poll_timeout())).min()
    }

    /// One round of everybody's news; `false`: there was none.
    fn exchange(&mut self) -> bool {
        let mut moved = self.exchange_datagrams();
        moved |= self.exchange_news();
        for person in &mut self.people {
            while person.take_event(self.mono) {
                moved = true;
            }
        }
        moved
    }

    fn exchange_datagrams(&mut self) -> bool {
        let (now, mut buffer) = (self.now(), Vec::new());
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for person in &mut self.people {
            while let Some(transmit) = person.client.poll_transmit(now.mono, &mut buffer) {
                for datagram in buffer.chunks(transmit.segment_bytes.max(1)) {
                    up.push((person.address, datagram.to_vec()));
                }
            }
        }
        for shard in &mut self.shards {
            while let Some(transmit) = shard.poll_transmit(now, &mut buffer) {
                for datagram in buffer.chunks(transmit.segment_bytes.max(1)) {
                    down.push((transmit.to, datagram.to_vec()));
                }
            }
        }
        let moved = !up.is_empty() || !down.is_empty();
        for (from, mut datagram) in up {
            let shard = match Endpoint::owner(&datagram) {
                Owner::Shard(number) => usize::from(number) % self.shards.len(),
                // A newcomer lands anywhere.
                Owner::Any => usize::from(from.port()) % self.shards.len(),
            };
            self.shards[shard].handle_datagram(now, from, &mut datagram);
        }
        for (to, mut datagram) in down {
            if let Some(person) = self.people.iter_mut().find(|person| person.address == to) {
                person.client.handle_datagram(now.mono, SERVER, &mut datagram);
            }
        }
        moved
    }

    fn exchange_news(&mut self) -> bool {
        let now = self.now();
        let mut news: Vec<(u8, FromShard)> = Vec::new();
        for shard in &mut self.shards {
            self.jobs.extend(std::iter::from_fn(|| shard.poll_job()));
            news.extend(std::iter::from_fn(|| shard.poll_to_shard()));
        }
        let works = !self.is_busy && !self.jobs.is_empty();
        let moved = works || !news.is_empty();
        for (shard, news) in news {
            self.shards[usize::from(shard)].handle_peer_shard(now, news);
        }
        let mut told = Vec::new();
        if works {
            self.committer.step(std::mem::take(&mut self.jobs), &mut told);
        }
        for (shard, told) in told {
            self.shards[usize::from(shard)].handle_committer(now, told);
        }
        moved
    }
}

/// More than any test needs: machines that answer each other forever are a bug.
const ROUNDS_MAX: usize = 1_000_000;

/// Where the server is.
const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 7420);
