//! One peer's session after the handshake: packets in, packets out, recovery, liveness, close.
//!
//! Owned and driven by `Client` or `Endpoint`: `handle_packet`, `handle_timeout`, then `poll_packet`
//! until it is empty. What happened is pushed to the owner's queue.

mod congestion;
pub(crate) mod dormant;
mod exchange;
mod fills;
mod keys;
mod lane_in;
mod lane_out;
#[cfg(feature = "micro")]
pub mod micro;
mod path;
mod probe;
mod questions;
mod receive;
mod recovery;
mod redundancy;
pub(crate) mod replay;
pub(crate) mod rtt;
mod transmit;

#[cfg(test)]
pub(crate) mod standing;
#[cfg(test)]
mod tests;

use crate::{
    CloseCode, ConnectionId, Instant, RefuseCode, Urgency,
    crypto::{PacketKey, Rng},
};
use congestion::Congestion;
use exchange::Exchange;
#[cfg(any(test, feature = "hostile"))]
pub(crate) use exchange::PIECE_BYTES;
use keys::SessionKeys;
use lane_in::LaneIn;
use lane_out::LaneOut;
use path::Path;
use questions::{Answers, Asked};
use recovery::Recovery;
use redundancy::Redundancy;
use replay::ReplayWindow;
use rtt::LOW_DELAY_MAX;
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// Silence after which the server drops a session. docs/PROTOCOL.md, "Timers".
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(900);
/// The client sends something at least this often, give or take a tenth, so that NATs remember it.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// Probe timeouts in a row after which the path is suspect.
pub(crate) const PROBES_UNTIL_SUSPECT: u32 = 5;
/// Probe timeouts in a row after which a client asks other nodes, if there are any. docs/PROTOCOL.md, "Nodes".
pub(crate) const PROBES_UNTIL_MOVE: u32 = 2;
/// Longest note: one fits a packet.
pub(crate) const NOTE_BYTES_MAX: usize = questions::CALL_BYTES_MAX;
/// Notes that wait; more are dropped.
const NOTES_MAX: usize = 8;
/// A COMMIT is overdue after three probe timeouts, and at least this long.
const OVERDUE_MIN: Duration = Duration::from_millis(500);
/// Bytes that an ACK with what must ride along takes at most.
const ACK_BUDGET_MIN: usize = 128;
/// Packets of a closed session that are answered with another CLOSE.
const CLOSE_ANSWERS_MAX: u8 = 3;

/// Whose side this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// What happened, for the owner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    Message {
        first: u64,
        last: u64,
        payload: Vec<u8>,
    },
    Skip {
        up_to: u64,
    },
    Committed {
        up_to: u64,
    },
    Refused {
        last: u64,
        code: RefuseCode,
    },
    Call {
        id: u64,
        payload: Vec<u8>,
    },
    Reply {
        id: u64,
        payload: Vec<u8>,
    },
    Note {
        payload: Vec<u8>,
    },
    Welcome {
        payload: Vec<u8>,
    },
    Writable,
    /// So many probe timeouts in a row; told to clients, of the first ones.
    Unanswered {
        timeouts: u32,
    },
    Suspect,
    Closed {
        code: CloseCode,
        retry_after: Duration,
        reason: String,
    },
}

/// Where the session stands.
///
/// ```text
/// Open --close()--> Closing --deadline--> Closed
///  \--CLOSE from the peer, idle timeout--> Closed
/// ```
#[derive(Debug)]
enum State {
    Open,
    Closing { until: Instant, close: Close, wanted: bool, answers_left: u8 },
    Closed,
}

#[derive(Debug, Clone)]
struct Close {
    code: CloseCode,
    retry_after: Duration,
    reason: String,
}

/// A COMMIT that does not come.
#[derive(Debug, Clone, Copy, Default)]
struct Overdue {
    at: Option<Instant>,
    asked: u32,
}

/// What the receiver owes the sender in acknowledgements.
#[derive(Debug, Clone, Copy)]
struct AckDebt {
    packets: u32,
    /// Of those, the ones with more than COMMITs.
    hasty: u32,
    deadline: Option<Instant>,
    largest_at: Instant,
}

/// Counters for `status`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) retransmitted: u64,
    pub(crate) dropped: u64,
}

/// What a session begins with.
pub(crate) struct Start {
    pub(crate) role: Role,
    /// The peer's connection id, where packets go.
    pub(crate) peer: ConnectionId,
    pub(crate) remote: SocketAddr,
    pub(crate) send: PacketKey,
    pub(crate) receive: PacketKey,
    /// The handshake's hash, which goes into the keys of the hybrid epoch.
    pub(crate) handshake: [u8; 32],
    /// The lane's position in our outgoing and in our incoming direction.
    pub(crate) committed_out: u64,
    pub(crate) committed_in: u64,
    pub(crate) rtt_hint: Option<Duration>,
}

