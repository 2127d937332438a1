//! The server: its shards and its committer, driven by hand.

use crate::crash::{Plug, unplug};
use pychat_proto::{Cursor, Seq, StreamId};
use pychat_proto::{Endpoint, Instant, Owner, SecretKey, ServerSecrets, UserName};
use pychat_server::{
    committer::{Committer, FromCommitter, Job},
    shard::{Now, Shard, ShardConfig},
    store::{
        Account, Answer, Command, MailboxStore, Page, Quota, ReadLimit, StoreError,
        embedded::Embedded,
    },
};
use pychat_testkit::dice::Dice;
use rusqlite::Connection;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

const SHARDS: u8 = 2;
/// How long a flush takes at most.
const FLUSH_MAX: Duration = Duration::from_millis(5);

/// The store, which stays behind when the committer that owns it crashes.
#[derive(Clone)]
struct Kept(Arc<Mutex<Option<Embedded>>>);

impl Kept {
    fn with<T>(&self, work: impl FnOnce(&mut Embedded) -> T) -> T {
        let mut store = self.0.lock().expect("one thread, and no panic is survived");
        work(store.as_mut().expect("the store is taken only from a crashed server"))
    }
}

impl MailboxStore for Kept {
    fn commit(&mut self, batch: &[Command]) -> Result<Vec<Answer>, StoreError> {
        self.with(|store| store.commit(batch))
    }

    fn read(
        &mut self,
        mailbox: &UserName,
        after: Cursor,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        self.with(|store| store.read(mailbox, after, limit))
    }

    fn account(&mut self, name: &UserName) -> Result<Option<Account>, StoreError> {
        self.with(|store| store.account(name))
    }

    fn accounts(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.with(|store| store.accounts(after, limit))
    }

    fn position(&mut self, user: &UserName, stream: StreamId) -> Result<Seq, StoreError> {
        self.with(|store| store.position(user, stream))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.with(MailboxStore::flush)
    }
}

/// The machine that the server runs on: what stays over a crash, and what runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    secrets: Arc<ServerSecrets>,
    disk: Option<Connection>,
    running: Option<Running>,
}

struct Running {
    shards: Vec<Shard>,
    committer: Committer,
    store: Kept,
    plug: Plug,
    jobs: Vec<Job>,
    flush_at: Option<Instant>,
    answers: VecDeque<(u8, FromCommitter)>,
}

impl Server {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes([1; 32]),
            reset: SecretKey::from_bytes([2; 32]),
        });
        let disk = Connection::open_in_memory().expect("there is memory");
        Self { address, secrets, disk: Some(disk), running: None }
    }

    pub(crate) fn link(&self) -> String {
        format!("pychat://{}#{}", self.address, self.secrets.identity.public())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn start(&mut self, dice: &mut Dice, plug: Plug) {
        let disk = self.disk.take().expect("a server starts once");
        let store = Embedded::from_connection(disk, Quota::default()).expect("the store opens");
        let store = Kept(Arc::new(Mutex::new(Some(store))));
        let committer = Committer::new(Box::new(store.clone()), SHARDS);
        let shard = |number| {
            let config = ShardConfig::new(Arc::clone(&self.secrets), number, SHARDS);
            Shard::new(config, dice.seed())
        };
        let shards = (0..SHARDS).map(shard).collect();
        let jobs = Vec::new();
        self.running = Some(Running {
            shards,
            committer,
            store,
            plug,
            jobs,
            flush_at: None,
            answers: VecDeque::new(),
        });
        self.arm();
    }

    /// The hook goes onto the connection, through the store that owns it.
    fn arm(&mut self) {
        let Some(running) = &mut self.running else { return };
        let mut slot = running.store.0.lock().expect("one thread");
        let store = slot.take().expect("just put there");
        let mut connection = store.into_connection();
        running.plug.install(&mut connection);
        *slot =
            Some(Embedded::from_connection(connection, Quota::default()).expect("it opens again"));
    }

    /// Everything in memory is gone; the disk stays.
    pub(crate) fn crash(&mut self) {
        if let Some(running) = self.running.take() {
            let store = running.store.0.lock().expect("one thread").take();
            let mut connection = store.expect("a running server has its store").into_connection();
            unplug(&mut connection);
            self.disk = Some(connection);
        }
    }

    pub(crate) fn is_crashed(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.plug.is_pulled())
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
            let mut busy = running.exchange(now, dice);
            let mut buffer = Vec::new();
            for shard in &mut running.shards {
                while let Some(transmit) = shard.poll_transmit(now, &mut buffer) {
                    busy = true;
                    out.extend(
                        buffer.chunks(transmit.segment_bytes).map(|b| (transmit.to, b.to_vec())),
                    );
                }
            }
            if !busy || running.plug.is_pulled() {
                return;
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        let shards = running.shards.iter().filter_map(Shard::poll_timeout);
        shards.chain(running.flush_at).min()
    }

    /// Sessions of all shards.
    pub(crate) fn sessions(&self) -> usize {
        self.running.iter().flat_map(|running| &running.shards).map(Shard::sessions).sum()
    }

    /// Jobs that wait for the committer.
    pub(crate) fn jobs(&self) -> usize {
        self.running.iter().flat_map(|running| &running.shards).map(Shard::jobs_under_way).sum()
    }
}

impl Running {
    /// Jobs to the committer, its answers to the shards, and what shards tell each other.
    fn exchange(&mut self, now: Now, dice: &mut Dice) -> bool {
        let mut busy = false;
        for index in 0..self.shards.len() {
            while let Some((to, message)) = self.shards[index].poll_to_shard() {
                busy = true;
                self.shards[usize::from(to)].handle_peer_shard(now, message);
            }
            self.jobs.extend(std::iter::from_fn(|| self.shards[index].poll_job()));
        }
        if !self.jobs.is_empty() && self.flush_at.is_none() {
            self.flush_at = Some(now.mono + dice.up_to(FLUSH_MAX));
        }
        if self.flush_at.is_some_and(|at| at <= now.mono) {
            self.flush_at = None;
            let mut answers = Vec::new();
            self.committer.step(std::mem::take(&mut self.jobs), &mut answers);
            self.answers.extend(answers);
            busy = true;
        }
        if self.plug.is_pulled() {
            return false;
        }
        while let Some((shard, answer)) = self.answers.pop_front() {
            busy = true;
            self.shards[usize::from(shard)].handle_committer(now, answer);
        }
        busy
    }
}
