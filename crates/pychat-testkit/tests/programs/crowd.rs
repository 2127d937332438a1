//! Many clients on real sockets, driven by one thread.
//!
//! Each member writes to its neighbour, keeps an outbox and a cursor as a daemon does, and notes what
//! happened to it. Drive them with [`Crowd::run_until`].

use pychat_proto::{
    Client, ClientConfig, ClientEvent, Cursor, DisplayName, JoinLink, Lane, Login, MessageId,
    SecretKey, Seq, ServerKey, StreamId, UserName,
    chat::{self, MailboxEntry, ToClient, ToServer},
};
use pychat_testkit::dice::Dice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    collections::BTreeSet,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// Room for the longest datagram.
const DATAGRAM_ROOM_BYTES: usize = 2_048;

/// The longest sleep, so that a deadline is seen.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// All of them.
pub(crate) struct Crowd {
    members: Vec<Member>,
    steadily: Option<Steadily>,
}

/// Texts that everybody writes by and by, whatever comes back: numbers from 0.
#[derive(Clone, Copy)]
struct Steadily {
    begun: Instant,
    every: Duration,
    count: usize,
}

/// One client and what it keeps on its disk.
pub(crate) struct Member {
    name: UserName,
    neighbour: UserName,
    server: SocketAddr,
    socket: UdpSocket,
    client: Client,
    /// Texts, one record each: the first has number 1.
    outbox: Vec<String>,
    /// The next record to offer in this session.
    next: Option<Seq>,
    committed: Seq,
    cursor: Cursor,
    received: Vec<String>,
    known: BTreeSet<(UserName, MessageId)>,
    repeats: usize,
    last_arrival: Option<Instant>,
    longest_pause: Duration,
    logins: usize,
    /// Whether the name is known to be ours on the server's disk too.
    named: bool,
    buffer: Vec<u8>,
}

impl Crowd {
    /// `count` members who begin to log in at `server`.
    pub(crate) fn new(count: usize, link: &JoinLink, server: SocketAddr, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let member = |number| Member::new(number, count, link, server, &mut dice);
        Self { members: (0..count).map(member).collect(), steadily: None }
    }

    /// From now on everybody writes a text to the neighbour each time that `every` has passed, the
    /// numbers from 0 to `count - 1`.
    pub(crate) fn write_steadily(&mut self, count: usize, every: Duration) {
        self.steadily = Some(Steadily { begun: Instant::now(), every, count });
    }

    /// Everybody writes `text` to the neighbour.
    pub(crate) fn everybody_writes(&mut self, text: &str) {
        for member in &mut self.members {
            member.write(text);
        }
    }

    /// Serves all members until `done`.
    pub(crate) fn run_until(
        &mut self,
        what: &str,
        deadline: Duration,
        done: impl Fn(&Self) -> bool,
    ) {
        let end = Instant::now() + deadline;
        loop {
            self.write_what_is_due();
            self.members.iter_mut().for_each(Member::serve);
            if done(self) {
                return;
            }
            assert!(Instant::now() < end, "not within {deadline:?}: {what}\n{}", self.story());
            self.sleep();
        }
    }

    /// Waits until everybody is logged in for the first time and can be written to.
    pub(crate) fn log_in(&mut self, deadline: Duration) {
        self.run_until("everybody is logged in", deadline, |crowd| {
            crowd.members.iter().all(|member| member.logins == 1 && member.named)
        });
    }

    /// How often each has logged in so far.
    pub(crate) fn logins(&self) -> impl Iterator<Item = usize> {
        self.members.iter().map(|member| member.logins)
    }

    /// Whether the server holds all that everybody wrote.
    pub(crate) fn is_committed(&self) -> bool {
        self.members.iter().all(|member| member.committed.0 == member.outbox.len() as u64)
    }

    /// What each received, in order.
    pub(crate) fn received(&self) -> impl Iterator<Item = &[String]> {
        self.members.iter().map(|member| member.received.as_slice())
    }