/// A datagram that was dropped: forged, repeated, too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped;

/// One peer's session.
pub(crate) struct Session {
    role: Role,
    state: State,
    peer: ConnectionId,
    keys: SessionKeys,
    /// What leads to the hybrid epoch, until both directions are in it.
    exchange: Option<Box<Exchange>>,
    next_number: u64,
    /// The number last left out on purpose, and the next one to be: who acknowledges it lies.
    skipped: Option<u64>,
    next_skip: u64,
    replay: ReplayWindow,
    debt: AckDebt,
    recovery: Recovery,
    redundancy: Redundancy,
    congestion: Congestion,
    path: Path,
    heard: Instant,
    keep_alive: Option<Instant>,
    /// When to ask for a sign of life because a COMMIT is overdue, and how often that was done.
    overdue: Overdue,
    lane_out: LaneOut,
    lane_in: LaneIn,
    commit_wanted: bool,
    /// When a COMMIT that nobody waits for leaves by itself; it rides along with whatever leaves before.
    commit_at: Option<Instant>,
    refusals: Vec<Refusal>,
    asked: Asked,
    answers: Answers,
    notes: VecDeque<Box<[u8]>>,
    welcome: Option<Welcome>,
    path_response: Option<[u8; 8]>,
    ping_wanted: bool,
    blocked: bool,
    /// It carried a record since it was made or unpacked: more are likely to follow soon.
    lively: bool,
    counters: Counters,
}

#[derive(Debug)]
struct Refusal {
    last: u64,
    code: RefuseCode,
    wanted: bool,
}

#[derive(Debug)]
struct Welcome {
    bytes: Box<[u8]>,
    wanted: bool,
}

impl Session {
    pub(crate) fn new(start: Start, now: Instant, rng: &mut Rng) -> Self {
        let mut session = Self {
            role: start.role,
            state: State::Open,
            peer: start.peer,
            keys: SessionKeys::new(start.send, start.receive, now),
            exchange: Some(Box::new(Exchange::new(start.role, start.handshake, now))),
            next_number: 0,
            skipped: None,
            next_skip: 0,
            replay: ReplayWindow::default(),
            debt: AckDebt { packets: 0, hasty: 0, deadline: None, largest_at: now },
            recovery: Recovery::new(start.rtt_hint, now),
            redundancy: Redundancy::default(),
            congestion: Congestion::new(now),
            path: Path::new(start.remote),
            heard: now,
            keep_alive: None,
            overdue: Overdue::default(),
            lane_out: LaneOut::new(start.committed_out),
            lane_in: LaneIn::new(start.committed_in),
            commit_wanted: false,
            commit_at: None,
            refusals: Vec::new(),
            asked: Asked::default(),
            answers: Answers::default(),
            notes: VecDeque::new(),
            welcome: None,
            path_response: None,
            ping_wanted: false,
            blocked: false,
            lively: false,
            counters: Counters::default(),
        };
        session.next_skip = session.draw_skip(rng);
        session.arm_keep_alive(now, rng);
        session
    }

    fn draw_skip(&self, rng: &mut Rng) -> u64 {
        self.next_number + replay::WINDOW + rng.below(512)
    }

    fn arm_keep_alive(&mut self, now: Instant, rng: &mut Rng) {
        if self.role == Role::Client {
            self.keep_alive = Some(now + rng.jitter(KEEP_ALIVE, 10));
        }
    }

    /// Records that were acknowledged and not committed for long: either the server's disk is slow, or
    /// our address changed and it cannot tell us. Only something from us shows it the new one.
    fn arm_overdue(&mut self, now: Instant) {
        let waits = self.role == Role::Client && !self.lane_out.is_empty();
        let pause = (self.recovery.rtt.probe_timeout(0) * 3).max(OVERDUE_MIN);
        self.overdue.at =
            waits.then(|| now + (pause * 2_u32.pow(self.overdue.asked.min(6))).min(KEEP_ALIVE));
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.path.remote()
    }

    pub(crate) fn heard(&self) -> Instant {
        self.heard
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.recovery.rtt.measured()
    }

