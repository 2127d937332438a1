//! A whole server (a shard, the committer, a store in memory), one honest person who is connected to
//! it, and one who has a login and keeps no rules.

use crate::{
    ledger::Ledger,
    pair::{Datagram, client_address, server_address},
};
use pychat_proto::{
    Client, ClientConfig, ClientEvent, Cursor, DisplayName, Instant, Lane, Login, MessageId,
    PublicKey, SecretKey, Seq, ServerKey, ServerSecrets, StreamId, UserName,
    chat::{self, LoginPayload, MailboxEntry, ToClient, ToServer},
    hostile::{Answer, Knock, Peer},
    records_for,
};
use pychat_server::{
    committer::Committer,
    shard::{Now, Shard, ShardConfig},
    store::{Quota, embedded::Embedded},
};
use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

/// Turns in which what happens now has happened.
const TURNS_MAX: usize = 10_000;

/// Moves of the clock in which the honest person's texts are through.
const STEPS_MAX: usize = 20_000;

/// Jobs of a session and a half: what waits for the store is answered at once here.
const SESSIONS_MAX: usize = 8;

/// Where the one with a login is.
pub(crate) fn insider_address() -> SocketAddr {
    ([10, 0, 0, 3], 6000).into()
}

/// See the module.
pub(crate) struct Stage {
    pub(crate) now: Instant,
    key: PublicKey,
    shard: Shard,
    committer: Committer,
    alice: Client,
    /// Her texts to herself, and how many of them she offered and got.
    texts: Vec<Vec<u8>>,
    first: Vec<u64>,
    offered: usize,
    taken: Vec<Vec<u8>>,
    cursor: Cursor,
    pub(crate) insider: Option<Peer>,
    ledger: Ledger,
    network: VecDeque<Datagram>,
    /// What alice sent lately, for whoever listens.
    pub(crate) overheard: Vec<Vec<u8>>,
}

/// How far the insider goes with the server before it breaks rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epoch {
    /// There it may send few frames.
    First,
    /// There it may send all.
    Hybrid,
}

/// Datagrams that a listener keeps.
const OVERHEARD_MAX: usize = 32;

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

