//! One user's daemon: the core on its database, and the person who types.

use crate::{disk::Disk, machine::Start};
use pychat_control::{
    ConnectParams, EventKind, Failure, HistoryParams, List, Message, Request, SendParams, Sent,
    State,
};
use pychat_proto::{Fill, Instant, SecretKey};
use pychat_testkit::dice::Dice;
use pychatd::{
    core::{Action, Core, CoreConfig, Limits, Now},
    db::Database,
};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

pub(crate) const DATABASE: &str = "pychat.db";

/// A text that the person means to send.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) to: String,
    pub(crate) body: String,
    pub(crate) not_before: Instant,
}

/// A user's machine: what stays over a crash, and what runs.
pub(crate) struct Daemon {
    pub(crate) user: String,
    pub(crate) address: SocketAddr,
    number: u8,
    link: String,
    pub(crate) disk: Disk,
    running: Option<Running>,
    /// What is still to be typed; each is typed again until the daemon has said "queued".
    pub(crate) drafts: VecDeque<Draft>,
    /// Texts that the daemon said are queued, in that order.
    pub(crate) sent: Vec<(String, String)>,
    pub(crate) connected_once: bool,
    typed: u64,
    /// Until then the person does not try again what was refused.
    annoyed_until: Option<Instant>,
    /// States that the daemon told its person, since they were last taken away.
    pub(crate) told: Vec<Told>,
}

/// A state of a message that the person was told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) state: State,
}

struct Running {
    core: Core,
    asked: Option<Question>,
    resolved: bool,
    /// Answers to the person that came while the history was read.
    answers: VecDeque<(u64, Answer)>,
}

type Answer = Result<serde_json::Value, Failure>;

