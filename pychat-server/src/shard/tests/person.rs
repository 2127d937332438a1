//! One person's device: a real client, an outbox, an inbox.

use pychat_proto::{
    Client, ClientConfig, ClientEvent, CloseCode, Cursor, DisplayName, Instant, Lane, Login,
    MessageId, Place, PublicKey, RefuseCode, SecretKey, Seq, ServerKey, StreamId, UserName,
    chat::{self, Call, MailboxEntry, Note, Reply, ToClient, ToServer},
    records_for,
};
use std::{collections::BTreeSet, net::SocketAddr};

/// How a person's device treats what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Stores and commits at once.
    Prompt,
    /// Stores and commits nothing yet.
    Slow,
}

pub(super) struct Person {
    pub(super) client: Client,
    pub(super) address: SocketAddr,
    pub(super) user: UserName,
    outbox: Vec<Outgoing>,
    offered: usize,
    pub(super) reading: Reading,
    uncommitted: Option<Seq>,
    /// All that arrived, with its cursor.
    pub(super) inbox: Vec<(Cursor, ToClient)>,
    /// The outbox's records up to here are safe at the server.
    pub(super) committed: Seq,
    pub(super) refused: Vec<(Seq, RefuseCode)>,
    pub(super) replies: Vec<Reply>,
    /// Why the session ended or the login was refused, each time.
    pub(super) ended: Vec<(CloseCode, String)>,
    pub(super) connected: usize,
    /// How often the server said that it cannot store.
    pub(super) not_storing: usize,
    /// What the server told of its nodes, each time.
    pub(super) nodes: Vec<Vec<Place>>,
}

struct Outgoing {
    first: Seq,
    last: Seq,
    payload: Vec<u8>,
}

/// What makes a device.
#[derive(Clone)]
pub(super) struct Device {
    pub(super) identity: SecretKey,
    pub(super) login: Login,
}

impl Device {
    /// A device whose key and stream come from `number`.
    pub(super) fn new(user: &str, number: u8) -> Self {
        let login = Login {
            user: UserName::parse(user).unwrap(),
            name: DisplayName::parse(&user.to_uppercase()).unwrap(),
            stream: StreamId([number; 16]),
            cursor: Cursor::NONE,
            invite: None,
        };
        Self { identity: SecretKey::from_bytes([number; 32]), login }
    }
}

impl Person {
    pub(super) fn new(
        device: Device,
        server: PublicKey,
        address: SocketAddr,
        seed: [u8; 32],
    ) -> Self {
        let user = device.login.user;
        let config = ClientConfig {
            identity: device.identity,
            server: ServerKey::Pinned(server),
            login: device.login,
            rtt_hint: None,
        };
        Self {
            client: Client::new(config, seed),
            address,
            user,
            outbox: Vec::new(),
            offered: 0,
            reading: Reading::Prompt,
            uncommitted: None,
            inbox: Vec::new(),
            committed: Seq::NONE,
            refused: Vec::new(),
            replies: Vec::new(),
            ended: Vec::new(),
            connected: 0,
            not_storing: 0,
            nodes: Vec::new(),
        }
    }

