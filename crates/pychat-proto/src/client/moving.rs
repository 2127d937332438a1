//! From one node of the server to another: when, and where to. With a single node nothing of this happens.

use super::{
    Client, ClientEvent,
    attempt::{Reach, Rhythm, Targets},
};
use crate::{CloseCode, Instant, session::PROBES_UNTIL_MOVE};
use std::{net::SocketAddr, time::Duration};

/// Clients that lose their node at one moment ask the others within this time and not all at once.
const MOVE_JITTER: Duration = Duration::from_millis(100);

/// Whoever is sent away by a node that stops asks another within this time: nobody waits for longer, and a
/// thousand clients come as a server asks them to, a thousand a second. More meet the nodes' own limits.
const MOVE_SPREAD: Duration = Duration::from_secs(1);

/// A node that stops, and does not say for how long, is left alone for this long while others are there.
const AVOIDED_FOR: Duration = Duration::from_secs(5);

impl Client {
    /// Whom to ask, as things stand.
    pub(super) fn targets(&self, now: Instant) -> Targets {
        let nodes = &self.nodes;
        if !nodes.are_several() {
            return Targets { addresses: nodes.addresses(now), reach: Reach::OneNode };
        }
        let (addresses, reach) = match (&self.session, self.suspect, self.moving) {
            (None, ..) => (nodes.addresses(now), Reach::Nodes),
            (Some(_), true, _) => (nodes.others_first(now), Reach::Nodes),
            (Some(_), false, true) => (nodes.others(now), Reach::Nodes),
            // For fresh keys: nobody moves for these.
            (Some(_), false, false) => (nodes.here(now), Reach::OneNode),
        };
        Targets { addresses, reach }
    }

    /// The session's packets go unanswered.
    pub(super) fn hear_nothing(&mut self, now: Instant, timeouts: u32) {
        let silent = self.session.as_ref().filter(|it| it.session.is_unanswered());
        let Some(address) = silent.map(|it| it.session.remote()) else { return };
        if !self.nodes.are_several() {
            return;
        }
        if timeouts >= PROBES_UNTIL_MOVE {
            self.begin_move(now);
        } else {
            self.events.push_back(ClientEvent::Unanswered { address });
        }
    }

    /// The system says that nobody listens at `address`. That is a hint, which anybody may have forged: the
    /// session goes on if it is heard of first.
    pub fn handle_refused(&mut self, now: Instant, address: SocketAddr) {
        let is_silent = self.session.as_ref().is_some_and(|established| {
            established.session.remote() == address && established.session.is_unanswered()
        });
        if is_silent && self.nodes.are_several() {
            self.begin_move(now);
        }
    }

    /// Asks the other nodes beside the session. Whoever is heard of first stays.
    fn begin_move(&mut self, now: Instant) {
        if self.suspect || std::mem::replace(&mut self.moving, true) {
            return;
        }
        let jitter = Duration::from_micros(self.rng.below(MOVE_JITTER.as_micros() as u64));
        match &self.attempt {
            Some(_) => {
                // For fresh keys, where now nobody answers.
                let targets = self.targets(now);
                if let Some(attempt) = &mut self.attempt {
                    attempt.set_targets(targets);
                }
            }
            None => self.begin_attempt(now, Rhythm::START),
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.hurry(now + jitter);
        }
    }

    /// Another node than the silent session's refused a login for now: that says nothing of the session, so the
    /// next one is asked. Whether that is so.
    pub(super) fn asks_on(
        &mut self,
        now: Instant,
        from: SocketAddr,
        code: CloseCode,
        retry_after: Duration,
    ) -> bool {
        let is_beside = self.session.is_some() && (self.moving || self.suspect);
        if !is_beside || !passes(code) || !self.nodes.are_several() {
            return false;
        }
        let wait = self.wait_after(code, retry_after);
        let at = self.turned_away(now, from, code, wait);
        self.begin_attempt(now, Rhythm::START);
        if let Some(attempt) = &mut self.attempt {
            attempt.hurry(at);
        }
        true
    }

    /// A node sent us away, for `wait`: when to try again, at another one if there is one.
    pub(super) fn turned_away(
        &mut self,
        now: Instant,
        from: SocketAddr,
        code: CloseCode,
        wait: Duration,
    ) -> Instant {
        if !passes(code) || !self.nodes.are_several() {
            return now + wait;
        }
        self.nodes.avoid(from, now + if wait.is_zero() { AVOIDED_FOR } else { wait });
        match self.nodes.free_at(now) {
            Some(at) if at > now => at,
            _ => {
                let spread = wait.min(MOVE_SPREAD).as_micros() as u64;
                now + Duration::from_micros(self.rng.below(spread))
            }
        }
    }
}

/// Whether it is only this node that cannot take us, and only for a while.
const fn passes(code: CloseCode) -> bool {
    matches!(code, CloseCode::Restarting | CloseCode::Busy | CloseCode::ServerFault)
}
