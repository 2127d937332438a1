//! What a client does when time has passed.

use super::{
    Client, FIN_TRIES_MAX, ROUNDS_BEFORE_KEY_PROBE, ROUNDS_PER_LOOKUP, SUSPECT_FOR,
    api::ClientEvent,
    attempt::{Attempt, Rhythm},
};
use crate::{CloseCode, Instant};
use std::collections::VecDeque;

impl Client {
    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(established) = &mut self.session {
            established.session.handle_timeout(now, &mut self.happened);
            let silent = self.suspect && now.since(established.session.heard()) >= SUSPECT_FOR;
            let renew = established.renew_at <= now;
            if silent {
                self.lose_session(now, CloseCode::Idle, "the server does not answer", now);
            } else if renew && self.attempt.is_none() && self.retry_at.is_none() {
                self.begin_attempt(now, Rhythm::START);
            }
        }
        if let Some(joining) = &mut self.joining {
            joining.session.handle_timeout(now, &mut joining.happened);
        }
        self.handle_joining_timeout(now);
        if let Some(leaving) = &mut self.leaving {
            leaving.session.handle_timeout(now, &mut VecDeque::new());
        }
        self.leaving = self.leaving.take().filter(|leaving| !leaving.session.is_closed());
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.begin_attempt(now, Rhythm::START);
        }
        self.handle_attempt_timeout(now);
        self.digest(now);
    }

    fn handle_joining_timeout(&mut self, now: Instant) {
        let Some(joining) = self.joining.as_mut().filter(|joining| joining.next <= now) else {
            return;
        };
        if joining.tries >= FIN_TRIES_MAX {
            self.joining = None;
            self.begin_attempt(now, Rhythm::START);
            return;
        }
        joining.tries += 1;
        joining.wanted = true;
        joining.next = now + joining.wait;
        joining.wait *= 2;
    }

    fn handle_attempt_timeout(&mut self, now: Instant) {
        if let Some(attempt) = &self.attempt
            && attempt.is_stale(now)
            && attempt.poll_timeout() <= now
        {
            let rhythm = attempt.rhythm;
            self.begin_attempt(now, rhythm);
        }
        if let Some(attempt) = &mut self.attempt
            && attempt.handle_timeout(now, &mut self.rng)
        {
            let rounds = attempt.rhythm.rounds;
            if rounds > 1 && rounds % ROUNDS_PER_LOOKUP == 0 {
                self.events.push_back(ClientEvent::NeedAddresses);
            }
            if rounds % ROUNDS_PER_LOOKUP == ROUNDS_BEFORE_KEY_PROBE && !attempt.is_first_contact()
            {
                self.begin_key_probe(now);
            }
        }
        if let Some(probe) = &mut self.key_probe {
            if probe.is_stale(now) {
                self.key_probe = None;
            } else {
                probe.handle_timeout(now, &mut self.rng);
            }
        }
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let session = self.session.as_ref();
        let renews = self.attempt.is_none() && self.retry_at.is_none();
        let silent = session.filter(|_| self.suspect).map(|e| e.session.heard() + SUSPECT_FOR);
        let timers = [
            session.and_then(|established| established.session.poll_timeout()),
            session.filter(|_| renews).map(|established| established.renew_at),
            silent,
            self.joining.as_ref().and_then(|joining| joining.session.poll_timeout()),
            self.joining.as_ref().map(|joining| joining.next),
            self.leaving.as_ref().and_then(|leaving| leaving.session.poll_timeout()),
            self.retry_at,
            self.attempt.as_ref().map(Attempt::poll_timeout),
            self.key_probe.as_ref().map(Attempt::poll_timeout),
        ];
        timers.into_iter().flatten().min()
    }
}