impl Stage {
    /// Both are connected.
    pub(crate) fn new() -> Self {
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes([1; 32]),
            reset: SecretKey::from_bytes([2; 32]),
        });
        let key = secrets.identity.public();
        let store = Embedded::in_memory(Quota::default()).expect("there is memory");
        let config = ClientConfig {
            identity: SecretKey::from_bytes([3; 32]),
            server: ServerKey::Pinned(key),
            login: Login {
                user: user("alice"),
                name: DisplayName::parse("Alice").expect("a name"),
                stream: StreamId([9; 16]),
                cursor: Cursor::NONE,
                invite: None,
            },
            rtt_hint: None,
        };
        let mut stage = Self {
            now: Instant::from_micros(1_000_000_000),
            key,
            shard: Shard::new(ShardConfig::new(secrets, 0, 1), [5; 32]),
            committer: Committer::new(Box::new(store), 1),
            alice: Client::new(config, [4; 32]),
            texts: Vec::new(),
            first: vec![1],
            offered: 0,
            taken: Vec::new(),
            cursor: Cursor::NONE,
            insider: None,
            ledger: Ledger::new(server_address()),
            network: VecDeque::new(),
            overheard: Vec::new(),
        };
        stage.alice.set_addresses(stage.now, vec![server_address()]);
        stage.say();
        stage.until_delivered();
        stage.log_insider_in(Epoch::Hybrid);
        stage
    }

    fn time(&self) -> Now {
        Now { mono: self.now, unix_ms: self.now.as_micros() / 1000 }
    }

    /// Alice writes to herself.
    pub(crate) fn say(&mut self) {
        let number = self.texts.len() as u64;
        let body = format!("text {number}").into_bytes();
        let text = chat::encode(&ToServer::Text {
            id: MessageId::new(number, [7; 10]),
            to: user("alice"),
            body: body.clone(),
        });
        let next = self.first[self.first.len() - 1] + records_for(text.len());
        self.first.push(next);
        self.texts.push(text);
    }

    /// A stranger's datagram reaches the server.
    pub(crate) fn strike(&mut self, from: SocketAddr, bytes: &[u8]) {
        if from != client_address() && from != insider_address() {
            self.ledger.received(from, bytes.len());
        }
        let now = self.time();
        self.shard.handle_datagram(now, from, &mut bytes.to_vec());
        self.settle();
    }

    /// The one with a login logs in (again).
    pub(crate) fn log_insider_in(&mut self, epoch: Epoch) {
        let login = LoginPayload {
            user: user("mallory"),
            name: DisplayName::parse("Mallory").expect("a name"),
            stream: [8; 16],
            cursor: Cursor::NONE,
            invite: None,
        };
        let identity = SecretKey::from_bytes([6; 32]);
        let mut knock = Knock::new(&identity, self.key, &login, [7; 32]);
        let mut token = None;
        for _ in 0..3 {
            let mut heard = Vec::new();
            self.shard.handle_datagram(self.time(), insider_address(), &mut knock.init(token));
            self.settle_hearing(&mut heard);
            for datagram in heard {
                match knock.read(&datagram) {
                    Answer::Retry(fresh) => token = Some(fresh),
                    Answer::Welcome(peer) => return self.let_insider_in(*peer, epoch),
                    Answer::Refused(_) => return,
                    Answer::Stray => {}
                }
            }
        }
    }

    fn let_insider_in(&mut self, mut peer: Peer, epoch: Epoch) {
        let mut heard = Vec::new();
        let offer = match epoch {
            Epoch::First => Vec::new(),
            Epoch::Hybrid => peer.offer(),
        };
        for mut packet in offer {
            self.shard.handle_datagram(self.time(), insider_address(), &mut packet);
            self.settle_hearing(&mut heard);
        }
        heard.iter_mut().for_each(|datagram| drop(peer.open(datagram)));
        assert_eq!(peer.is_hybrid(), epoch == Epoch::Hybrid);
        self.insider = Some(peer);
    }

    pub(crate) fn settle(&mut self) {
        self.settle_hearing(&mut Vec::new());
    }

    /// Lets everything happen that happens now. What goes to the insider is put into `heard`.
    fn settle_hearing(&mut self, heard: &mut Vec<Vec<u8>>) {
        for _ in 0..TURNS_MAX {
            let busy = [self.turn_server(), self.turn_alice()].contains(&true);
            let delivered = self.carry(heard);
            if !busy && !delivered {
                let (sessions, jobs) = (self.shard.sessions(), self.shard.jobs_under_way());
                assert!(sessions <= SESSIONS_MAX, "{sessions} sessions of two people");
                assert_eq!(jobs, 0, "a job got lost");
                assert!(self.shard.broken_store().is_none(), "the store broke");
                return;
            }
        }
        panic!("they have no end of things to say");
    }

    fn turn_server(&mut self) -> bool {
        let (now, mut busy) = (self.time(), false);
        assert!(self.shard.poll_to_shard().is_none(), "there is one shard");
        let jobs: Vec<_> = std::iter::from_fn(|| self.shard.poll_job()).collect();
        if !jobs.is_empty() {
            busy = true;
            let mut answers = Vec::new();
            self.committer.step(jobs, &mut answers);
            for (_, answer) in answers {
                self.shard.handle_committer(now, answer);
            }
        }
        let mut buffer = Vec::new();
        while let Some(transmit) = self.shard.poll_transmit(now, &mut buffer) {
            busy = true;
            for bytes in buffer.chunks(transmit.segment_bytes.max(1)) {
                let (from, to) = (server_address(), transmit.to);
                self.network.push_back(Datagram { from, to, bytes: bytes.to_vec() });
            }
        }
        busy
    }

    fn turn_alice(&mut self) -> bool {
        let (now, mut busy) = (self.now, false);
        while let Some(event) = self.alice.poll_event() {
            busy = true;
            self.alice_event(event);
        }
        while let Some(text) = self.texts.get(self.offered) {
            if self.alice.room(Lane::CHAT) < records_for(text.len()) {
                break;
            }
            let first = Seq(self.first[self.offered]);
            self.alice.send_message(now, Lane::CHAT, first, text);
            self.offered += 1;
        }
        let mut buffer = Vec::new();
        while let Some(transmit) = self.alice.poll_transmit(now, &mut buffer) {
            busy = true;
            if self.overheard.len() == OVERHEARD_MAX {
                self.overheard.remove(0);
            }
            self.overheard.push(buffer.clone());
            let (from, to) = (client_address(), transmit.to);
            self.network.push_back(Datagram { from, to, bytes: buffer.clone() });
        }
        busy
    }

    fn alice_event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Connected { committed, .. } => {
                self.offered = self.first.partition_point(|first| *first <= committed.0);
            }
            ClientEvent::Message { lane, last, payload } => {
                let entry: MailboxEntry = chat::decode(&payload).expect("the server's own words");
                assert!(entry.cursor > self.cursor, "an entry came twice, or out of order");
                self.cursor = entry.cursor;
                if let ToClient::Text { from, body, .. } = entry.entry
                    && from.as_str() == "alice"
                {
                    self.taken.push(body);
                }
                self.alice.set_cursor(self.cursor);
                self.alice.commit(self.now, lane, last);
                self.check();
            }
            ClientEvent::NeedAddresses => {
                self.alice.set_addresses(self.now, vec![server_address()]);
            }
            ClientEvent::Refused(refusal) => panic!("alice was refused: {refusal:?}"),
            ClientEvent::Suspicion(pychat_proto::Suspicion::KeyChanged(_))
            | ClientEvent::ServerKeyLearned(_) => panic!("{event:?}"),
            ClientEvent::Disconnected { .. }
            | ClientEvent::Suspicion(_)
            | ClientEvent::Committed { .. }
            | ClientEvent::MessageRefused { .. }
            | ClientEvent::Reply { .. }
            | ClientEvent::Unanswered { .. }
            | ClientEvent::Note { .. } => {}
        }
    }

    /// What she got is an exact prefix of what she wrote.
    fn check(&self) {
        for (number, body) in self.taken.iter().enumerate() {
            assert_eq!(*body, format!("text {number}").into_bytes(), "not in order");
        }
        assert!(self.taken.len() <= self.texts.len());
    }

    fn carry(&mut self, heard: &mut Vec<Vec<u8>>) -> bool {
        let under_way = std::mem::take(&mut self.network);
        let delivered = !under_way.is_empty();
        for mut datagram in under_way {
            if datagram.to == server_address() {
                let now = self.time();
                self.shard.handle_datagram(now, datagram.from, &mut datagram.bytes);
            } else if datagram.to == client_address() {
                self.alice.handle_datagram(self.now, datagram.from, &mut datagram.bytes);
            } else if datagram.to == insider_address() {
                heard.push(datagram.bytes);
            } else {
                self.ledger.sent(datagram.to, datagram.bytes.len());
            }
        }
        delivered
    }

    /// Moves the clock.
    pub(crate) fn wait(&mut self, pause: Duration) {
        self.now += pause;
        self.alice.handle_timeout(self.now);
        let now = self.time();
        self.shard.handle_timeout(now);
        self.settle();
    }

    /// Runs until alice has all her texts.
    pub(crate) fn until_delivered(&mut self) {
        let end = self.now + DELIVERED_WITHIN;
        self.settle();
        for _ in 0..STEPS_MAX {
            if self.taken.len() == self.texts.len() {
                return;
            }
            let due = [self.alice.poll_timeout(), self.shard.poll_timeout()];
            let Some(due) = due.into_iter().flatten().min().filter(|due| *due <= end) else {
                break;
            };
            let pause = due.since(self.now);
            self.wait(pause);
        }
        panic!("alice has {} of {} texts", self.taken.len(), self.texts.len());
    }
}

/// Whatever others do, a text is through within this time once they stop.
const DELIVERED_WITHIN: Duration = Duration::from_secs(180);
