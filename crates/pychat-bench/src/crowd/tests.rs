//! A crowd against a small server in memory, which may do to texts what a server must not.

use super::*;
use crate::{body::Fault, tally::Trouble};
use pychat_proto::{
    CloseCode, Endpoint, EndpointConfig, EndpointEvent, Lane, Seq, ServerSecrets, SessionId,
    Urgency, Welcome,
    chat::{self, MailboxEntry, Presence, Reply, ToClient, ToServer, UserState},
};
use std::{sync::Arc, time::Duration};

const SERVER: &str = "10.0.0.1:7420";
const WAY: Duration = Duration::from_millis(1);

/// What the server makes of the bodies that came, before it hands them on.
type Tamper = fn(&mut Vec<Vec<u8>>);

struct World {
    now: Instant,
    crowd: Crowd,
    server: Endpoint,
    sessions: HashMap<UserName, SessionId>,
    tamper: Tamper,
    cursor: u64,
    buffer: Vec<u8>,
}

impl World {
    fn new(tamper: Tamper) -> Self {
        let secrets = Arc::new(ServerSecrets {
            identity: SecretKey::from_bytes([1; 32]),
            reset: SecretKey::from_bytes([2; 32]),
        });
        let config = CrowdConfig {
            server: SERVER.parse().unwrap(),
            recipients: None,
            key: secrets.identity.public(),
            sockets: 1,
            seed: 1,
            run: 7,
        };
        let endpoint = EndpointConfig { secrets, shard: 0, retry_beyond_per_s: 200 };
        Self {
            now: Instant::from_micros(1_000_000),
            crowd: Crowd::new(config),
            server: Endpoint::new(endpoint, [3; 32]),
            sessions: HashMap::new(),
            tamper,
            cursor: 0,
            buffer: Vec::new(),
        }
    }

    /// Two who can write to each other.
    fn with_pair(tamper: Tamper) -> Self {
        let mut world = Self::new(tamper);
        world.crowd.grow(2);
        (0..2).for_each(|member| world.crowd.log_in(world.now, member));
        world.run(Duration::from_secs(1));
        (0..2).for_each(|member| world.crowd.ask(world.now, member));
        world.run(Duration::from_secs(1));
        assert_eq!((world.crowd.tally().logged_in, world.crowd.tally().known), (2, 2));
        world
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.crowd.handle_timeout(self.now);
            let from = "10.0.0.2:5000".parse().unwrap();
            while let Some((socket, transmit)) =
                self.crowd.poll_transmit(self.now, &mut self.buffer)
            {
                assert_eq!((socket, transmit.to), (0, SERVER.parse().unwrap()));
                for datagram in self.buffer.chunks_mut(transmit.segment_bytes) {
                    self.server.handle_datagram(self.now, from, datagram);
                }
            }
            self.serve();
            self.now += WAY;
            self.server.handle_timeout(self.now);
            while let Some(transmit) = self.server.poll_transmit(self.now, &mut self.buffer) {
                for datagram in self.buffer.chunks_mut(transmit.segment_bytes) {
                    self.crowd.handle_datagram(self.now, SERVER.parse().unwrap(), datagram);
                }
            }
        }
    }

    fn serve(&mut self) {
        let mut texts = Vec::new();
        while let Some(event) = self.server.poll_event() {
            match event {
                EndpointEvent::Incoming(incoming) => {
                    let user = incoming.login.user;
                    let welcome = Welcome { committed: Seq(0), server_time: 0 };
                    let session = self.server.accept(self.now, incoming, welcome);
                    self.sessions.extend(session.map(|session| (user, session)));
                }
                EndpointEvent::Message { session, lane, last, payload, .. } => {
                    self.server.commit(self.now, session, lane, last);
                    let Ok(ToServer::Text { body, .. }) = chat::decode(&payload) else { continue };
                    texts.push(body);
                }
                EndpointEvent::Call { session, id, payload } => {
                    let Ok(chat::Call::User { name: user }) = chat::decode(&payload) else {
                        continue;
                    };
                    let name = DisplayName::parse("").unwrap();
                    let state = UserState { user, name, presence: Presence::Online, since: 0 };
                    let reply = chat::encode(&Reply::User(Some(state)));
                    self.server.reply(self.now, session, id, &reply);
                }
                _ => {}
            }
        }
        (self.tamper)(&mut texts);
        texts.into_iter().for_each(|body| self.deliver(body));
    }

    fn deliver(&mut self, body: Vec<u8>) {
        self.cursor += 1;
        let entry = ToClient::Text {
            id: pychat_proto::MessageId::from_bytes([0; 16]),
            from: UserName::parse("b00000a").unwrap(),
            name: DisplayName::parse("").unwrap(),
            accepted_at: 0,
            body,
        };
        let entry = chat::encode(&MailboxEntry { cursor: Cursor(self.cursor), entry });
        let to = self.sessions[&UserName::parse("b00000b").unwrap()];
        let sent = self.server.send_message(self.now, to, Lane::CHAT, Urgency::Normal, &entry);
        assert!(sent.is_some(), "there is room");
    }
}