    /// Texts that everybody wrote so far.
    pub(crate) fn written(&self) -> usize {
        self.members.iter().map(|member| member.outbox.len()).sum()
    }

    /// Texts that the first member knows to be safe at the server.
    pub(crate) fn first_committed(&self) -> u64 {
        self.members[0].committed.0
    }

    /// Texts that came a second time, after a server had forgotten that it had delivered them.
    pub(crate) fn repeats(&self) -> usize {
        self.members.iter().map(|member| member.repeats).sum()
    }

    /// The longest time that anybody waited from one text to the next.
    pub(crate) fn longest_pause(&self) -> Duration {
        let pauses = self.members.iter().map(|member| member.longest_pause);
        pauses.max().unwrap_or_default()
    }

    fn write_what_is_due(&mut self) {
        let Some(Steadily { begun, every, count }) = self.steadily else { return };
        let everybody = self.members.len() as u32;
        for (number, member) in self.members.iter_mut().enumerate() {
            // Spread over the interval, so that not all write at the same moment.
            let shift = every * number as u32 / everybody;
            let passed = begun.elapsed().saturating_sub(shift);
            let due = (passed.as_nanos() / every.as_nanos()) as usize;
            for text in member.outbox.len()..due.min(count) {
                member.write(&text.to_string());
            }
        }
    }

    fn sleep(&self) {
        let now = pychat_udp::now();
        let due = self.members.iter().filter_map(|member| member.client.poll_timeout()).min();
        let most = self.steadily.map_or(SLEEP_MAX, |steadily| steadily.every / 10);
        let pause = due.map_or(most, |due| due.since(now)).min(most);
        let pause = Timespec::try_from(pause).expect("a short time fits");
        let mut sockets: Vec<PollFd<'_>> =
            self.members.iter().map(|member| PollFd::new(&member.socket, PollFlags::IN)).collect();
        poll(&mut sockets, Some(&pause)).expect("sockets can be waited for");
    }

    /// Those who lag behind, for a failing test's message.
    fn story(&self) -> String {
        let most = self.logins().max().unwrap_or(0);
        let lags = |member: &&Member| {
            member.logins < most || member.committed.0 < member.outbox.len() as u64
        };
        let tell = |member: &Member| {
            let Member { name, logins, committed, outbox, received, .. } = member;
            let (wrote, got) = (outbox.len(), received.len());
            let connected = member.client.is_connected();
            format!("{name}: {logins} logins, connected {connected}, {committed}/{wrote}, {got}\n")
        };
        self.members.iter().filter(lags).map(tell).collect()
    }
}

impl Member {
    fn new(
        number: usize,
        count: usize,
        link: &JoinLink,
        server: SocketAddr,
        dice: &mut Dice,
    ) -> Self {
        let name = |number: usize| UserName::parse(&format!("m{number}")).expect("a plain name");
        let mut stream = [0; 16];
        stream.copy_from_slice(&dice.seed()[..16]);
        let login = Login {
            user: name(number),
            name: DisplayName::parse("").expect("it may be empty"),
            stream: StreamId(stream),
            cursor: Cursor::NONE,
            invite: None,
        };
        let config = ClientConfig {
            identity: SecretKey::from_bytes(dice.seed()),
            server: ServerKey::Pinned(link.key.expect("a server's link names its key")),
            login,
            rtt_hint: None,
        };
        let mut client = Client::new(config, dice.seed());
        client.set_addresses(pychat_udp::now(), vec![server]);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.set_nonblocking(true).expect("a socket need not block");
        Self {
            name: name(number),
            neighbour: name((number + 1) % count),
            server,
            socket,
            client,
            outbox: Vec::new(),
            next: None,
            committed: Seq::NONE,
            cursor: Cursor::NONE,
            received: Vec::new(),
            known: BTreeSet::new(),
            repeats: 0,
            last_arrival: None,
            longest_pause: Duration::ZERO,
            logins: 0,
            named: false,
            buffer: Vec::new(),
        }
    }

