//! The promises: what arrived was sent, what was told is true, what grows is bounded.

use super::{SECRET, SERVER, World};
use crate::{
    daemon::{DATABASE, Told},
    disk::Disk,
    server::STORE,
};
use pychat_control::State;
use pychat_proto::{
    Cursor, Fill, MessageId, UserName,
    chat::{self, ToClient},
};
use pychat_server::{
    shard::Shard,
    store::{MailboxStore, Quota, ReadLimit, embedded::Embedded},
};
use pychatd::db::Database;
use std::collections::BTreeMap;

/// One in so many states that people are told is looked up on disks.
const TOLD_PER_CHECK: u64 = 4;

/// More than any mailbox holds in a run.
const WHOLE_MAILBOX: ReadLimit = ReadLimit { entries: 10_000, bytes: 64 << 20 };

/// A user has one session, and up to four that are not confirmed, for ten seconds each: docs/PROTOCOL.md,
/// "Limits".
const SESSIONS_PER_USER_MAX: usize = 1 + 4;

impl World {
    pub(super) fn everything_arrived(&mut self) -> bool {
        if self.daemons.iter().any(|daemon| !daemon.drafts.is_empty() || !daemon.is_running()) {
            return false;
        }
        let sent: u64 = self.daemons.iter().map(|daemon| daemon.sent.len() as u64).sum();
        let received = self.received();
        self.outcome.texts = received.values().map(|texts| texts.len() as u64).sum();
        if self.outcome.texts > sent {
            // Something arrived that was not sent, or twice: say what.
            self.check_prefixes();
        }
        sent == self.outcome.texts
    }

    /// What each user has on disk from each other, in the order of its arrival.
    fn received(&mut self) -> BTreeMap<(String, String), Vec<String>> {
        let mut received: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for index in 0..self.daemons.len() {
            if !self.daemons[index].is_running() || self.daemons[index].disk.is_pulled() {
                continue;
            }
            let now = self.now(index + 1);
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
    pub(super) fn check_prefixes(&mut self) {
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
            let brief = |texts: &[String]| -> Vec<String> {
                let brief = |text: &String| text.chars().skip(SECRET.len()).take(12).collect();
                texts.iter().map(brief).collect()
            };
            assert!(
                count <= sent.len() && texts == sent[..count],
                "seed {seed}: {key:?}: arrived {:?}, sent {:?}",
                brief(&texts),
                brief(sent)
            );
        }
    }

    /// What a person was told is true even if all machines lose their power now.
    pub(super) fn check_what_was_told(&mut self) {
        for index in 0..self.daemons.len() {
            for Told { id, state } in std::mem::take(&mut self.daemons[index].told) {
                self.note(index + 1, || format!("tells its person that {id} is {state:?}"));
                if self.dice.below(TOLD_PER_CHECK) == 0 {
                    self.outcome.checked += 1;
                    let id = id.parse().expect("an id that the daemon told");
                    let is_true = self.is_true(index, id, state);
                    assert!(
                        is_true,
                        "seed {}: {} was told that {id} is {state:?}, and it is not on disk",
                        self.seed, self.daemons[index].user
                    );
                }
            }
        }
    }

    fn is_true(&self, sender: usize, id: MessageId, state: State) -> bool {
        let own = Copy::of(&self.daemons[sender].disk);
        let row = own.database.read().outgoing(id).expect("the database is readable");
        let Some(row) = row else { return false };
        let to = row.recipient.as_str();
        let recipient = self.daemons.iter().find(|daemon| daemon.user == to);
        let recipient = recipient.expect("texts go to users");
        let arrived = || {
            let theirs = Copy::of(&recipient.disk);
            let rows = theirs.database.read().incoming(id).expect("the database is readable");
            // A note to oneself has one row.
            !rows.is_empty() || recipient.user == self.daemons[sender].user
        };
        match state {
            State::Queued => true,
            State::Accepted => self.server_holds(&recipient.user, id) || arrived(),
            State::Delivered | State::Read => arrived(),
            other => panic!("{id} cannot be {other:?}"),
        }
    }

    /// Whether the server has the text on its disk.
    fn server_holds(&self, mailbox: &str, id: MessageId) -> bool {
        let disk = self.server.disk.worst();
        let connection = disk.open(STORE).expect("it opens");
        let store = Embedded::from_connection(connection, Quota::default());
        let mut store = store.expect("the store opens after a power cut");
        let mailbox = UserName::parse(mailbox).expect("a user's name");
        let page = store.read(&mailbox, Cursor::NONE, WHOLE_MAILBOX).expect("it is readable");
        assert!(!page.more, "more than any mailbox holds");
        page.entries.iter().any(|entry| match chat::decode(&entry.entry) {
            Ok(ToClient::Text { id: found, .. }) => found == id,
            Ok(ToClient::Delivered { .. } | ToClient::Read { .. }) => false,
            Err(error) => panic!("the mailbox of {mailbox} holds rubbish: {error}"),
        })
    }

    /// Every table is within its named bound.
    pub(super) fn check_bounds(&self) {
        let seed = self.seed;
        let check = |Fill { table, used, bound, .. }| {
            assert!(used <= bound, "seed {seed}: {used} {table}, of {bound} at most");
        };
        self.server.shards().for_each(|shard| shard.fills(check));
        self.daemons.iter().for_each(|daemon| daemon.fills(check));
        let users = self.daemons.len();
        let most = SESSIONS_PER_USER_MAX * users;
        assert!(self.server.sessions() <= most, "seed {}: sessions pile up", self.seed);
        let jobs: usize = self.server.shards().map(Shard::jobs_under_way).sum();
        assert!(jobs <= 300 * users, "seed {}: jobs pile up", self.seed);
        // Each packet is taken once at most, however often the network repeats it.
        let opened = self.server.shards().map(|shard| shard.stats().opened).sum();
        self.wire.borrow().check_opened(SERVER, opened);
        for (index, daemon) in self.daemons.iter().enumerate() {
            self.wire.borrow().check_opened(index + 1, daemon.packets_opened());
        }
    }

    pub(super) fn missing(&mut self) -> String {
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

/// What a power cut would leave of a daemon's database.
struct Copy {
    database: Database,
    _disk: Disk,
}

impl Copy {
    fn of(disk: &Disk) -> Self {
        let disk = disk.worst();
        let connection = disk.open(DATABASE).expect("it opens");
        let database = Database::from_connection(connection);
        Self { database: database.expect("the database opens after a power cut"), _disk: disk }
    }
}
