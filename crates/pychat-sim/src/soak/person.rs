//! One person: a client with an outbox and a cursor, who comes and goes, writes and reads.

use super::{Tally, habits::Habits};
use pychat_proto::{
    Client, ClientConfig, ClientEvent, Cursor, DisplayName, Instant, Lane, Login, MessageId,
    PublicKey, SecretKey, Seq, ServerKey, StreamId, UserName,
    chat::{self, Call, MailboxEntry, OwnKeys, Prekey, Reply, ToClient, ToServer},
    records_for,
};
use pychat_testkit::dice::Dice;
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// To whom a person writes: those so many places further on.
const FURTHER: [usize; 6] = [1, 2, 3, 5, 8, 13];
/// Bytes that a text has at most besides its number; one in so many is long.
const SHORT_BYTES: u64 = 400;
const LONG_BYTES: u64 = 6_000;
const LONG_ONE_IN: u64 = 50;
/// Texts that one read receipt names.
const READ_AT_ONCE: usize = 4;
/// How long a goodbye takes at most until the program has ended.
const GOODBYE: Duration = Duration::from_secs(3);
/// Committed messages that are kept; a daemon keeps them for days.
const KEPT: usize = 16;
/// Fewer one-time keys at the server than this are topped up.
const KEYS_LOW: u32 = 5;

/// See the module's documentation.
pub(super) struct Person {
    number: usize,
    people: usize,
    pub(super) habits: Habits,
    identity: [u8; 32],
    server: (SocketAddr, PublicKey),
    /// Where the person is on the network.
    pub(super) address: SocketAddr,
    /// Nothing gets through until then.
    pub(super) in_a_tunnel: bool,
    /// Absent while the program does not run.
    client: Option<Client>,
    state: State,
    stream: [u8; 16],
    cursor: Cursor,
    /// What the server has not committed, and the last of what it has: a login beside a session that lives
    /// on may be told less than was committed in that one meanwhile.
    outbox: VecDeque<Outgoing>,
    committed: Seq,
    next_record: Seq,
    next_offer: Option<Seq>,
    /// Texts written to and read from each of [`FURTHER`].
    sent: [u64; FURTHER.len()],
    read: [u64; FURTHER.len()],
    /// Read texts of one writer that no receipt has told.
    unreceipted: Option<(UserName, Vec<MessageId>)>,
    write_at: Instant,
}

/// ```text
/// Away --> Here --> Leaving --> Away     or at once, without a word
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    Away { until: Instant },
    Here { until: Instant },
    Leaving { until: Instant },
}

struct Outgoing {
    first: Seq,
    last: Seq,
    payload: Vec<u8>,
}

impl Person {
    /// Somebody who comes at `at` for the first time, and writes once everybody has come.
    pub(super) fn new(
        number: usize,
        people: usize,
        habits: Habits,
        server: (SocketAddr, PublicKey),
        (at, write_at): (Instant, Instant),
        dice: &mut Dice,
    ) -> Self {
        let mut stream = [0; 16];
        stream.copy_from_slice(&dice.seed()[..16]);
        Self {
            number,
            people,
            habits,
            identity: dice.seed(),
            server,
            address: address(number, 0),
            in_a_tunnel: false,
            client: None,
            state: State::Away { until: at },
            stream,
            cursor: Cursor::NONE,
            outbox: VecDeque::new(),
            committed: Seq::NONE,
            next_record: Seq(1),
            next_offer: None,
            sent: [0; FURTHER.len()],
            read: [0; FURTHER.len()],
            unreceipted: None,
            write_at,
        }
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Instant {
        let (State::Away { until } | State::Here { until } | State::Leaving { until }) = self.state;
        let client = self.client.as_ref().and_then(Client::poll_timeout);
        let write = matches!(self.state, State::Here { .. }).then_some(self.write_at);
        [client, write].into_iter().flatten().fold(until, Instant::min)
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, bytes: &mut [u8]) {
        let server = self.server.0;
        if let Some(client) = &mut self.client {
            client.handle_datagram(now, server, bytes);
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, dice: &mut Dice, tally: &mut Tally) {
        if let Some(client) = &mut self.client {
            client.handle_timeout(now);
        }
        match self.state {
            State::Away { until } if until <= now => self.come(now, dice, tally),
            State::Here { until } if until <= now => self.go(now, dice, tally),
            State::Leaving { until } if until <= now => self.vanish(now, dice),
            State::Here { .. } if self.write_at <= now => {
                self.write_at = now + self.habits.until_next_text(dice);
                self.write(dice, tally);
            }
            State::Away { .. } | State::Here { .. } | State::Leaving { .. } => {}
        }
    }

    /// Hears what the session says, and offers what there is room for.
    pub(super) fn serve(&mut self, now: Instant, dice: &mut Dice, tally: &mut Tally) {
        while let Some(event) = self.client.as_mut().and_then(Client::poll_event) {
            match event {
                ClientEvent::Connected { committed, .. } => {
                    tally.logins += 1;
                    self.settle(committed);
                    self.next_offer = Some(committed.next());
                    self.ask(now, dice);
                }
                ClientEvent::Committed { up_to, .. } => self.settle(up_to),
                ClientEvent::Message { last, payload, lane } => {
                    self.take(&payload, tally);
                    if let Some(client) = &mut self.client {
                        client.set_cursor(self.cursor);
                        client.commit(now, lane, last);
                    }
                }
                ClientEvent::Disconnected { .. } => self.next_offer = None,
                ClientEvent::NeedAddresses => {
                    let server = self.server.0;
                    if let Some(client) = &mut self.client {
                        client.set_addresses(now, vec![server]);
                    }
                }
                ClientEvent::Reply { payload, .. } => self.hear(now, &payload),
                ClientEvent::Refused(_)
                | ClientEvent::MessageRefused { .. }
                | ClientEvent::ServerKeyLearned(_)
                | ClientEvent::Suspicion(_) => panic!("{}: {event:?}", self.name()),
                ClientEvent::Note { .. } | ClientEvent::Unanswered { .. } => {}
            }
        }
        self.offer(now);
    }

    /// Hands each datagram that leaves to `send`.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        buffer: &mut Vec<u8>,
        mut send: impl FnMut(Vec<u8>),
    ) {
        let Some(client) = &mut self.client else { return };
        while let Some(transmit) = client.poll_transmit(now, buffer) {
            buffer.chunks(transmit.segment_bytes.max(1)).for_each(|bytes| send(bytes.to_vec()));
        }
    }

    /// What the person still keeps of texts that the server has not committed.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.iter().filter(|outgoing| outgoing.last > self.committed).count()
    }

