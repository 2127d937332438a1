//! A server as far as the protocol goes: accounts and mailboxes in memory around an [`Endpoint`].

use super::{
    Account,
    pairs::{Pairs, RECEIPT},
};
use crate::dice::Dice;
use pychat_proto::{
    CloseCode, Endpoint, EndpointConfig, EndpointEvent, EndpointStats, Incoming, Instant, Lane,
    PublicKey, RefuseCode, SecretKey, Seq, ServerSecrets, SessionId, StreamId, Urgency, Welcome,
};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

/// A message that begins with this is refused: [`RefuseCode::NoSuchUser`].
pub const REFUSED_PREFIX: &[u8] = b"refuse this";

/// Logins per second beyond which everybody is sent a RETRY, unless a test sets another number.
const RETRY_BEYOND_PER_S: u32 = 200;

/// The server of a world.
pub struct Relay {
    address: SocketAddr,
    secrets: Arc<ServerSecrets>,
    endpoint: Endpoint,
    retry_beyond_per_s: u32,
    admission: Admission,
    accounts: BTreeMap<PublicKey, Account>,
    sessions: BTreeMap<SessionId, PublicKey>,
    pairs: Pairs,
    /// Logins that were decrypted.
    incoming: u64,
    buffer: Vec<u8>,
    /// Datagrams of a train that were not handed over yet, the first one last.
    train: Vec<(SocketAddr, Vec<u8>)>,
}

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Everybody.
    Everybody,
    /// Nobody, for this reason.
    Nobody {
        /// As a code.
        code: CloseCode,
        /// When to come back.
        retry_after: Duration,
    },
}

