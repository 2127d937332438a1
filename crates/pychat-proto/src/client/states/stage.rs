//! A client and, in place of a server, the keys to answer it with whatever the table wants.

use super::{State, server::welcome};
use crate::{
    Client, ClientConfig, ClientEvent, CloseCode, ConnectionId, Cursor, DisplayName, Instant, Lane,
    Login, SecretKey, Seq, ServerKey, StreamId, UserName,
    noise::Handshake,
    states::{self, Ends},
};
use std::{net::SocketAddr, time::Duration};

/// The server's connection id and reset token in each session.
pub(super) const SERVER_ID: ConnectionId = ConnectionId(0x0300_0000_0000_0042);
pub(super) const RESET_TOKEN: [u8; 16] = [5; 16];

/// The server's end of a session.
pub(super) struct Peer {
    pub(super) client: ConnectionId,
    pub(super) ends: Ends,
    pub(super) number: u64,
}

/// A client in a state, and what it takes to bring an event about.
pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) now: Instant,
    /// The last login's INIT, and that of the key probe.
    pub(super) init: Option<Vec<u8>>,
    pub(super) probe: Option<Vec<u8>>,
    /// A first contact between its second and its third message.
    pub(super) contact: Option<(ConnectionId, Handshake)>,
    pub(super) peer: Option<Peer>,
}

pub(super) fn server_key() -> SecretKey {
    SecretKey::from_bytes([1; 32])
}

fn address() -> SocketAddr {
    ([10, 0, 0, 1], 7420).into()
}

impl Stage {
    fn new(server: ServerKey) -> Self {
        let login = Login {
            user: UserName::parse("alice").unwrap(),
            name: DisplayName::parse("Alice").unwrap(),
            stream: StreamId([9; 16]),
            cursor: Cursor::NONE,
            invite: None,
        };
        let identity = SecretKey::from_bytes([3; 32]);
        let config = ClientConfig { identity, server, login, rtt_hint: None };
        Self {
            client: Client::new(config, [4; 32]),
            now: Instant::from_micros(1_000_000),
            init: None,
            probe: None,
            contact: None,
            peer: None,
        }
    }

    /// A client in `state`.
    pub(super) fn reach(state: State) -> Self {
        let stage = match state {
            State::Idle => Self::new(ServerKey::Pinned(server_key().public())),
            State::Connecting => {
                let mut stage = Self::reach(State::Idle);
                stage.set_addresses();
                // Long enough that the server's key is asked for beside the login.
                stage.run_for(Duration::from_secs(3));
                assert!(stage.probe.is_some());
                stage
            }
            State::Meeting => {
                let mut stage = Self::new(ServerKey::Unknown);
                stage.set_addresses();
                stage
            }
            State::Joining => {
                let mut stage = Self::reach(State::Meeting);
                let resp = stage.resp(&welcome());
                stage.take(resp);
                stage
            }
            State::Agreeing => {
                let mut stage = Self::reach(State::Connecting);
                let resp = stage.resp(&welcome());
                stage.take(resp);
                // One record and one question are under way.
                stage.client.send_message(stage.now, Lane::CHAT, Seq(1), b"text");
                assert_eq!(stage.client.call(stage.now, b"?"), Some(0));
                assert_eq!(stage.settle(), [""; 0], "they are held back");
                stage
            }
            State::Open => {
                let mut stage = Self::reach(State::Agreeing);
                assert_eq!(stage.agree(), ["ACK+CALL+RECORD_LAST"]);
                stage
            }
            State::Renewing => {
                let mut stage = Self::reach(State::Open);
                let now = stage.now;
                stage.client.session.as_mut().unwrap().renew_at = now;
                stage.client.handle_timeout(now);
                stage.settle();
                stage
            }
            State::Moving => {
                let mut stage = Self::reach(State::Open);
                let other = ([10, 0, 0, 9], 7420).into();
                stage.client.set_nodes(stage.now, vec![vec![address()], vec![other]]);
                stage.init = None;
                while stage.init.is_none() {
                    stage.next_deadline();
                }
                stage
            }
            State::Suspect => {
                let mut stage = Self::reach(State::Open);
                while !stage.client.suspect {
                    stage.next_deadline();
                }
                stage
            }
            State::Racing => {
                let mut stage = Self::reach(State::Suspect);
                stage.set_addresses();
                stage
            }
            State::Waiting => {
                let mut stage = Self::reach(State::Open);
                let packet = stage.data(&[states::close(CloseCode::Bye)]);
                stage.take(packet);
                stage
            }
            State::Closing => {
                let mut stage = Self::reach(State::Open);
                stage.client.close(stage.now);
                stage.settle();
                stage
            }
            State::Parting => {
                let mut stage = Self::reach(State::Open);
                let packet = stage.data(&[]);
                stage.take(packet);
                stage
            }
        };
        assert_eq!(State::of(&stage.client), state);
        stage
    }

