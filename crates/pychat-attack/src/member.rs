//! An honest client on a real socket: keeps an outbox and a cursor as a daemon does, in memory.

use crate::Target;
use pychat_proto::{
    Client, ClientConfig, ClientEvent, Cursor, DisplayName, Instant, Lane, Login, MessageId,
    RefuseCode, SecretKey, Seq, ServerKey, StreamId, UserName,
    chat::{self, MailboxEntry, ToClient, ToServer},
};
use pychat_testkit::dice::Dice;
use std::{
    collections::VecDeque,
    fmt,
    net::{SocketAddr, UdpSocket},
};

/// Room for the longest datagram.
const DATAGRAM_ROOM_BYTES: usize = 2_048;

/// Something that a [`Member`] is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A text came.
    Text {
        /// From whom.
        from: UserName,
        /// What.
        body: Vec<u8>,
    },
    /// A text was refused and skipped.
    Refused(RefuseCode),
    /// Logged in.
    Connected,
    /// The session is gone, or the login was refused.
    Lost,
    /// The server answered a question: it knows the name.
    Answered,
}

/// One honest client.
pub struct Member {
    name: UserName,
    server: SocketAddr,
    socket: UdpSocket,
    client: Client,
    dice: Dice,
    /// Texts that are not committed; the first one's number is `first`.
    outbox: VecDeque<Vec<u8>>,
    first: Seq,
    /// The next record to offer in this session.
    next: Option<Seq>,
    cursor: Cursor,
    logins: u64,
    happened: Vec<Happening>,
    buffer: Vec<u8>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, outbox, first, next, cursor, logins, .. } = self;
        let (waiting, stats) = (outbox.len(), self.client.stats());
        let next = next.map(|next| next.0);
        write!(
            f,
            "{name}: {logins} logins, {waiting} texts from {first} on, next {next:?}, cursor "
        )?;
        write!(f, "{cursor}, {stats:?}")
    }
}

impl Member {
    /// Somebody who begins to log in, with a device of their own.
    ///
    /// # Panics
    /// The name is none, or there is no free port.
    #[must_use]
    pub fn new(name: &str, target: &Target, seed: u64) -> Self {
        let name = UserName::parse(name).expect("a plain name");
        let mut dice = Dice::new(seed);
        let mut stream = [0; 16];
        stream.copy_from_slice(&dice.seed()[..16]);
        let login = Login {
            user: name,
            name: DisplayName::parse("").expect("it may be empty"),
            stream: StreamId(stream),
            cursor: Cursor::NONE,
            invite: None,
        };
        let config = ClientConfig {
            identity: SecretKey::from_bytes(dice.seed()),
            server: ServerKey::Pinned(target.key),
            login,
            rtt_hint: None,
        };
        let mut client = Client::new(config, dice.seed());
        client.set_addresses(pychat_udp::now(), vec![target.address]);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.set_nonblocking(true).expect("a socket need not block");
        Self {
            name,
            server: target.address,
            socket,
            client,
            dice,
            outbox: VecDeque::new(),
            first: Seq(1),
            next: None,
            cursor: Cursor::NONE,
            logins: 0,
            happened: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Who it is.
    #[must_use]
    pub const fn name(&self) -> &UserName {
        &self.name
    }

    /// To be waited for.
    #[must_use]
    pub const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// When it has to be served even if nothing comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    /// Texts that are not safe at the server.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.outbox.len()
    }

    /// Writes a text of one record.
    ///
    /// # Panics
    /// It is longer.
    pub fn write(&mut self, to: &UserName, body: Vec<u8>) {
        let mut id = [0; 16];
        id.copy_from_slice(&self.dice.seed()[..16]);
        let id = MessageId::from_bytes(id);
        let message = ToServer::Text { id, to: *to, body };
        let payload = chat::encode(&message);
        assert!(payload.len() <= pychat_proto::RECORD_BYTES_MAX, "a text of one record");
        self.outbox.push_back(payload);
        self.offer();
    }

    /// Asks whether the server knows our name.
    pub fn ask_for_name(&mut self) {
        let question = chat::encode(&chat::Call::User { name: self.name });
        // Without room, enough questions are under way.
        let _asked = self.client.call(pychat_udp::now(), &question);
    }

    /// Does all that can be done now; what happened meanwhile.
    pub fn serve(&mut self) -> Vec<Happening> {
        let mut room = [0; DATAGRAM_ROOM_BYTES];
        while let Ok((length, from)) = self.socket.recv_from(&mut room) {
            self.client.handle_datagram(pychat_udp::now(), from, &mut room[..length]);
            self.take_events();
        }
        self.client.handle_timeout(pychat_udp::now());
        self.take_events();
        self.flush();
        std::mem::take(&mut self.happened)
    }

    /// Sends what there is to send.
    pub fn flush(&mut self) {
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
                    self.logins += 1;
                    self.settle(committed);
                    self.next = Some(committed.next());
                    self.happened.push(Happening::Connected);
                    self.offer();
                }
                ClientEvent::Committed { up_to, .. } => {
                    self.settle(up_to);
                    self.offer();
                }
                ClientEvent::Disconnected { .. } | ClientEvent::Refused(_) => {
                    self.next = None;
                    self.happened.push(Happening::Lost);
                }
                ClientEvent::NeedAddresses => {
                    self.client.set_addresses(pychat_udp::now(), vec![self.server]);
                }
                ClientEvent::Message { lane, last, payload } => {
                    self.take_entry(&payload);
                    self.client.set_cursor(self.cursor);
                    self.client.commit(pychat_udp::now(), lane, last);
                }
                ClientEvent::MessageRefused { last, code, .. } => {
                    self.client.skip(pychat_udp::now(), Lane::CHAT, last);
                    self.happened.push(Happening::Refused(code));
                }
                ClientEvent::Reply { .. } => self.happened.push(Happening::Answered),
                ClientEvent::ServerKeyLearned(_)
                | ClientEvent::Unanswered { .. }
                | ClientEvent::Suspicion(_)
                | ClientEvent::Note { .. } => {}
            }
        }
    }

    fn settle(&mut self, up_to: Seq) {
        while self.first <= up_to && self.outbox.pop_front().is_some() {
            self.first = self.first.next();
        }
    }

    fn offer(&mut self) {
        let now = pychat_udp::now();
        while let Some(next) = self.next
            && let Some(index) = next.0.checked_sub(self.first.0)
            && let Some(payload) = self.outbox.get(index as usize)
            && self.client.room(Lane::CHAT) > 0
        {
            self.client.send_message(now, Lane::CHAT, next, payload);
            self.next = Some(next.next());
        }
    }

    fn take_entry(&mut self, payload: &[u8]) {
        let Ok(MailboxEntry { cursor, entry }) = chat::decode(payload) else { return };
        self.cursor = self.cursor.max(cursor);
        if let ToClient::Text { from, body, .. } = entry {
            self.happened.push(Happening::Text { from, body });
        }
    }
}