    fn write(&mut self, text: &str) {
        self.outbox.push(text.to_owned());
        self.offer();
    }

    /// Does all that can be done now.
    fn serve(&mut self) {
        let mut room = [0; DATAGRAM_ROOM_BYTES];
        while let Ok((length, from)) = self.socket.recv_from(&mut room) {
            self.client.handle_datagram(pychat_udp::now(), from, &mut room[..length]);
            self.take_events();
        }
        self.client.handle_timeout(pychat_udp::now());
        self.take_events();
        while let Some(transmit) = self.client.poll_transmit(pychat_udp::now(), &mut self.buffer) {
            for datagram in self.buffer.chunks(transmit.segment_bytes.max(1)) {
                // What cannot be sent is lost, as on any network.
                let _lost = self.socket.send_to(datagram, transmit.to);
            }
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Connected { committed, .. } => {
                    // A server that was killed may have forgotten the last ones: they go again.
                    self.logins += 1;
                    self.ask_for_name();
                    self.committed = committed;
                    self.next = Some(committed.next());
                    self.offer();
                }
                ClientEvent::Committed { up_to, .. } => {
                    self.committed = up_to;
                    self.offer();
                }
                ClientEvent::Disconnected { .. } => self.next = None,
                ClientEvent::NeedAddresses => {
                    self.client.set_addresses(pychat_udp::now(), vec![self.server]);
                }
                ClientEvent::Message { lane, last, payload } => {
                    self.store(&payload);
                    self.client.set_cursor(self.cursor);
                    self.client.commit(pychat_udp::now(), lane, last);
                }
                ClientEvent::Refused(_)
                | ClientEvent::MessageRefused { .. }
                | ClientEvent::ServerKeyLearned(_)
                | ClientEvent::Suspicion(_) => panic!("{}: {event:?}", self.name),
                ClientEvent::Reply { .. } => self.named = true,
                ClientEvent::Note { .. } | ClientEvent::Unanswered { .. } => {}
            }
        }
    }

    /// The server answers once the name is ours on its disk; before that, nobody can write to us.
    fn ask_for_name(&mut self) {
        let question = chat::encode(&chat::Call::User { name: self.name });
        self.client.call(pychat_udp::now(), &question).expect("there is room for one question");
    }

    /// Hands over as much of the outbox as is taken.
    fn offer(&mut self) {
        let now = pychat_udp::now();
        while let Some(next) = self.next
            && let Some(text) = self.outbox.get(index(next))
            && self.client.room(Lane::CHAT) > 0
        {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&next.0.to_be_bytes());
            let message = ToServer::Text {
                id: MessageId::from_bytes(id),
                to: self.neighbour,
                body: text.clone().into_bytes(),
            };
            self.client.send_message(now, Lane::CHAT, next, &chat::encode(&message));
            self.next = Some(next.next());
        }
    }

    fn store(&mut self, payload: &[u8]) {
        let MailboxEntry { cursor, entry } = chat::decode(payload).expect("an entry");
        assert!(cursor > self.cursor, "{}: an entry came twice", self.name);
        self.cursor = cursor;
        // One that goes again has the same id, and is known by it.
        let ToClient::Text { id, from, body, .. } = entry else { return };
        if !self.known.insert((from, id)) {
            self.repeats += 1;
            return;
        }
        self.received.push(String::from_utf8(body).expect("a text"));
        let now = Instant::now();
        let pause = self.last_arrival.replace(now).map_or(Duration::ZERO, |last| now - last);
        self.longest_pause = self.longest_pause.max(pause);
    }
}

/// Where a record's text is in the outbox.
fn index(seq: Seq) -> usize {
    usize::try_from(seq.0 - 1).expect("an outbox is short")
}
