//! Logins: INIT, RETRY, RESP, and FIN after a first contact.

use super::{
    Endpoint, EndpointEvent, Entry, Incoming, SessionId, Standing, Unconfirmed, Welcome,
    limits::{Prefix, UNCONFIRMED_FOR, UNCONFIRMED_MAX, Verdict},
    token,
};
use crate::{
    CloseCode, ConnectionId, Instant, PublicKey,
    chat::{self, LoginReply},
    client::attempt::retry_key,
    crypto::{self, Rng},
    noise::{self, Handshake, Keys, NOISE_BYTES_MAX, Pattern},
    session::{Role, Session, Start},
    wire::packet::{self, Fin, HANDSHAKE_BYTES, Init, MAC_BYTES, Resp, Retry, SUITE, VERSION},
};
use smallvec::SmallVec;
use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

/// First contacts that wait for their third message; beyond, further ones are dropped.
pub(crate) const FIRST_CONTACTS_MAX: usize = 1024;

/// Unconfirmed sessions of one device.
const UNCONFIRMED_PER_DEVICE_MAX: usize = 4;

/// What tells a good INIT from a bad one before any Diffie-Hellman: hashed once, and not for each.
pub(super) struct InitKeys {
    ik: InitKey,
    xx: InitKey,
}

struct InitKey {
    key_id: [u8; 4],
    mac1_key: [u8; 32],
}

impl InitKeys {
    pub(super) fn new(public: &PublicKey) -> Self {
        let key =
            |known| InitKey { key_id: noise::key_id(known), mac1_key: noise::mac1_key(known) };
        Self { ik: key(Some(public)), xx: key(None) }
    }

    fn find(&self, key_id: [u8; 4]) -> Option<(Pattern, &[u8; 32])> {
        let init_keys = [(Pattern::Ik, &self.ik), (Pattern::Xx, &self.xx)];
        let (pattern, key) = init_keys.into_iter().find(|(_, key)| key.key_id == key_id)?;
        Some((pattern, &key.mac1_key))
    }
}

/// How a login came, and what it takes to answer it.
pub(super) enum Asked {
    /// The whole login in message 1.
    Ik { handshake: Box<Handshake>, client: ConnectionId, message_hash: [u8; 32], proved: bool },
    /// After the third message of a first contact.
    Xx { keys: Keys, client: ConnectionId },
}

/// Handshakes of first contacts, until their third message.
#[derive(Default)]
pub(super) struct FirstContacts {
    waiting: BTreeMap<ConnectionId, FirstContact>,
    /// In the order of their deadlines; entries that were answered are skipped.
    order: VecDeque<(Instant, ConnectionId)>,
}

struct FirstContact {
    handshake: Box<Handshake>,
    /// What it takes to make the handshake anew after a forged third message spoilt it.
    seed: [u8; 32],
    first_message: Box<[u8]>,
    /// Proved by its token.
    from: SocketAddr,
    client: ConnectionId,
}

