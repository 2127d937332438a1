//! The server: its shards and its committer, driven by hand.

use crate::{
    disk::Disk,
    keys::{self, KeyUser},
    machine::Start,
};
use pychat_proto::{Endpoint, Instant, Owner, SecretKey, ServerSecrets};
use pychat_server::{
    committer::{Committer, Done, Job},
    shard::{Now, Shard, ShardConfig},
    store::{Quota, embedded::Embedded},
};
use pychat_testkit::dice::Dice;
use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

pub(crate) const SHARDS: u8 = 2;
const ALWAYS_WRITE_ONE_IN: u64 = 4;
/// Users in memory who are not busy, where the server forgets users.
const CLEAN_USERS_MAX: usize = 2;
/// How long a flush takes at most on a disk that is well.
pub(crate) const FLUSH_MAX: Duration = Duration::from_millis(5);
pub(crate) const STORE: &str = "mailboxes.sqlite3";
/// Over how long clients spread their return after an orderly stop.
const SPREAD_MAX: Duration = Duration::from_secs(1);

/// The machine that the server runs on: what stays over a crash, and what runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) disk: Disk,
    /// How long a flush takes at most.
    pub(crate) flush_max: Duration,
    /// Whether it writes texts too that their recipients have.
    always_write: bool,
    /// Whether its store keeps hardly any user in memory who is not busy.
    forgets_users: bool,
    secrets: Arc<ServerSecrets>,
    keys: KeyUser,
    running: Option<Running>,
}

struct Running {
    shards: Vec<Shard>,
    committer: Committer,
    jobs: Vec<Job>,
    flush_at: Option<Instant>,
    answers: VecDeque<(u8, Done)>,
}

impl Server {
    /// One server in so many writes everything; every other one forgets users.
    pub(crate) fn new(address: SocketAddr, disk: Disk, seed: u64) -> Self {
        let always_write = seed % ALWAYS_WRITE_ONE_IN == ALWAYS_WRITE_ONE_IN - 1;
        let forgets_users = seed % 2 == 1;
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes([1; 32]),
            reset: SecretKey::from_bytes([2; 32]),
        });
        Self {
            address,
            disk,
            flush_max: FLUSH_MAX,
            always_write,
            forgets_users,
            secrets,
            keys: KeyUser::new(seed),
            running: None,
        }
    }

    pub(crate) fn link(&self) -> String {
        format!("pychat://{}#{}", self.address, self.secrets.identity.public())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn start(&mut self, dice: &mut Dice) -> Start {
        let connection = self.disk.open(STORE).map_err(|error| error.to_string());
        let store = connection.and_then(|connection| {
            Embedded::from_connection(connection, Quota::default())
                .map_err(|error| error.to_string())
        });
        let mut store = match store {
            Ok(store) => store,
            Err(why) => return Start::failed(&self.disk, why),
        };
        if self.forgets_users {
            store.set_clean_users_max(CLEAN_USERS_MAX);
        }
        let committer = Committer::new(Box::new(store), SHARDS);
        let shard = |number| {
            let config = ShardConfig {
                always_write: self.always_write,
                ..ShardConfig::new(Arc::clone(&self.secrets), number, SHARDS)
            };
            Shard::new(config, dice.seed())
        };
        let shards = (0..SHARDS).map(shard).collect();
        let jobs = Vec::new();
        let answers = VecDeque::new();
        self.running = Some(Running { shards, committer, jobs, flush_at: None, answers });
        Start::Up
    }

    /// Everything in memory is gone; the disk, which was pulled before, stays.
    pub(crate) fn crash(&mut self) {
        self.running = None;
        self.disk.restart();
    }

    /// Says goodbye to all and ends as on SIGTERM.
    pub(crate) fn stop(&mut self, now: Now, out: &mut Vec<(SocketAddr, Vec<u8>)>) {
        let Some(running) = &mut self.running else { return };
        for shard in &mut running.shards {
            shard.begin_shutdown(now, SPREAD_MAX);
        }
        running.transmit(now, out);
        // What cannot be flushed is as after a crash.
        let _ = running.committer.flush();
        self.running = None;
    }

    /// Why the server has to end and be started again, if it has.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.running.as_ref()?.shards.iter().find_map(Shard::broken_store)
    }

    pub(crate) fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &mut [u8]) {
        let Some(running) = &mut self.running else { return };
        let shard = match Endpoint::owner(datagram) {
            Owner::Shard(shard) if shard < SHARDS => shard,
            // As the kernel spreads newcomers over the sockets: by their address.
            Owner::Shard(_) | Owner::Any => (from.port() % u16::from(SHARDS)) as u8,
        };
        running.shards[usize::from(shard)].handle_datagram(now, from, datagram);
    }

    /// Lets everything happen that happens now; what leaves is put into `out`.
    pub(crate) fn settle(
        &mut self,
        now: Now,
        dice: &mut Dice,
        out: &mut Vec<(SocketAddr, Vec<u8>)>,
    ) {
        let Some(running) = &mut self.running else { return };
        for shard in &mut running.shards {
            shard.handle_timeout(now);
        }
        loop {
            let exchanged = running.exchange(now, dice, self.flush_max, &mut self.keys);
            if self.disk.is_pulled() {
                return;
            }
            running.answer(now, &mut self.keys);
            let sent = running.transmit(now, out);
            if !exchanged && !sent {
                return;
            }
        }
    }

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        let running = self.running.as_mut()?;
        let shards = running.shards.iter_mut().filter_map(Shard::poll_timeout);
        shards.chain(running.flush_at).min()
    }

    /// Sessions of all shards.
    pub(crate) fn sessions(&self) -> usize {
        self.shards().map(Shard::sessions).sum()
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.running.iter().flat_map(|running| &running.shards)
    }
}

impl Running {
    /// Jobs to the committer, and what shards tell each other.
    fn exchange(
        &mut self,
        now: Now,
        dice: &mut Dice,
        flush_max: Duration,
        keys: &mut KeyUser,
    ) -> bool {
        let mut busy = !self.answers.is_empty();
        for index in 0..self.shards.len() {
            while let Some((to, message)) = self.shards[index].poll_to_shard() {
                busy = true;
                self.shards[usize::from(to)].handle_peer_shard(now, message);
            }
            self.jobs.extend(std::iter::from_fn(|| self.shards[index].poll_job()));
        }
        if !self.jobs.is_empty() && self.flush_at.is_none() {
            self.flush_at = Some(now.mono + dice.up_to(flush_max));
        }
        if self.flush_at.is_some_and(|at| at <= now.mono) {
            self.flush_at = None;
            self.jobs.extend(keys.ask());
            let mut answers = Vec::new();
            self.committer.step(std::mem::take(&mut self.jobs), &mut answers);
            self.answers.extend(answers);
            busy = true;
        }
        busy
    }

    /// The committer's answers to the shards.
    fn answer(&mut self, now: Now, keys: &mut KeyUser) {
        while let Some((shard, answer)) = self.answers.pop_front() {
            if shard == keys::SHARD {
                keys.hear(answer);
                continue;
            }
            self.shards[usize::from(shard)].handle_committer(now, answer);
        }
    }

    fn transmit(&mut self, now: Now, out: &mut Vec<(SocketAddr, Vec<u8>)>) -> bool {
        let before = out.len();
        let mut buffer = Vec::new();
        for shard in &mut self.shards {
            while let Some(transmit) = shard.poll_transmit(now, &mut buffer) {
                let datagrams = buffer.chunks(transmit.segment_bytes);
                out.extend(datagrams.map(|datagram| (transmit.to, datagram.to_vec())));
            }
        }
        out.len() > before
    }
}