    fn come(&mut self, now: Instant, dice: &mut Dice, tally: &mut Tally) {
        if self.habits.wipes && self.waiting() == 0 {
            // A device that was wiped begins a new stream. What waited in it would be lost with it.
            self.stream.copy_from_slice(&dice.seed()[..16]);
            self.next_record = Seq(1);
            self.committed = Seq::NONE;
            self.outbox.clear();
            tally.wipes += 1;
        }
        let login = Login {
            user: self.name(),
            name: DisplayName::parse("").expect("it may be empty"),
            stream: StreamId(self.stream),
            cursor: self.cursor,
            invite: None,
        };
        let config = ClientConfig {
            identity: SecretKey::from_bytes(self.identity),
            server: ServerKey::Pinned(self.server.1),
            login,
            rtt_hint: None,
        };
        let mut client = Client::new(config, dice.seed());
        client.set_addresses(now, vec![self.server.0]);
        self.client = Some(client);
        self.state = State::Here { until: now + self.habits.stays(dice) };
    }

    /// The person's time is over: goodbye, or a program that is killed, or another network, or a tunnel.
    fn go(&mut self, now: Instant, dice: &mut Dice, tally: &mut Tally) {
        if std::mem::take(&mut self.in_a_tunnel) {
            self.state = State::Here { until: now + self.habits.stays(dice) };
            return;
        }
        match dice.below(10) {
            0..=3 => {
                tally.goodbyes += 1;
                if let Some(client) = &mut self.client {
                    client.close(now);
                }
                self.next_offer = None;
                self.state = State::Leaving { until: now + GOODBYE };
            }
            4..=6 => {
                tally.silent += 1;
                self.vanish(now, dice);
            }
            7 | 8 => {
                tally.moves += 1;
                self.address = address(self.number, 1 + dice.below(50_000) as u16);
                self.state = State::Here { until: now + self.habits.stays(dice) };
            }
            _ => {
                tally.tunnels += 1;
                self.in_a_tunnel = true;
                self.state = State::Here { until: now + Habits::tunnel(dice) };
            }
        }
    }

    fn vanish(&mut self, now: Instant, dice: &mut Dice) {
        self.client = None;
        self.next_offer = None;
        self.state = State::Away { until: now + self.habits.stays_away(dice) };
    }

    fn write(&mut self, dice: &mut Dice, tally: &mut Tally) {
        let whom = dice.below(FURTHER.len() as u64) as usize;
        self.sent[whom] += 1;
        let mut body = vec![whom as u8];
        body.extend(self.sent[whom].to_be_bytes());
        let most = if dice.below(LONG_ONE_IN) == 0 { LONG_BYTES } else { SHORT_BYTES };
        body.resize(body.len() + dice.below(most) as usize, b'x');
        let id = MessageId::from_bytes(dice.seed()[..16].try_into().expect("half of 32 bytes"));
        let to = name((self.number + FURTHER[whom]) % self.people);
        self.push(&ToServer::Text { id, to, body });
        tally.written += 1;
    }

