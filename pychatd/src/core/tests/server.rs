//! The smallest server that keeps the promises: positions, mailboxes, receipts, refusals.

use pychat_proto::{
    CloseCode, Cursor, DisplayName, Endpoint, EndpointConfig, EndpointEvent, Lane, MessageId,
    PublicKey, RefuseCode, SecretKey, Seq, ServerSecrets, SessionId, StreamId, Urgency, UserName,
    Welcome,
    chat::{
        self, Call, MailboxEntry, Note, OwnKeys, Presence, Reply, ToClient, ToServer, UserKeys,
        UserState,
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::core::Now;

/// Users in a page of this server.
pub(super) const PAGE_USERS: usize = 2;

pub(super) struct Server {
    pub(super) endpoint: Endpoint,
    pub(super) key: PublicKey,
    pub(super) accounts: BTreeMap<UserName, PublicKey>,
    pub(super) positions: BTreeMap<(UserName, StreamId), Seq>,
    pub(super) mailboxes: BTreeMap<UserName, Mailbox>,
    /// Texts that were stored, in their order, doubles and all.
    pub(super) texts: Vec<MessageId>,
    /// End-to-end keys.
    pub(super) keys: BTreeMap<UserName, Keys>,
    /// Takes no more messages: they stay on their way.
    pub(super) holds: bool,
    /// Refuses texts to this user as "mailbox full".
    pub(super) full: Option<UserName>,
    /// Answers this many questions for users with "try later".
    pub(super) try_later: u32,
    /// Answers questions for keys with "try later".
    pub(super) keeps_keys: bool,
    sessions: BTreeMap<SessionId, Session>,
}

/// What a user published.
#[derive(Clone, Default)]
pub(super) struct Keys {
    pub(super) device: Vec<u8>,
    pub(super) fallback: Vec<u8>,
    pub(super) unused: VecDeque<Vec<u8>>,
    pub(super) next: u64,
}

#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) entries: Vec<MailboxEntry>,
    pub(super) last: Cursor,
}

struct Session {
    user: UserName,
    stream: StreamId,
    /// The last entry handed to it.
    handed: Cursor,
    confirmed: bool,
    /// Each record's mailbox entry.
    on_the_way: BTreeMap<Seq, Cursor>,
    /// Messages that wait for what comes before them by their first record, skips by their last.
    waiting: BTreeMap<Seq, Piece>,
}

enum Piece {
    Message { last: Seq, payload: Vec<u8> },
    Skip,
}

impl Server {
    pub(super) fn new(identity: u8) -> Self {
        let secrets = ServerSecrets {
            identity: SecretKey::from_bytes([identity; 32]),
            reset: SecretKey::from_bytes([identity; 32]),
        };
        let key = secrets.identity.public();
        let config =
            EndpointConfig { secrets: Arc::new(secrets), shard: 0, retry_beyond_per_s: 1000 };
        Self {
            endpoint: Endpoint::new(config, [identity; 32]),
            key,
            accounts: BTreeMap::new(),
            positions: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            texts: Vec::new(),
            keys: BTreeMap::new(),
            holds: false,
            full: None,
            try_later: 0,
            keeps_keys: false,
            sessions: BTreeMap::new(),
        }
    }

    /// Restarts with what is on its disk.
    pub(super) fn restarted(self, identity: u8) -> Self {
        Self {
            accounts: self.accounts,
            positions: self.positions,
            mailboxes: self.mailboxes,
            texts: self.texts,
            keys: self.keys,
            ..Self::new(identity)
        }
    }

    pub(super) fn work(&mut self, now: Now) {
        while let Some(event) = self.endpoint.poll_event() {
            self.handle(now, event);
        }
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session in sessions {
            if !self.holds {
                self.take_waiting(now, session);
            }
            self.deliver(now, session);
        }
    }

    fn handle(&mut self, now: Now, event: EndpointEvent) {
        match event {
            EndpointEvent::Incoming(incoming) => {
                let (user, key) = (incoming.login.user, incoming.key);
                if *self.accounts.entry(user).or_insert(key) != key {
                    let code = CloseCode::NameTaken;
                    return self.endpoint.refuse(now.mono, incoming, code, Duration::ZERO, "taken");
                }
                let stream = StreamId(incoming.login.stream);
                let position = self.positions.get(&(user, stream)).copied();
                let welcome =
                    Welcome { committed: position.unwrap_or_default(), server_time: now.unix_ms };
                let handed = incoming.login.cursor;
                if let Some(id) = self.endpoint.accept(now.mono, incoming, welcome) {
                    let session = Session {
                        user,
                        stream,
                        handed,
                        confirmed: false,
                        on_the_way: BTreeMap::new(),
                        waiting: BTreeMap::new(),
                    };
                    self.sessions.insert(id, session);
                }
            }
            EndpointEvent::Confirmed { session } => {
                let Some(new) = self.sessions.get_mut(&session) else { return };
                new.confirmed = true;
                let user = new.user;
                self.sessions.retain(|id, old| *id == session || old.user != user);
            }
            EndpointEvent::Message { session, first, last, payload, .. } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.waiting.insert(first, Piece::Message { last, payload });
                }
            }
            EndpointEvent::Skip { session, up_to, .. } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.waiting.insert(up_to, Piece::Skip);
                }
            }
            EndpointEvent::Committed { session, up_to, .. } => self.confirmed(session, up_to),
            EndpointEvent::Call { session, id, payload } => {
                let Some(user) = self.sessions.get(&session).map(|session| session.user) else {
                    return;
                };
                let reply = chat::encode(&self.answer(user, chat::decode(&payload).unwrap()));
                self.endpoint.reply(now.mono, session, id, &reply);
            }
            EndpointEvent::Closed { session, .. } => drop(self.sessions.remove(&session)),
            EndpointEvent::Writable { .. }
            | EndpointEvent::Away { .. }
            | EndpointEvent::Back { .. } => {}
        }
    }

    /// Tells everybody that it cannot store.
    pub(super) fn complain(&mut self, now: Now) {
        for session in self.sessions.keys() {
            self.endpoint.note(now.mono, *session, &chat::encode(&Note::NotStoring));
        }
    }

    fn position(&self, session: SessionId) -> Seq {
        let Session { user, stream, .. } = &self.sessions[&session];
        self.positions.get(&(*user, *stream)).copied().unwrap_or_default()
    }

    fn move_to(&mut self, now: Now, session: SessionId, up_to: Seq) {
        let Some(Session { user, stream, .. }) = self.sessions.get(&session) else { return };
        let position = self.positions.entry((*user, *stream)).or_default();
        *position = up_to.max(*position);
        let up_to = *position;
        self.endpoint.commit(now.mono, session, Lane::CHAT, up_to);
    }

    fn take_waiting(&mut self, now: Now, id: SessionId) {
        loop {
            let position = self.position(id);
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let Some((first, piece)) = session.waiting.pop_first() else { return };
            let (last, payload) = match piece {
                Piece::Skip => {
                    self.move_to(now, id, first);
                    continue;
                }
                Piece::Message { last, .. } if last <= position => continue,
                Piece::Message { .. } if first != position.next() => {
                    session.waiting.insert(first, piece);
                    return;
                }
                Piece::Message { last, payload } => (last, payload),
            };
            let from = session.user;
            match self.take(now, &from, chat::decode(&payload).unwrap()) {
                Ok(()) => self.move_to(now, id, last),
                Err(code) => {
                    self.endpoint.refuse_message(now.mono, id, Lane::CHAT, last, code);
                    return;
                }
            }
        }
    }

    fn take(&mut self, now: Now, from: &UserName, message: ToServer) -> Result<(), RefuseCode> {
        let at = now.unix_ms;
        match message {
            ToServer::Text { id, to, body } => {
                if !self.accounts.contains_key(&to) {
                    return Err(RefuseCode::NoSuchUser);
                }
                if self.full.as_ref() == Some(&to) {
                    return Err(RefuseCode::MailboxFull);
                }
                self.texts.push(id);
                let (from, name) = (*from, DisplayName::parse("").unwrap());
                self.append(&to, ToClient::Text { id, from, name, accepted_at: at, body });
            }
            ToServer::Read { to, ids } => {
                self.append(&to, ToClient::Read { by: *from, ids, at });
            }
        }
        Ok(())
    }

    pub(super) fn append(&mut self, to: &UserName, entry: ToClient) {
        let mailbox = self.mailboxes.entry(*to).or_default();
        mailbox.last = mailbox.last.next();
        mailbox.entries.push(MailboxEntry { cursor: mailbox.last, entry });
    }

    fn deliver(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.confirmed) else {
            return;
        };
        let Some(mailbox) = self.mailboxes.get_mut(&session.user) else { return };
        // Never a cursor at or below the client's.
        mailbox.last = mailbox.last.max(session.handed);
        for entry in &mailbox.entries {
            if entry.cursor > session.handed {
                let payload = chat::encode(entry);
                let sent =
                    self.endpoint.send_message(now.mono, id, Lane::CHAT, Urgency::Normal, &payload);
                let Some(seq) = sent else { return };
                session.handed = entry.cursor;
                session.on_the_way.insert(seq, entry.cursor);
            }
        }
    }

    /// The recipient has it: the sender gets a receipt, then the entry goes.
    fn confirmed(&mut self, id: SessionId, up_to: Seq) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let rest = session.on_the_way.split_off(&up_to.next());
        let done = std::mem::replace(&mut session.on_the_way, rest);
        let (by, Some(cursor)) = (session.user, done.into_values().max()) else { return };
        let Some(mailbox) = self.mailboxes.get_mut(&by) else { return };
        let (gone, kept) = std::mem::take(&mut mailbox.entries)
            .into_iter()
            .partition::<Vec<_>, _>(|entry| entry.cursor <= cursor);
        mailbox.entries = kept;
        for entry in gone {
            if let ToClient::Text { id, from, accepted_at: at, .. } = entry.entry {
                self.append(&from, ToClient::Delivered { by, ids: vec![id], at });
            }
        }
    }

    fn answer(&mut self, asking: UserName, call: Call) -> Reply {
        match call {
            Call::Users { .. } | Call::User { .. } if self.try_later > 0 => {
                self.try_later -= 1;
                return Reply::TryLater;
            }
            Call::OwnKeys
            | Call::PublishDevice { .. }
            | Call::PublishPrekeys { .. }
            | Call::UserKeys { .. }
                if self.keeps_keys =>
            {
                return Reply::TryLater;
            }
            _ => {}
        }
        let state = |user: &UserName| UserState {
            user: *user,
            name: DisplayName::parse("").unwrap(),
            presence: Presence::Online,
            since: 0,
        };
        let after = match call {
            Call::Users { after, .. } => after,
            Call::User { name } => {
                return Reply::User(self.accounts.contains_key(&name).then(|| state(&name)));
            }
            Call::OwnKeys => return self.own_keys(&asking),
            Call::PublishDevice { device, fallback } => {
                let keys = self.keys.entry(asking).or_default();
                if keys.device != device {
                    *keys = Keys { device, ..Keys::default() };
                }
                keys.fallback = fallback;
                return self.own_keys(&asking);
            }
            Call::PublishPrekeys { first, keys: new } => {
                let keys = self.keys.entry(asking).or_default();
                for (number, key) in (first..).zip(new) {
                    if number >= keys.next {
                        keys.next = number + 1;
                        keys.unused.push_back(key.0);
                    }
                }
                return self.own_keys(&asking);
            }
            Call::UserKeys { user, claim } => {
                if !self.accounts.contains_key(&user) {
                    return Reply::UserKeys(None);
                }
                let keys = self.keys.entry(user).or_default();
                let device = keys.device.clone();
                let prekey = match claim {
                    true => keys.unused.pop_front().unwrap_or_else(|| keys.fallback.clone()),
                    false => Vec::new(),
                };
                return Reply::UserKeys(Some(UserKeys { device, prekey }));
            }
        };
        let after = after.as_ref();
        let mut users: Vec<UserState> = self
            .accounts
            .keys()
            .filter(|user| after.is_none_or(|after| *user > after))
            .take(PAGE_USERS + 1)
            .map(state)
            .collect();
        let more = users.len() > PAGE_USERS;
        users.truncate(PAGE_USERS);
        Reply::Users { users, more }
    }

    fn own_keys(&self, user: &UserName) -> Reply {
        let keys = self.keys.get(user).cloned().unwrap_or_default();
        let unused = keys.unused.len() as u32;
        let Keys { device, fallback, next, .. } = keys;
        Reply::OwnKeys(OwnKeys { device, fallback, unused, next })
    }
}
