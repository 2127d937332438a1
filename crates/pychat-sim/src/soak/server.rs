//! The server's real parts on a real file, driven by hand.

use super::readings::{Reading, on_disk};
use pychat_proto::{Endpoint, Fill, Instant, Owner, PublicKey, SecretKey, ServerSecrets};
use pychat_server::{
    committer::{Committer, Job},
    shard::{Now, Shard, ShardConfig},
    store::{Quota, embedded::Embedded},
};
use pychat_testkit::dice::Dice;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const SHARDS: u8 = 2;
const STORE: &str = "mailboxes.sqlite3";
/// How long a flush takes, in virtual time: what comes meanwhile belongs to the next one.
const FLUSH: Duration = Duration::from_millis(3);
/// What the wall clock says when a soak begins.
const UNIX_START_MS: u64 = 1_700_000_000_000;

/// Shards, committer and store.
pub(super) struct Server {
    directory: PathBuf,
    secrets: Arc<ServerSecrets>,
    shards: Vec<Shard>,
    committer: Committer,
    jobs: Vec<Job>,
    flush_at: Option<Instant>,
    buffer: Vec<u8>,
}

impl Server {
    /// A new server, whose store comes into being in `directory`.
    pub(super) fn new(directory: &Path, dice: &mut Dice) -> Self {
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes(dice.seed()),
            reset: SecretKey::from_bytes(dice.seed()),
        });
        let store = Embedded::open(&directory.join(STORE), Quota::default());
        let store = store.expect("a store can be made in the directory");
        let shard = |number| {
            Shard::new(ShardConfig::new(Arc::clone(&secrets), number, SHARDS), dice.seed())
        };
        Self {
            directory: directory.to_owned(),
            shards: (0..SHARDS).map(shard).collect(),
            secrets,
            committer: Committer::new(Box::new(store), SHARDS),
            jobs: Vec::new(),
            flush_at: None,
            buffer: Vec::new(),
        }
    }

    pub(super) fn key(&self) -> PublicKey {
        self.secrets.identity.public()
    }

    pub(super) fn handle_datagram(&mut self, mono: Instant, from: SocketAddr, bytes: &mut [u8]) {
        let shard = match Endpoint::owner(bytes) {
            Owner::Shard(shard) if shard < SHARDS => shard,
            // As the kernel spreads newcomers over the sockets: by their address.
            Owner::Shard(_) | Owner::Any => (from.port() % u16::from(SHARDS)) as u8,
        };
        self.shards[usize::from(shard)].handle_datagram(at(mono), from, bytes);
    }

    /// Does what is due, and all that follows from it now; what leaves is handed to `send`.
    pub(super) fn settle(&mut self, mono: Instant, mut send: impl FnMut(SocketAddr, Vec<u8>)) {
        let now = at(mono);
        for shard in &mut self.shards {
            if shard.poll_timeout().is_some_and(|at| at <= mono) {
                shard.handle_timeout(now);
            }
        }
        while self.exchange(now) {}
        for shard in &mut self.shards {
            while let Some(transmit) = shard.poll_transmit(now, &mut self.buffer) {
                for datagram in self.buffer.chunks(transmit.segment_bytes.max(1)) {
                    send(transmit.to, datagram.to_vec());
                }
            }
        }
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let shards = self.shards.iter_mut().filter_map(Shard::poll_timeout);
        shards.chain(self.flush_at).min()
    }

    /// Notes everything that could grow.
    pub(super) fn read(&self, reading: &mut Reading) {
        let sum = |of: fn(&Shard) -> usize| self.shards.iter().map(of).sum::<usize>();
        reading.add("sessions", sum(Shard::sessions));
        reading.add("jobs under way", sum(Shard::jobs_under_way));
        for shard in &self.shards {
            // What is bounded for each session by itself adds up over all of them.
            shard.fills(|Fill { table, used, .. }| reading.add(table, used));
        }
        on_disk(&self.directory.join(STORE), reading);
    }

    /// One round of what the parts tell each other; whether there was anything.
    fn exchange(&mut self, now: Now) -> bool {
        let mut busy = false;
        for index in 0..self.shards.len() {
            while let Some((to, news)) = self.shards[index].poll_to_shard() {
                busy = true;
                self.shards[usize::from(to)].handle_peer_shard(now, news);
            }
            self.jobs.extend(std::iter::from_fn(|| self.shards[index].poll_job()));
        }
        if !self.jobs.is_empty() && self.flush_at.is_none() {
            self.flush_at = Some(now.mono + FLUSH);
        }
        if self.flush_at.is_some_and(|at| at <= now.mono) {
            busy = true;
            self.flush_at = None;
            let mut told = Vec::new();
            self.committer.step(std::mem::take(&mut self.jobs), &mut told);
            for (shard, done) in told {
                self.shards[usize::from(shard)].handle_committer(now, done);
            }
            let broken = self.shards.iter().find_map(Shard::broken_store);
            assert!(broken.is_none(), "the store failed: {broken:?}");
        }
        busy
    }
}

fn at(mono: Instant) -> Now {
    Now { mono, unix_ms: UNIX_START_MS + mono.as_micros() / 1000 }
}
