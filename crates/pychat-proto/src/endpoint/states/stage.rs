//! An endpoint and, in place of a client, the keys to send it whatever the table wants.

use super::State;
use crate::{
    CloseCode, ConnectionId, Endpoint, EndpointConfig, EndpointEvent, Instant, Lane, PublicKey,
    SecretKey, Seq, ServerSecrets, SessionId, Urgency, Welcome,
    endpoint::api::Incoming,
    noise::Handshake,
    states::Ends,
    wire::{frame::Frame, packet::Token},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// The round trip of the first exchange, from which the endpoint's timers follow.
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// The client's end of a session.
pub(super) struct Peer {
    pub(super) server: ConnectionId,
    pub(super) ends: Ends,
    pub(super) number: u64,
    /// The numbers of the packets that came.
    pub(super) received: Vec<u64>,
}

/// An endpoint in a state, and what it takes to bring an event about.
pub(super) struct Stage {
    pub(super) endpoint: Endpoint,
    pub(super) now: Instant,
    pub(super) incoming: Option<Box<Incoming>>,
    pub(super) session: Option<SessionId>,
    pub(super) token: Option<Token>,
    /// The last INIT, and its handshake until the RESP.
    pub(super) init: Vec<u8>,
    pub(super) handshake: Option<Handshake>,
    /// A first contact's third message, and its keys.
    pub(super) third: Option<Vec<u8>>,
    pub(super) peer: Option<Peer>,
    /// The challenge that was heard last.
    pub(super) challenge: [u8; 8],
    pub(super) seed: u8,
}

fn secrets() -> ServerSecrets {
    let (identity, reset) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    ServerSecrets { identity, reset }
}

pub(super) fn server_key() -> PublicKey {
    secrets().identity.public()
}

pub(super) fn address(port: u16) -> SocketAddr {
    ([10, 0, 0, 2], port).into()
}

impl Stage {
    fn new() -> Self {
        let config =
            EndpointConfig { secrets: Arc::new(secrets()), shard: 3, retry_beyond_per_s: 200 };
        Self {
            endpoint: Endpoint::new(config, [5; 32]),
            now: Instant::from_micros(1_000_000),
            incoming: None,
            session: None,
            token: None,
            init: Vec::new(),
            handshake: None,
            third: None,
            peer: None,
            challenge: [0; 8],
            seed: 0,
        }
    }

    /// An endpoint in `state` towards its one client.
    pub(super) fn reach(state: State) -> Self {
        let stage = match state {
            State::Nothing => Self::new(),
            State::Meeting => {
                let mut stage = Self::new();
                for answer in ["RETRY", "RESP"] {
                    let init = stage.meet();
                    assert_eq!(stage.take(init, 1), [answer]);
                }
                stage
            }
            State::Asked => {
                let mut stage = Self::new();
                let init = stage.log_in();
                assert_eq!(stage.take(init, 1), ["Incoming"]);
                stage
            }
            State::Unconfirmed => {
                let mut stage = Self::reach(State::Asked);
                assert_eq!(stage.accept(), ["RESP"]);
                stage
            }
            State::Agreeing => {
                let mut stage = Self::reach(State::Unconfirmed);
                let packet = stage.data(&[Frame::Ping]);
                assert_eq!(stage.take(packet, 1), ["Confirmed"]);
                stage.now += ROUND_TRIP;
                assert_eq!(stage.settle(), ["ACK"]);
                stage
            }
            State::Open => {
                let mut stage = Self::reach(State::Agreeing);
                // One record is under way, and one question is open.
                assert_eq!(stage.agree(&[Frame::Call { id: 7, bytes: b"?" }]), ["Call"]);
                stage.endpoint.send_message(
                    stage.now,
                    stage.session.unwrap(),
                    Lane::CHAT,
                    Urgency::Normal,
                    b"text",
                );
                assert_eq!(stage.settle(), ["ACK+RECORD_LAST"]);
                stage
            }
            State::Unproved => {
                let mut stage = Self::reach(State::Open);
                let packet = stage.probe();
                assert_eq!(stage.take(packet, 2), ["PATH_CHALLENGE+ACK"]);
                stage
            }
            State::Resting => {
                let mut stage = Self::reach(State::Open);
                stage.run_for(Duration::from_secs(30));
                stage
            }
            State::Away => {
                let mut stage = Self::reach(State::Open);
                stage.run_for(crate::AWAY_AFTER);
                stage
            }
            State::Closing => {
                let mut stage = Self::reach(State::Open);
                stage.close();
                stage
            }
        };
        assert_eq!(State::of(&stage), state);
        stage
    }

    /// Lets everything happen that happens now; what was said, each thing once.
    pub(super) fn settle(&mut self) -> Vec<String> {
        let (mut said, mut datagram) = (Vec::new(), Vec::new());
        for _ in 0..1000 {
            while let Some(event) = self.endpoint.poll_event() {
                note(&mut said, self.event_name(event));
            }
            while let Some(transmit) = self.endpoint.poll_transmit(self.now, &mut datagram) {
                for datagram in datagram.chunks(transmit.segment_bytes) {
                    let name = self.datagram_name(datagram);
                    note(&mut said, name);
                }
            }
            if self.endpoint.poll_timeout().is_none_or(|at| at > self.now) {
                return said;
            }
            self.endpoint.handle_timeout(self.now);
        }
        panic!("time stands still at {:?}", self.now);
    }

    /// Hands the endpoint a datagram from one of the client's ports.
    pub(super) fn take(&mut self, mut datagram: Vec<u8>, port: u16) -> Vec<String> {
        let before = self.endpoint.stats().dropped;
        self.endpoint.handle_datagram(self.now, address(port), &mut datagram);
        let mut said = self.settle();
        if self.endpoint.stats().dropped > before {
            said.insert(0, "dropped".into());
        }
        said
    }

    pub(super) fn accept(&mut self) -> Vec<String> {
        if let Some(incoming) = self.incoming.take() {
            let welcome = Welcome { committed: Seq(0), server_time: 0 };
            self.session = self.endpoint.accept(self.now, incoming, welcome).or(self.session);
        }
        self.settle()
    }

    pub(super) fn refuse(&mut self) -> Vec<String> {
        if let Some(incoming) = self.incoming.take() {
            let code = CloseCode::NameTaken;
            self.endpoint.refuse(self.now, incoming, code, Duration::ZERO, "taken");
        }
        self.settle()
    }

    pub(super) fn close(&mut self) -> Vec<String> {
        self.with_session(|endpoint, now, session| {
            endpoint.close(now, session, CloseCode::Bye, Duration::ZERO, "");
        })
    }

    /// What the application does with the session, if there is one.
    pub(super) fn with_session(
        &mut self,
        act: impl FnOnce(&mut Endpoint, Instant, SessionId),
    ) -> Vec<String> {
        if let Some(session) = self.session {
            act(&mut self.endpoint, self.now, session);
        }
        self.settle()
    }

    pub(super) fn next_deadline(&mut self) -> Vec<String> {
        let Some(at) = self.endpoint.poll_timeout() else { return Vec::new() };
        self.now = self.now.max(at);
        self.endpoint.handle_timeout(self.now);
        self.settle()
    }

    /// Nothing comes for so long.
    pub(super) fn run_for(&mut self, time: Duration) -> Vec<String> {
        let (end, mut said) = (self.now + time, Vec::new());
        while self.endpoint.poll_timeout().is_some_and(|at| at <= end) {
            self.next_deadline().into_iter().for_each(|text| note(&mut said, text));
        }
        self.now = end;
        said
    }

    fn event_name(&mut self, event: EndpointEvent) -> String {
        match event {
            EndpointEvent::Incoming(incoming) => {
                self.incoming = Some(incoming);
                "Incoming"
            }
            EndpointEvent::Confirmed { session } => {
                self.session = Some(session);
                "Confirmed"
            }
            EndpointEvent::Message { .. } => "Message",
            EndpointEvent::Skip { .. } => "Skip",
            EndpointEvent::Committed { .. } => "Committed",
            EndpointEvent::Writable { .. } => "Writable",
            EndpointEvent::Call { .. } => "Call",
            EndpointEvent::Away { .. } => "Away",
            EndpointEvent::Back { .. } => "Back",
            EndpointEvent::Closed { code, .. } => return format!("Closed {code:?}"),
        }
        .into()
    }
}

fn note(said: &mut Vec<String>, text: String) {
    if !said.contains(&text) {
        said.push(text);
    }
}