    /// Puts a text into the outbox.
    pub(super) fn write(&mut self, now: Instant, to: &str, body: &str) -> MessageId {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&(self.outbox.len() as u64).to_be_bytes());
        random[8..].copy_from_slice(&self.address.port().to_be_bytes());
        let id = MessageId::new(1, random);
        let to = UserName::parse(to).unwrap();
        let body = body.as_bytes().to_vec();
        self.push(now, &chat::encode(&ToServer::Text { id, to, body }));
        id
    }

    /// Puts any bytes into the outbox.
    pub(super) fn push(&mut self, now: Instant, payload: &[u8]) {
        let first = self.outbox.last().map_or(Seq(1), |outgoing| outgoing.last.next());
        let last = Seq(first.0 + records_for(payload.len()) - 1);
        self.outbox.push(Outgoing { first, last, payload: payload.to_vec() });
        self.offer(now);
    }

    pub(super) fn ask(&mut self, now: Instant, call: &Call) {
        self.client.call(now, &chat::encode(call)).unwrap();
    }

    /// The last record of the outbox.
    pub(super) fn last(&self) -> Seq {
        self.outbox.last().map_or(Seq::NONE, |outgoing| outgoing.last)
    }

    /// From now on everything is stored and committed at once.
    pub(super) fn catch_up(&mut self, now: Instant) {
        self.reading = Reading::Prompt;
        if let Some(last) = self.uncommitted.take() {
            self.client.commit(now, Lane::CHAT, last);
        }
    }

    fn offer(&mut self, now: Instant) {
        while self.client.is_connected()
            && let Some(next) = self.outbox.get(self.offered)
            && self.client.room(Lane::CHAT) >= records_for(next.payload.len())
        {
            self.client.send_message(now, Lane::CHAT, next.first, &next.payload);
            self.offered += 1;
        }
    }

    /// Handles one event; `false`: there was none.
    pub(super) fn take_event(&mut self, now: Instant) -> bool {
        let Some(event) = self.client.poll_event() else { return false };
        match event {
            ClientEvent::Connected { committed, .. } => {
                self.connected += 1;
                self.committed = committed;
                self.uncommitted = None;
                self.offered = self.outbox.partition_point(|outgoing| outgoing.last <= committed);
            }
            ClientEvent::Disconnected { code, reason, .. } => self.ended.push((code, reason)),
            ClientEvent::Refused(refusal) => self.ended.push((refusal.code, refusal.reason)),
            ClientEvent::Message { last, payload, .. } => self.store(now, last, &payload),
            ClientEvent::Committed { up_to, .. } => self.committed = up_to,
            ClientEvent::MessageRefused { last, code, .. } => {
                self.refused.push((last, code));
                self.client.skip(now, Lane::CHAT, last);
            }
            ClientEvent::Reply { payload, .. } => {
                self.replies.push(chat::decode(&payload).unwrap());
            }
            ClientEvent::Note { payload } => match chat::decode(&payload).unwrap() {
                Note::NotStoring => self.not_storing += 1,
                Note::Presence(_) | Note::Notice { .. } => {}
                Note::Nodes { nodes } => self.nodes.push(nodes),
            },
            ClientEvent::NeedAddresses
            | ClientEvent::Unanswered { .. }
            | ClientEvent::ServerKeyLearned(_)
            | ClientEvent::Suspicion(_) => {}
        }
        self.offer(now);
        true
    }

    fn store(&mut self, now: Instant, last: Seq, payload: &[u8]) {
        let MailboxEntry { cursor, entry } = chat::decode(payload).unwrap();
        let newest = self.inbox.last().map_or(Cursor::NONE, |(cursor, _)| *cursor);
        assert!(cursor > newest, "{} got {cursor} after {newest}", self.user);
        self.inbox.push((cursor, entry));
        match self.reading {
            Reading::Prompt => {
                self.client.set_cursor(cursor);
                self.client.commit(now, Lane::CHAT, last);
            }
            Reading::Slow => self.uncommitted = Some(last),
        }
    }

    /// The texts that arrived; one that comes again, as after a crash, is known by its id.
    pub(super) fn texts(&self) -> Vec<&str> {
        let mut known = BTreeSet::new();
        let new = self.inbox.iter().filter(|(_, entry)| match entry {
            ToClient::Text { id, .. } => known.insert(*id),
            ToClient::Delivered { .. } | ToClient::Read { .. } => false,
        });
        new.filter_map(|(_, entry)| text_of(entry)).collect()
    }

    /// The texts of ours that were delivered, each as often as it was told.
    pub(super) fn delivered(&self) -> Vec<MessageId> {
        let ids = self.inbox.iter().filter_map(|(_, entry)| match entry {
            ToClient::Delivered { ids, .. } => Some(ids.clone()),
            ToClient::Text { .. } | ToClient::Read { .. } => None,
        });
        ids.flatten().collect()
    }
}

/// The text of an entry that is one.
pub(super) fn text_of(entry: &ToClient) -> Option<&str> {
    match entry {
        ToClient::Text { body, .. } => Some(std::str::from_utf8(body).unwrap()),
        ToClient::Delivered { .. } | ToClient::Read { .. } => None,
    }
}