    /// Whether something that was sent is unanswered for longer than answers take.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.recovery.timeouts > 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    pub(crate) fn room(&self) -> u64 {
        self.lane_out.room()
    }

    pub(crate) fn last_offered(&self) -> u64 {
        self.lane_out.last_offered()
    }

    /// The room was asked for and too small: say `Writable` when there is more.
    pub(crate) fn want_room(&mut self) {
        self.blocked = true;
    }

    pub(crate) fn send_message(&mut self, payload: &[u8], urgency: Urgency) -> u64 {
        self.lively = true;
        self.lane_out.offer(payload, urgency)
    }

    pub(crate) fn skip(&mut self, up_to: u64) {
        self.lane_out.skip(up_to);
    }

    pub(crate) fn commit(&mut self, now: Instant, up_to: u64) {
        match self.lane_in.commit(up_to) {
            Urgency::Low if !self.path_is_lossy() => {
                self.commit_at.get_or_insert(now + LOW_DELAY_MAX);
            }
            Urgency::Low | Urgency::Normal => self.commit_wanted = true,
        }
    }

    pub(crate) fn refuse(&mut self, last: u64, code: RefuseCode) {
        self.lane_in.refuse(last);
        self.refusals.push(Refusal { last, code, wanted: true });
    }

    pub(crate) fn call(&mut self, payload: &[u8]) -> Option<u64> {
        self.asked.ask(payload)
    }

    pub(crate) fn reply(&mut self, id: u64, payload: &[u8]) {
        self.answers.answer(id, payload);
    }

    pub(crate) fn note(&mut self, payload: &[u8]) {
        if self.notes.len() < NOTES_MAX && payload.len() <= NOTE_BYTES_MAX {
            self.notes.push_back(payload.into());
        }
    }

    pub(crate) fn welcome(&mut self, payload: &[u8]) {
        self.welcome = Some(Welcome { bytes: payload.into(), wanted: true });
    }

    /// The server gave the session another id than the handshake's.
    pub(crate) fn set_peer(&mut self, peer: ConnectionId) {
        self.peer = peer;
    }

    /// What the server holds of our lane is known only now.
    pub(crate) fn set_committed_out(&mut self, committed: u64) {
        debug_assert!(self.lane_out.is_empty());
        self.lane_out = LaneOut::new(committed);
    }

    /// A message of the handshake was repeated, ours now or the peer's before.
    pub(crate) fn handshake_repeated(&mut self, now: Instant) {
        self.heard = now;
        self.recovery.rtt.handshake_repeated();
    }

    pub(crate) fn close(
        &mut self,
        now: Instant,
        code: CloseCode,
        retry_after: Duration,
        reason: &str,
    ) {
        if self.is_open() {
            self.state = State::Closing {
                until: now + self.recovery.rtt.probe_timeout(0) * 3,
                close: Close { code, retry_after, reason: reason.into() },
                wanted: true,
                answers_left: CLOSE_ANSWERS_MAX,
            };
        }
    }

    /// The peer broke the protocol: say so and be done.
    fn violation(&mut self, now: Instant, what: &'static str, events: &mut VecDeque<SessionEvent>) {
        let reason = format!("protocol violation: {what}");
        self.close(now, CloseCode::Protocol, Duration::ZERO, &reason);
        events.push_back(SessionEvent::Closed {
            code: CloseCode::Protocol,
            retry_after: Duration::ZERO,
            reason,
        });
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Closed => None,
            State::Closing { until, .. } => Some(*until),
            State::Open => {
                let idle = (self.role == Role::Server).then(|| self.heard + IDLE_TIMEOUT);
                let pacing = self.pacing_deadline();
                // Without a budget for it, an ACK waits for the peer's next packet.
                let ack = self.debt.deadline.filter(|_| self.path.budget() >= ACK_BUDGET_MIN);
                let timers = [
                    ack,
                    self.recovery_deadline(),
                    self.keep_alive,
                    self.exchange.as_ref().map(|exchange| exchange.deadline()),
                    self.overdue.at,
                    self.commit_at,
                    self.path.deadline(),
                    self.asked.deadline(),
                    idle,
                    pacing,
                ];
                timers.into_iter().flatten().min()
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<SessionEvent>) {
        match &self.state {
            State::Closed => return,
            State::Closing { until, .. } => {
                if *until <= now {
                    self.state = State::Closed;
                }
                return;
            }
            State::Open => {}
        }
        if self.role == Role::Server && self.heard + IDLE_TIMEOUT <= now {
            self.state = State::Closed;
            events.push_back(SessionEvent::Closed {
                code: CloseCode::Idle,
                retry_after: Duration::ZERO,
                reason: CloseCode::Idle.to_string(),
            });
            return;
        }
        if self.exchange.as_ref().is_some_and(|exchange| exchange.deadline() <= now) {
            return self.give_up_exchange(now, events);
        }
        self.path.handle_timeout(now);
        self.asked.handle_timeout(now);
        if self.keep_alive.is_some_and(|at| at <= now) {
            self.ping_wanted = true;
            self.keep_alive = None;
        }
        if self.overdue.at.is_some_and(|at| at <= now) {
            self.ping_wanted = true;
            self.overdue.asked = self.overdue.asked.saturating_add(1);
            self.arm_overdue(now);
        }
        if self.commit_at.is_some_and(|at| at <= now) {
            self.want_late_commit();
        }
        self.handle_recovery_timeout(now, events);
    }

    /// A COMMIT that waited for company goes with the next packet.
    fn want_late_commit(&mut self) {
        self.commit_wanted |= self.commit_at.take().is_some();
    }
}