    pub(super) fn set_addresses(&mut self) {
        self.client.set_addresses(self.now, vec![address()]);
        self.settle();
    }

    /// Lets everything happen that happens now; what was said, each thing once.
    pub(super) fn settle(&mut self) -> Vec<String> {
        let (mut said, mut datagram) = (Vec::new(), Vec::new());
        let mut say = |text: String| {
            if !said.contains(&text) {
                said.push(text);
            }
        };
        for _ in 0..1000 {
            while let Some(event) = self.client.poll_event() {
                say(event_name(&event));
            }
            while self.client.poll_transmit(self.now, &mut datagram).is_some() {
                say(self.datagram_name(&datagram));
            }
            if self.client.poll_timeout().is_none_or(|at| at > self.now) {
                return said;
            }
            self.client.handle_timeout(self.now);
        }
        panic!("time stands still at {:?}", self.now);
    }

    /// Hands the client a datagram.
    pub(super) fn take(&mut self, mut datagram: Vec<u8>) -> Vec<String> {
        let before = self.client.stats().dropped;
        self.client.handle_datagram(self.now, address(), &mut datagram);
        let dropped = self.client.stats().dropped > before;
        let mut said = self.settle();
        if dropped {
            said.insert(0, "dropped".into());
        }
        said
    }

    pub(super) fn next_deadline(&mut self) -> Vec<String> {
        let Some(at) = self.client.poll_timeout() else { return Vec::new() };
        self.now = self.now.max(at);
        self.client.handle_timeout(self.now);
        self.settle()
    }

    /// Nothing comes for so long.
    pub(super) fn run_for(&mut self, time: Duration) -> Vec<String> {
        let (end, mut said) = (self.now + time, Vec::new());
        while self.client.poll_timeout().is_some_and(|at| at <= end) {
            for text in self.next_deadline() {
                if !said.contains(&text) {
                    said.push(text);
                }
            }
        }
        self.now = end;
        said
    }
}

fn event_name(event: &ClientEvent) -> String {
    match event {
        ClientEvent::ServerKeyLearned(_) => "ServerKeyLearned".into(),
        ClientEvent::Connected { .. } => "Connected".into(),
        ClientEvent::Disconnected { code, .. } => format!("Disconnected {code:?}"),
        ClientEvent::Refused(refusal) => format!("Refused {:?}", refusal.code),
        ClientEvent::Suspicion(hint) => match hint {
            crate::Suspicion::Versions(_) => "Suspicion Versions".into(),
            crate::Suspicion::KeyChanged(_) => "Suspicion KeyChanged".into(),
        },
        ClientEvent::NeedAddresses => "NeedAddresses".into(),
        ClientEvent::Unanswered { .. } => "Unanswered".into(),
        ClientEvent::Message { .. } => "Message".into(),
        ClientEvent::Committed { .. } => "Committed".into(),
        ClientEvent::MessageRefused { .. } => "MessageRefused".into(),
        ClientEvent::Reply { .. } => "Reply".into(),
        ClientEvent::Note { .. } => "Note".into(),
    }
}
