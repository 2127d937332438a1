//! A real client at a real server.

use crate::server::Server;
use pychat_proto::{
    Client, ClientConfig, ClientEvent, Cursor, DisplayName, JoinLink, Lane, Login, MessageId,
    SecretKey, Seq, ServerKey, StreamId, UserName,
    chat::{self, MailboxEntry, ToClient, ToServer},
};
use pychat_udp::Socket;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const DEADLINE: Duration = Duration::from_secs(20);

struct Device {
    client: Client,
    socket: Socket,
    buffer: Vec<u8>,
}

impl Device {
    fn new(user: &str, number: u8, link: &JoinLink, local: &str) -> Self {
        let login = Login {
            user: UserName::parse(user).unwrap(),
            name: DisplayName::parse(user).unwrap(),
            stream: StreamId([number; 16]),
            cursor: Cursor::NONE,
            invite: None,
        };
        let server = ServerKey::Pinned(link.key.unwrap());
        let identity = SecretKey::from_bytes([number; 32]);
        let config = ClientConfig { identity, server, login, rtt_hint: None };
        let mut client = Client::new(config, [number; 32]);
        let address = link.first().to_string().parse().unwrap();
        client.set_addresses(pychat_udp::now(), vec![address]);
        let socket = Socket::bind(local.parse().unwrap()).unwrap();
        Self { client, socket, buffer: Vec::new() }
    }

    /// The next event.
    async fn next(&mut self) -> ClientEvent {
        loop {
            if let Some(event) = self.client.poll_event() {
                return event;
            }
            let now = pychat_udp::now();
            while let Some(transmit) = self.client.poll_transmit(now, &mut self.buffer) {
                self.socket.try_send(&transmit, &self.buffer).unwrap();
            }
            let due = self.client.poll_timeout().map_or(DEADLINE, |due| due.since(now));
            let client = &mut self.client;
            tokio::select! {
                received = self.socket.recv(|from, datagram| {
                    client.handle_datagram(pychat_udp::now(), from, datagram);
                }) => received.unwrap(),
                () = sleep(due) => {}
            }
            self.client.handle_timeout(pychat_udp::now());
        }
    }

    fn write(&mut self, to: &str, seq: u64, body: &str) {
        let text = ToServer::Text {
            id: MessageId::from_bytes([seq as u8; 16]),
            to: UserName::parse(to).unwrap(),
            body: body.as_bytes().to_vec(),
        };
        let now = pychat_udp::now();
        self.client.send_message(now, Lane::CHAT, Seq(seq), &chat::encode(&text));
    }

    /// The next text that arrives.
    async fn next_text(&mut self) -> String {
        loop {
            if let ClientEvent::Message { last, payload, .. } = self.next().await {
                let entry: MailboxEntry = chat::decode(&payload).unwrap();
                self.client.set_cursor(entry.cursor);
                self.client.commit(pychat_udp::now(), Lane::CHAT, last);
                if let ToClient::Text { body, .. } = entry.entry {
                    return String::from_utf8(body).unwrap();
                }
            }
        }
    }

    /// The server has everything up to here.
    async fn committed(&mut self, last: Seq) {
        loop {
            if let ClientEvent::Committed { up_to, .. } = self.next().await
                && up_to >= last
            {
                return;
            }
        }
    }

    async fn connect(&mut self) -> Seq {
        loop {
            if let ClientEvent::Connected { committed, .. } = self.next().await {
                return committed;
            }
        }
    }
}

/// Runs it, but not forever.
fn within_the_deadline(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(DEADLINE, story).await.expect("it took too long") });
}

#[test]
fn texts_arrive_whatever_the_shard_and_address() {
    let data = tempfile::tempdir().unwrap();
    let more = ["--dev", "--shards", "3", "--listen", "127.0.0.2:0"];
    let server = Server::start(data.path(), &more);
    let (addresses, link) = server.address_and_link();
    let link: JoinLink = link.parse().unwrap();
    within_the_deadline(async {
        // Names that live on different shards, each over one of the server's addresses. Each writes to
        // the one before, the first to herself.
        let mut before = None;
        for (number, user) in (1..).zip(["ann", "bea", "cid", "dan", "eve", "fay"]) {
            let at = addresses.split(" and ").nth(usize::from(number % 2)).unwrap();
            let link = JoinLink::to_place(at.parse().unwrap(), link.key);
            let mut device = Device::new(user, number, &link, "127.0.0.1:0");
            assert_eq!(device.connect().await, Seq::NONE);
            let (to, mut reader) = match before.take() {
                Some((name, reader)) => (name, Some(reader)),
                None => (user, None),
            };
            (1..=20).for_each(|seq| device.write(to, seq, &format!("{user} {seq}")));
            if reader.is_some() {
                device.committed(Seq(20)).await;
            }
            let reads = reader.as_mut().unwrap_or(&mut device);
            for seq in 1..=20 {
                assert_eq!(reads.next_text().await, format!("{user} {seq}"));
            }
            before = Some((user, device));
        }
    });
}

#[cfg(unix)]
#[test]
fn a_client_is_told_when_the_server_stops_and_finds_its_position_when_it_is_back() {
    use pychat_proto::CloseCode;
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("server.toml");
    std::fs::write(&config, "restart_spread_s = 0\n").unwrap();
    let config = ["--dev", "--config", config.to_str().unwrap()];
    let server = Server::start(data.path(), &config);
    let (address, link) = server.address_and_link();
    within_the_deadline(async {
        let mut device = Device::new("ann", 1, &link.parse().unwrap(), "127.0.0.1:0");
        device.connect().await;
        device.write("ann", 1, "one");
        assert_eq!(device.next_text().await, "one");
        server.signal(rustix::process::Signal::TERM);
        let code = loop {
            if let ClientEvent::Disconnected { code, .. } = device.next().await {
                break code;
            }
        };
        assert_eq!(code, CloseCode::Restarting);
        let (status, said) = tokio::task::spawn_blocking(|| server.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{said:#?}");
        let _server = Server::start_at(&address, data.path(), &config);
        assert_eq!(device.connect().await, Seq(1));
        device.write("ann", 2, "two");
        assert_eq!(device.next_text().await, "two");
    });
}