impl FirstContacts {
    fn insert(&mut self, now: Instant, server: ConnectionId, contact: FirstContact) {
        self.order.push_back((now + UNCONFIRMED_FOR, server));
        self.waiting.insert(server, contact);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.order.front().map(|(at, _)| *at)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while self.deadline().is_some_and(|at| at <= now) {
            if let Some((_, server)) = self.order.pop_front() {
                self.waiting.remove(&server);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Endpoint {
    /// Takes an INIT; whether it was worth anything.
    pub(super) fn handle_init(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let Ok((version, client)) = Init::decode_invariant(datagram) else { return false };
        if version != VERSION {
            self.send_stateless(from, packet::encode_versions(client));
            return false;
        }
        let Ok(init) = Init::decode(datagram) else { return false };
        let Some((pattern, mac1_key)) = self.init_keys.find(init.server_key_id) else {
            return false;
        };
        let (covered, mac1) = datagram.split_at(HANDSHAKE_BYTES - MAC_BYTES);
        let expected = crypto::mac(mac1_key, &[covered]);
        if init.suite != SUITE
            || init.noise.len() > NOISE_BYTES_MAX
            || !crypto::equal(mac1, &expected)
        {
            return false;
        }
        let proved = init.token.is_some_and(|token| {
            token::is_valid(&token, &self.token_root, now, from, init.client, init.noise)
        });
        let verdict = match pattern {
            // The server would have to hold state: the address comes first.
            Pattern::Xx if !proved => Verdict::Retry,
            Pattern::Xx | Pattern::Ik => self.limits.judge(now, from, proved),
        };
        match verdict {
            Verdict::Drop => return false,
            Verdict::Retry => {
                self.retry(now, from, &init);
                return true;
            }
            Verdict::Go => {}
        }
        match pattern {
            Pattern::Ik => self.login(from, &init, proved),
            Pattern::Xx => self.first_contact(now, from, &init),
        }
    }

    fn retry(&mut self, now: Instant, to: SocketAddr, init: &Init<'_>) {
        let token = token::mint(&self.token_root, now, to, init.client, init.noise);
        let mut datagram = Retry { client: init.client, token }.encode();
        let tag = crypto::mac(&retry_key(init.noise), &[&datagram]);
        datagram.extend_from_slice(&tag);
        self.stats.retries += 1;
        self.send_stateless(to, datagram);
    }

    fn login(&mut self, from: SocketAddr, init: &Init<'_>, proved: bool) -> bool {
        let mut handshake =
            Handshake::server(&self.identity, Pattern::Ik, init.client, &mut self.rng);
        let Ok(payload) = handshake.read(init.noise) else { return false };
        let (Some(key), Ok(login)) = (handshake.peer(), chat::decode(&payload)) else {
            return false;
        };
        let message_hash = crypto::hash(b"pychat first message", &[init.noise]);
        let asked =
            Asked::Ik { handshake: Box::new(handshake), client: init.client, message_hash, proved };
        self.events.push_back(EndpointEvent::Incoming(Box::new(Incoming {
            key,
            login,
            from,
            asked,
        })));
        true
    }

    fn first_contact(&mut self, now: Instant, from: SocketAddr, init: &Init<'_>) -> bool {
        if self.first_contacts.order.len() >= FIRST_CONTACTS_MAX {
            return false;
        }
        let server = self.draw_connection_id();
        let seed = self.rng.bytes();
        let Some((handshake, answer)) =
            self.answer_first_contact(seed, server, init.client, init.noise)
        else {
            return false;
        };
        let resp = Resp { client: init.client, noise: &answer }.encode();
        self.send_stateless(from, resp);
        let (client, first_message) = (init.client, init.noise.into());
        let contact =
            FirstContact { handshake: Box::new(handshake), seed, first_message, from, client };
        self.first_contacts.insert(now, server, contact);
        true
    }

    /// The handshake after its second message, the same for the same seed.
    fn answer_first_contact(
        &self,
        seed: [u8; 32],
        server: ConnectionId,
        client: ConnectionId,
        first_message: &[u8],
    ) -> Option<(Handshake, Vec<u8>)> {
        let mut rng = Rng::new(seed);
        let mut handshake = Handshake::server(&self.identity, Pattern::Xx, client, &mut rng);
        handshake.read(first_message).ok()?;
        let answer = handshake.write(&server.0.to_be_bytes()).ok()?;
        Some((handshake, answer))
    }

    /// Takes the third message of a first contact.
    pub(super) fn handle_fin(&mut self, _now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let Ok(fin) = Fin::decode(datagram) else { return false };
        let Some(mut contact) = self.first_contacts.waiting.remove(&fin.server) else {
            return false;
        };
        let payload = contact.handshake.read(fin.noise).ok().filter(|_| contact.from == from);
        let Some(payload) = payload else {
            let FirstContact { seed, client, first_message, .. } = &contact;
            let anew = self.answer_first_contact(*seed, fin.server, *client, first_message);
            if let Some((handshake, _)) = anew {
                *contact.handshake = handshake;
                self.first_contacts.waiting.insert(fin.server, contact);
            }
            return false;
        };
        let Some(key) = contact.handshake.peer() else { return false };
        let (Ok(login), Ok(keys)) = (chat::decode(&payload), contact.handshake.keys()) else {
            return false;
        };
        let asked = Asked::Xx { keys, client: contact.client };
        self.events.push_back(EndpointEvent::Incoming(Box::new(Incoming {
            key,
            login,
            from,
            asked,
        })));
        true
    }

    /// An id that names this shard and no other session.
    fn draw_connection_id(&mut self) -> ConnectionId {
        loop {
            let random = self.rng.u64() >> 8;
            let id = ConnectionId(u64::from(self.config.shard) << 56 | random);
            let id = self.neighbours.tagged(id);
            if self.slots.find(id).is_none() && !self.first_contacts.waiting.contains_key(&id) {
                return id;
            }
        }
    }

    /// Lets a login in: answers it. The session stays unconfirmed until its first valid packet, and
    /// vanishes quietly if none comes. `None`: a repeated login (the answer is sent again), or too
    /// many unconfirmed ones (it is dropped).
    // The box moves between shards, and its contents are large.
    #[allow(clippy::boxed_local)]
    pub fn accept(
        &mut self,
        now: Instant,
        incoming: Box<Incoming>,
        welcome: Welcome,
    ) -> Option<SessionId> {
        let Incoming { key, from, asked, .. } = *incoming;
        let connection = self.draw_connection_id();
        let payload = chat::encode(&LoginReply::Welcome {
            connection_id: connection.0,
            reset_token: self.reset_token(connection),
            committed: welcome.committed.0,
            server_time: welcome.server_time,
        });
        let (standing, keys, client) = match asked {
            Asked::Xx { keys, client } => (Standing::Confirmed, keys, client),
            Asked::Ik { mut handshake, client, message_hash, proved } => {
                if self.answer_again(now, &key, &message_hash, from) {
                    return None;
                }
                let prefix = Prefix::of(from);
                if !self.make_room(&key, proved) || !self.limits.admit(prefix, proved) {
                    return None;
                }
                let answered =
                    handshake.write(&payload).and_then(|noise| Ok((noise, handshake.keys()?)));
                let Ok((noise, keys)) = answered else {
                    self.limits.confirmed(prefix);
                    return None;
                };
                let resp = Resp { client, noise: &noise }.encode();
                self.send_stateless(from, resp.clone());
                let deadline = now + UNCONFIRMED_FOR;
                let unconfirmed = Unconfirmed { key, message_hash, resp, deadline, prefix };
                (Standing::Unconfirmed(Box::new(unconfirmed)), keys, client)
            }
        };
        let first_contact = matches!(standing, Standing::Confirmed);
        let mut session = self.session_with(now, from, client, keys, welcome.committed.0);
        if first_contact {
            session.welcome(&payload);
        }
        let slot = self.slots.insert(connection, Entry { session, standing, ready: false });
        if first_contact {
            self.count(1);
            self.events.push_back(EndpointEvent::Confirmed { session: self.slots.id(slot) });
        } else {
            self.unconfirmed.entry(key).or_default().push(slot);
            self.unconfirmed_count += 1;
        }
        self.mark_ready(slot);
        Some(self.slots.id(slot))
    }

    /// The login is known already and waits to be confirmed: the same answer again.
    fn answer_again(
        &mut self,
        now: Instant,
        key: &PublicKey,
        message_hash: &[u8; 32],
        from: SocketAddr,
    ) -> bool {
        let known = self.unconfirmed.get(key).into_iter().flatten().find_map(|slot| {
            let entry = self.slots.entry_mut(*slot)?;
            match &entry.standing {
                Standing::Unconfirmed(waiting) if waiting.message_hash == *message_hash => {
                    entry.session.handshake_repeated(now);
                    Some(waiting.resp.clone())
                }
                Standing::Unconfirmed(_) | Standing::Confirmed | Standing::Gone => None,
            }
        });
        let again = known.is_some();
        if let Some(resp) = known {
            self.send_stateless(from, resp);
        }
        again
    }

    /// Whether one more unconfirmed session of this device fits. One whose address is proved takes
    /// the place of the oldest, so that old logins that somebody repeats from forged addresses do not
    /// keep the device out.
    fn make_room(&mut self, key: &PublicKey, proved: bool) -> bool {
        let of_device = self.unconfirmed.get(key);
        if of_device.map_or(0, SmallVec::len) >= UNCONFIRMED_PER_DEVICE_MAX {
            let Some(oldest) = of_device.and_then(|slots| slots.first().copied()) else {
                return false;
            };
            if !proved {
                return false;
            }
            self.retire(oldest, CloseCode::Replaced);
            self.remove(oldest);
        }
        self.unconfirmed_count < UNCONFIRMED_MAX
    }

    fn session_with(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        client: ConnectionId,
        keys: Keys,
        committed: u64,
    ) -> Session {
        let start = Start {
            role: Role::Server,
            peer: client,
            remote,
            send: keys.from_server,
            receive: keys.from_client,
            handshake: keys.handshake,
            committed_out: 0,
            committed_in: committed,
            rtt_hint: None,
        };
        Session::new(start, now, &mut self.rng)
    }

    /// Answers a login with a refusal.
    #[allow(clippy::boxed_local)]
    pub fn refuse(
        &mut self,
        now: Instant,
        incoming: Box<Incoming>,
        code: CloseCode,
        retry_after: Duration,
        reason: &str,
    ) {
        let Incoming { from, asked, .. } = *incoming;
        match asked {
            Asked::Ik { mut handshake, client, .. } => {
                let payload = chat::encode(&LoginReply::Refused {
                    code: code.code(),
                    retry_after_ms: u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX),
                    reason: reason.chars().take(REFUSAL_CHARS_MAX).collect(),
                });
                if let Ok(noise) = handshake.write(&payload) {
                    let resp = Resp { client, noise: &noise }.encode();
                    self.send_stateless(from, resp);
                }
            }
            // The client has keys already: a CLOSE, once. If it is lost, the client begins anew.
            Asked::Xx { keys, client } => {
                let mut session = self.session_with(now, from, client, keys, 0);
                session.close(now, code, retry_after, reason);
                let mut datagram = Vec::new();
                if let Some(to) = session.poll_packet(now, &mut self.rng, &mut datagram) {
                    self.send_stateless(to, datagram);
                }
            }
        }
    }
}

/// Longest reason of a refusal: with four bytes a character it fits the handshake message.
const REFUSAL_CHARS_MAX: usize = 200;