    fn push(&mut self, message: &ToServer) {
        let payload = chat::encode(message);
        let first = self.next_record;
        self.next_record = Seq(first.0 + records_for(payload.len()));
        let last = Seq(self.next_record.0 - 1);
        self.outbox.push_back(Outgoing { first, last, payload });
    }

    fn settle(&mut self, up_to: Seq) {
        self.committed = up_to;
        let done = self.outbox.partition_point(|outgoing| outgoing.last <= up_to);
        self.outbox.drain(..done.saturating_sub(KEPT));
    }

    fn offer(&mut self, now: Instant) {
        let Some(client) = &mut self.client else { return };
        while let Some(next) = self.next_offer {
            let at = self.outbox.partition_point(|outgoing| outgoing.first < next);
            let Some(outgoing) = self.outbox.get(at) else { return };
            if client.room(Lane::CHAT) < records_for(outgoing.payload.len()) {
                return;
            }
            client.send_message(now, Lane::CHAT, outgoing.first, &outgoing.payload);
            self.next_offer = Some(outgoing.last.next());
        }
    }

    /// Reads an entry, checks that it is the next one of its writer, and tells that it was read.
    fn take(&mut self, payload: &[u8], tally: &mut Tally) {
        let MailboxEntry { cursor, entry } = chat::decode(payload).expect("an entry");
        assert!(cursor > self.cursor, "{}: {cursor} came after {}", self.name(), self.cursor);
        self.cursor = cursor;
        match entry {
            ToClient::Text { id, from, body, .. } => {
                let whom = usize::from(body[0]);
                let number: [u8; 8] = body[1..9].try_into().expect("eight bytes");
                let (number, read) = (u64::from_be_bytes(number), self.read[whom]);
                if number <= read {
                    // A daemon knows its id.
                    tally.again += 1;
                    return;
                }
                assert_eq!(number, read + 1, "{}: a text of {from}'s", self.name());
                self.read[whom] = number;
                tally.read += 1;
                self.note_read(from, id);
            }
            ToClient::Delivered { ids, .. } => tally.delivered += ids.len() as u64,
            ToClient::Read { .. } => tally.read_receipts += 1,
        }
    }

    fn note_read(&mut self, from: UserName, id: MessageId) {
        let ids = match self.unreceipted.take() {
            Some((to, mut ids)) if to == from => {
                ids.push(id);
                ids
            }
            Some((to, ids)) => {
                self.push(&ToServer::Read { to, ids });
                vec![id]
            }
            None => vec![id],
        };
        if ids.len() < READ_AT_ONCE {
            self.unreceipted = Some((from, ids));
        } else {
            self.push(&ToServer::Read { to: from, ids });
        }
    }

    /// At each login: our keys, and one of the questions that people's daemons ask.
    fn ask(&mut self, now: Instant, dice: &mut Dice) {
        let friend = name((self.number + FURTHER[0]) % self.people);
        let other = match dice.below(4) {
            0 => Call::Users { after: None, offline_too: true },
            1 | 2 => Call::User { name: friend },
            _ => Call::UserKeys { user: friend, claim: true },
        };
        self.call(now, &Call::OwnKeys);
        self.call(now, &other);
    }

    fn hear(&mut self, now: Instant, payload: &[u8]) {
        let Ok(Reply::OwnKeys(OwnKeys { device, unused, next, .. })) = chat::decode(payload) else {
            return;
        };
        if device.is_empty() {
            self.call(now, &Call::PublishDevice { device: vec![1; 100], fallback: vec![2; 100] });
        } else if unused < KEYS_LOW {
            let keys = vec![Prekey(vec![3; 100]); chat::PREKEYS_PER_CALL_MAX];
            self.call(now, &Call::PublishPrekeys { first: next, keys });
        }
    }

    /// Asks, if there is room for a question; who is not heard asks at the next login.
    fn call(&mut self, now: Instant, call: &Call) {
        if let Some(client) = &mut self.client {
            let _id = client.call(now, &chat::encode(call));
        }
    }

    fn name(&self) -> UserName {
        name(self.number)
    }
}

fn name(number: usize) -> UserName {
    UserName::parse(&format!("p{number}")).expect("a plain name")
}

/// Each in a network of its own, as logins are limited for each.
fn address(number: usize, port: u16) -> SocketAddr {
    let [high, low] = (number as u16).to_be_bytes();
    SocketAddr::from(([10, high, low, 1], 5_000 + port))
}