impl Relay {
    pub(super) fn new(address: SocketAddr, dice: &mut Dice) -> Self {
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes(dice.seed()),
            reset: SecretKey::from_bytes(dice.seed()),
        });
        Self {
            address,
            endpoint: endpoint(&secrets, RETRY_BEYOND_PER_S, dice.seed()),
            secrets,
            retry_beyond_per_s: RETRY_BEYOND_PER_S,
            admission: Admission::Everybody,
            accounts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            pairs: Pairs::default(),
            incoming: 0,
            buffer: Vec::new(),
            train: Vec::new(),
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who it is.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.secrets.identity.public()
    }

    /// What it keeps of a device.
    #[must_use]
    pub fn account(&self, key: PublicKey) -> Option<&Account> {
        self.accounts.get(&key)
    }

    /// How many logins it decrypted.
    #[must_use]
    pub const fn incoming(&self) -> u64 {
        self.incoming
    }

    /// Its counters since the last restart.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.endpoint.stats()
    }

    /// The protocol machine itself.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Live sessions, unconfirmed ones included.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.endpoint.sessions()
    }

    /// From now on logins are let in, or not.
    pub fn set_admission(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// From the next restart on, everybody is sent a RETRY beyond so many logins per second.
    pub fn set_retry_beyond(&mut self, per_s: u32) {
        self.retry_beyond_per_s = per_s;
    }

    /// From the next restart on it is another server: the same place, other keys.
    pub fn change_identity(&mut self, dice: &mut Dice) {
        self.secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes(dice.seed()),
            reset: SecretKey::from_bytes(dice.seed()),
        });
    }

    /// From now on what one client sends goes to the other one's mailbox, and a receipt comes back
    /// for each message that is safe there.
    pub fn pair(&mut self, sender: PublicKey, recipient: PublicKey) {
        self.pairs.join(sender, recipient);
    }

    pub(super) fn restart(&mut self, seed: [u8; 32]) {
        self.endpoint = endpoint(&self.secrets, self.retry_beyond_per_s, seed);
        self.sessions.clear();
        self.train.clear();
        self.accounts.values_mut().for_each(Account::forget_session);
    }

    pub(super) fn queue(&mut self, now: Instant, key: PublicKey, payload: &[u8]) {
        self.accounts.entry(key).or_default().mailbox.push(payload.to_vec());
        self.deliver(now, key);
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        self.endpoint.handle_datagram(now, from, datagram);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    pub(super) fn poll_datagram(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        if self.train.is_empty() {
            let transmit = self.endpoint.poll_transmit(now, &mut self.buffer)?;
            let datagrams = self.buffer.chunks(transmit.segment_bytes.max(1));
            self.train = datagrams.rev().map(|bytes| (transmit.to, bytes.to_vec())).collect();
        }
        self.train.pop()
    }

    /// Does what a server does about the next event; `false` if there is none.
    pub(super) fn take_event(&mut self, now: Instant) -> bool {
        let Some(event) = self.endpoint.poll_event() else { return false };
        match event {
            EndpointEvent::Incoming(incoming) => self.admit(now, incoming),
            EndpointEvent::Confirmed { session } => self.confirm(now, session),
            EndpointEvent::Message { session, lane, first, last, payload } => {
                assert_eq!(lane, Lane::CHAT, "nothing is sent on other lanes");
                let key = self.sessions[&session];
                let account = self.accounts.entry(key).or_default();
                account.waiting.push_back((first, last, payload));
                self.accept_waiting(now, session);
            }
            EndpointEvent::Skip { session, lane, up_to } => {
                let key = self.sessions[&session];
                self.accounts.entry(key).or_default().advance(up_to);
                self.endpoint.commit(now, session, lane, up_to);
                self.accept_waiting(now, session);
            }
            EndpointEvent::Committed { session, up_to, .. } => {
                let key = self.sessions[&session];
                let account = self.accounts.entry(key).or_default();
                let before = account.delivered;
                account.trim(up_to);
                let settled = account.delivered - before;
                if let Some(sender) = self.pairs.sender_to(key) {
                    (0..settled).for_each(|_| self.queue(now, sender, &RECEIPT));
                }
                self.deliver(now, key);
            }
            EndpointEvent::Writable { session } => {
                let key = self.sessions[&session];
                self.deliver(now, key);
            }
            EndpointEvent::Call { session, id, payload } => {
                self.endpoint.reply(now, session, id, &payload);
            }
            EndpointEvent::Away { session } => self.account_of(session).away = true,
            EndpointEvent::Back { session } => self.account_of(session).away = false,
            EndpointEvent::Closed { session, .. } => {
                if let Some(key) = self.sessions.remove(&session) {
                    let account = self.accounts.entry(key).or_default();
                    if account.session == Some(session) {
                        account.forget_session();
                    }
                }
            }
        }
        true
    }

    fn account_of(&mut self, session: SessionId) -> &mut Account {
        let key = self.sessions[&session];
        self.accounts.entry(key).or_default()
    }

    fn admit(&mut self, now: Instant, incoming: Box<Incoming>) {
        self.incoming += 1;
        if let Admission::Nobody { code, retry_after } = &self.admission {
            self.endpoint.refuse(now, incoming, *code, *retry_after, "not today");
            return;
        }
        let key = incoming.key;
        let stream = StreamId(incoming.login.stream);
        let account = self.accounts.entry(key).or_default();
        let committed = account.committed.get(&stream).copied().unwrap_or(Seq::NONE);
        let cursor = incoming.login.cursor;
        let welcome = Welcome { committed, server_time: now.as_micros() / 1_000 };
        if let Some(session) = self.endpoint.accept(now, incoming, welcome) {
            self.sessions.insert(session, key);
            // A replayed login can only repeat a cursor, which is behind what is delivered.
            let stored = usize::try_from(cursor.0).expect("a cursor of ours");
            account.delivered = account.delivered.max(stored);
            account.stream = Some(stream);
        }
    }

    fn confirm(&mut self, now: Instant, session: SessionId) {
        let account = self.account_of(session);
        account.confirmed += 1;
        let older = account.session.replace(session).filter(|older| *older != session);
        account.offered = account.delivered;
        account.under_way.clear();
        account.waiting.clear();
        account.away = false;
        if let Some(older) = older {
            self.sessions.remove(&older);
            self.endpoint.close(now, older, CloseCode::Replaced, Duration::ZERO, "");
        }
        let key = self.sessions[&session];
        self.deliver(now, key);
    }

    /// Takes messages as long as they are the next ones; one behind a refused one waits.
    fn accept_waiting(&mut self, now: Instant, session: SessionId) {
        let key = self.sessions[&session];
        loop {
            let account = self.accounts.entry(key).or_default();
            let Some((first, last, payload)) = account.waiting.pop_front() else { return };
            let committed = account.position();
            if last <= committed {
                // Taken in the session before, after this one's login: said again.
                self.endpoint.commit(now, session, Lane::CHAT, last);
                continue;
            }
            if first != committed.next() {
                account.waiting.push_front((first, last, payload));
                return;
            }
            if payload.starts_with(REFUSED_PREFIX) {
                self.endpoint.refuse_message(
                    now,
                    session,
                    Lane::CHAT,
                    last,
                    RefuseCode::NoSuchUser,
                );
                return;
            }
            account.received.push(payload.clone());
            account.advance(last);
            self.endpoint.commit(now, session, Lane::CHAT, last);
            if let Some(recipient) = self.pairs.recipient_from(key) {
                self.queue(now, recipient, &payload);
            }
        }
    }

    /// Hands the protocol as much of a mailbox as it takes.
    fn deliver(&mut self, now: Instant, key: PublicKey) {
        let account = self.accounts.entry(key).or_default();
        let Some(session) = account.session else { return };
        while let Some(body) = account.mailbox.get(account.offered) {
            let cursor = account.offered as u64 + 1;
            let payload = [&cursor.to_be_bytes(), body.as_slice()].concat();
            let Some(last) =
                self.endpoint.send_message(now, session, Lane::CHAT, Urgency::Normal, &payload)
            else {
                return;
            };
            account.offered += 1;
            account.under_way.push_back((last, account.offered));
        }
    }
}

fn endpoint(secrets: &Arc<ServerSecrets>, retry_beyond_per_s: u32, seed: [u8; 32]) -> Endpoint {
    let config = EndpointConfig { secrets: Arc::clone(secrets), shard: 0, retry_beyond_per_s };
    Endpoint::new(config, seed)
}