impl Running {
    fn next_answer(&mut self) -> Option<(u64, Answer)> {
        self.answers.pop_front().or_else(|| self.core.poll_response())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Connect,
    Send,
}

/// How long a person waits before trying again what was refused.
const ANNOYED_FOR: Duration = Duration::from_millis(500);
const TOKEN: u64 = 1;
const TOKEN_HISTORY: u64 = 2;

impl Daemon {
    pub(crate) fn new(
        number: u8,
        user: &str,
        address: SocketAddr,
        link: String,
        disk: Disk,
    ) -> Self {
        Self {
            user: user.to_owned(),
            address,
            number,
            link,
            disk,
            running: None,
            drafts: VecDeque::new(),
            sent: Vec::new(),
            connected_once: false,
            typed: 0,
            annoyed_until: None,
            told: Vec::new(),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn start(&mut self, now: Now, dice: &mut Dice) -> Start {
        let connection = self.disk.open(DATABASE).map_err(|error| error.to_string());
        let database = connection.and_then(|connection| {
            Database::from_connection(connection).map_err(|error| chain(&error))
        });
        let config = CoreConfig {
            identity: SecretKey::from_bytes([100 + self.number; 32]),
            profile: self.user.clone(),
            pid: 1,
            started_at_unix_ms: now.unix_ms,
            limits: Limits::default(),
        };
        let seed = dice.seed();
        let core = database.and_then(|database| {
            Core::new(database, config, seed, now).map_err(|error| error.to_string())
        });
        match core {
            Ok(core) => {
                self.running =
                    Some(Running { core, asked: None, resolved: false, answers: VecDeque::new() });
                Start::Up
            }
            Err(why) => Start::failed(&self.disk, why),
        }
    }

    /// Everything in memory is gone; the disk, which was pulled before, stays.
    pub(crate) fn crash(&mut self) {
        self.running = None;
        self.disk.restart();
    }

    /// Shows each table with its bound.
    pub(crate) fn fills(&self, each: impl FnMut(Fill)) {
        if let Some(running) = &self.running {
            running.core.fills(each);
        }
    }

    /// Authentic and new packets of this run's client.
    pub(crate) fn packets_opened(&self) -> u64 {
        let path = self.running.as_ref().and_then(|running| running.core.path());
        path.map_or(0, |path| path.received)
    }

    pub(crate) fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &mut [u8]) {
        if let Some(running) = &mut self.running {
            running.core.handle_datagram(now, from, datagram);
        }
    }

    pub(crate) fn handle_network_change(&mut self, now: Now) {
        if let Some(running) = &mut self.running {
            running.core.handle_network_change(now);
        }
    }

    /// Lets everything happen that happens now; what leaves is put into `out`. Nothing leaves of a
    /// machine whose plug was pulled on the way.
    /// With `go`, everybody is known to the server and may be written to.
    pub(crate) fn settle(
        &mut self,
        now: Now,
        server: SocketAddr,
        go: bool,
        out: &mut Vec<(SocketAddr, Vec<u8>)>,
    ) {
        let Some(running) = &mut self.running else { return };
        running.core.handle_timeout(now);
        loop {
            self.type_next(now, go);
            let Some(running) = &mut self.running else { return };
            // The first poll writes to disk.
            running.core.poll_timeout();
            if self.disk.is_pulled() {
                return;
            }
            let mut busy = false;
            while let Some(action) = running.core.poll_action() {
                busy = true;
                match action {
                    Action::Resolve { .. } => running.resolved = true,
                    // The simulation has one node.
                    Action::AskRefusal { .. } => panic!("there is no other node"),
                    Action::Shutdown => panic!("nobody asked for it"),
                }
            }
            if std::mem::take(&mut running.resolved) {
                busy = true;
                running.core.handle_addresses(now, vec![server]);
            }
            while let Some((token, answer)) = running.next_answer() {
                busy = true;
                assert_eq!(token, TOKEN, "{}: an answer to nothing", self.user);
                let draft = self.drafts.front();
                match (running.asked.take(), answer) {
                    (Some(Question::Connect), Ok(_)) => self.connected_once = true,
                    (Some(Question::Send), Ok(sent)) => {
                        let sent: Sent = serde_json::from_value(sent).expect("what send answers");
                        self.told.push(Told { id: sent.id, state: sent.state });
                        let Draft { to, body, .. } = draft.expect("it was typed").clone();
                        self.sent.push((to, body));
                        self.drafts.pop_front();
                        self.typed += 1;
                    }
                    // Typed again later.
                    (Some(_), Err(_)) => self.annoyed_until = Some(now.mono + ANNOYED_FOR),
                    (None, _) => panic!("{}: an answer to nothing", self.user),
                }
            }
            while let Some(event) = running.core.poll_event() {
                busy = true;
                let EventKind::State { id, state, .. } = event.what else { continue };
                assert!(
                    !matches!(state, State::Refused | State::Expired),
                    "{}: {id} is {state:?}, though every recipient exists and nothing expires",
                    self.user
                );
                self.told.push(Told { id, state });
            }
            let mut buffer = Vec::new();
            while let Some(transmit) = running.core.poll_transmit(now, &mut buffer) {
                busy = true;
                out.extend(
                    buffer.chunks(transmit.segment_bytes).map(|b| (transmit.to, b.to_vec())),
                );
            }
            if !busy || self.disk.is_pulled() {
                return;
            }
        }
    }

    fn type_next(&mut self, now: Now, go: bool) {
        let Some(running) = &mut self.running else { return };
        if running.asked.is_some() || self.annoyed_until.is_some_and(|until| until > now.mono) {
            return;
        }
        self.annoyed_until = None;
        if !self.connected_once {
            running.asked = Some(Question::Connect);
            let params = ConnectParams {
                user: self.user.clone(),
                name: self.user.to_uppercase(),
                server: Some(self.link.clone()),
                trust_key: None,
                invite: None,
                timeout_ms: 10_000,
            };
            running.core.handle_request(now, TOKEN, Request::Connect(params));
            return;
        }
        let Some(draft) = self.drafts.front().filter(|draft| go && draft.not_before <= now.mono)
        else {
            return;
        };
        running.asked = Some(Question::Send);
        let params = SendParams {
            to: draft.to.clone(),
            body: draft.body.clone(),
            // The same key again after a crash: the daemon may have written it and not said so.
            key: Some(format!("draft {}", self.typed)),
            wait: State::Queued,
            timeout_ms: 10_000,
            expire_ms: None,
        };
        running.core.handle_request(now, TOKEN, Request::Send(params));
    }

    pub(crate) fn poll_timeout(&mut self, go: bool) -> Option<Instant> {
        let running = self.running.as_mut()?;
        let typing = running.asked.is_none() && go;
        let draft = self.drafts.front().filter(|_| typing).map(|draft| draft.not_before);
        // Not before its person tries again.
        let draft = draft.max(self.annoyed_until);
        [running.core.poll_timeout(), draft].into_iter().flatten().min()
    }

    /// All messages on this user's disk, in their order there. The daemon must be running.
    pub(crate) fn messages(&mut self, now: Now) -> Vec<Message> {
        let running = self.running.as_mut().expect("asked of a running daemon");
        let mut all: VecDeque<Vec<Message>> = VecDeque::new();
        let mut next = None;
        loop {
            let params = HistoryParams { limit: 1000, next, ..HistoryParams::default() };
            running.core.handle_request(now, TOKEN_HISTORY, Request::History(params));
            let page = loop {
                let Some((token, answer)) = running.core.poll_response() else {
                    panic!("{}: history is answered at once", self.user)
                };
                if token == TOKEN_HISTORY {
                    break answer.expect("the history is readable");
                }
                // A deadline came at this very moment.
                running.answers.push_back((token, answer));
            };
            let page: List<Message> = serde_json::from_value(page).expect("a list of messages");
            all.push_front(page.items);
            match page.next {
                Some(more) => next = Some(more),
                None => return all.into_iter().flatten().collect(),
            }
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