/// What comes of twenty texts that a server treats like this.
fn trouble_with(tamper: Tamper) -> (u64, Option<Trouble>) {
    let mut world = World::with_pair(tamper);
    world.crowd.begin_writing(0, Pace::Window(4), 20);
    world.run(Duration::from_secs(2));
    (world.crowd.tally().delivered, world.crowd.tally().trouble.clone())
}

#[test]
fn texts_arrive_and_the_window_moves_with_each_commit() {
    let mut world = World::with_pair(|_| ());
    world.crowd.begin_writing(0, Pace::Window(4), 20);
    world.crowd.handle_timeout(world.now);
    assert_eq!(world.crowd.tally().sent, 4);
    world.run(Duration::from_secs(2));
    let tally = world.crowd.tally();
    assert_eq!((tally.sent, tally.accepted, tally.delivered), (20, 20, 20));
    assert_eq!(tally.trouble, None);
}

#[test]
fn in_the_open_loop_a_text_is_written_when_it_is_due() {
    let mut world = World::with_pair(|_| ());
    world.crowd.begin_writing(0, Pace::Due(0), u64::MAX);
    world.run(Duration::from_millis(100));
    assert_eq!(world.crowd.tally().sent, 0);
    (0..3).for_each(|_| world.crowd.due(0));
    world.run(Duration::from_millis(500));
    assert_eq!(world.crowd.tally().delivered, 3);
    world.crowd.stop_writing();
    world.crowd.due(0);
    world.run(Duration::from_millis(500));
    assert_eq!(world.crowd.tally().sent, 3);
}

#[test]
fn a_server_that_doubles_overtakes_loses_or_changes_a_text_is_found_out() {
    let (_, doubled) = trouble_with(|texts| texts.extend(texts.clone()));
    assert!(matches!(doubled, Some(Trouble::Text(Fault::Again { .. }))), "{doubled:?}");
    let (_, turned) = trouble_with(|texts| texts.reverse());
    assert!(matches!(turned, Some(Trouble::Text(Fault::Early { .. }))), "{turned:?}");
    let (_, lost) = trouble_with(|texts| drop(texts.drain(..texts.len().min(1))));
    assert!(matches!(lost, Some(Trouble::Text(Fault::Early { .. }))), "{lost:?}");
    let (_, changed) = trouble_with(|texts| texts.iter_mut().for_each(|text| text[9] = b'!'));
    assert_eq!(changed, Some(Trouble::Text(Fault::Damaged)));
    let (delivered, silent) = trouble_with(Vec::clear);
    assert_eq!((delivered, silent), (0, None), "texts that never come are missed at the end");
}

#[test]
fn who_leaves_is_not_there_and_who_comes_back_is() {
    let mut world = World::with_pair(|_| ());
    world.crowd.log_out(world.now, 1);
    world.run(Duration::from_secs(1));
    assert_eq!((world.crowd.tally().logged_in, world.crowd.tally().known), (1, 1));
    world.crowd.log_in(world.now, 1);
    world.run(Duration::from_secs(1));
    assert_eq!((world.crowd.tally().logged_in, world.crowd.tally().sessions_lost), (2, 0));
}

#[test]
fn a_session_that_the_server_ends_is_counted_and_the_name_is_asked_for_in_the_next() {
    let mut world = World::with_pair(|_| ());
    let before = world.crowd.by_id.len();
    let session = world.sessions[&UserName::parse("b00000b").unwrap()];
    let pause = Duration::from_secs(2);
    world.server.close(world.now, session, CloseCode::Restarting, pause, "");
    world.run(Duration::from_secs(1));
    assert_eq!((world.crowd.tally().logged_in, world.crowd.tally().sessions_lost), (1, 1));
    assert!(world.crowd.by_id.len() < before);
    world.run(Duration::from_secs(2));
    assert_eq!((world.crowd.tally().logged_in, world.crowd.tally().known), (2, 2));
}
