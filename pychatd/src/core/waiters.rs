//! `send` requests that wait for their message to reach a state.

use super::{Core, answer, answer::sent, change::Reached};
use pychat_control::{ErrorCode, Failure, Sent, State};
use pychat_proto::{Instant, MessageId};
use std::collections::BTreeMap;

/// Requests that may wait at once; beyond it a `send` is answered at once, and stays queued.
pub(super) const WAITERS_MAX: usize = 10_000;

/// Requests that wait, by message and by deadline.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_message: BTreeMap<MessageId, Vec<Waiter>>,
    by_deadline: BTreeMap<(Instant, u64), MessageId>,
    /// For whoever waits for this message: its recipient's key was pinned for it.
    first_contacts: BTreeMap<MessageId, String>,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    token: u64,
    wait: State,
    deadline: Instant,
    /// The state that the message is in.
    state: State,
}

impl Waiters {
    pub(super) fn len(&self) -> usize {
        self.by_deadline.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Waits until the message is in state `wait`, which it has not reached yet. Beyond
    /// [`WAITERS_MAX`] the failure comes back at once.
    pub(super) fn wait(
        &mut self,
        token: u64,
        at: &Reached,
        wait: State,
        deadline: Instant,
    ) -> Result<(), Failure> {
        if self.by_deadline.len() >= WAITERS_MAX {
            return Err(answer::too_many_waiting(sent(at.id, at.state)));
        }
        self.by_deadline.insert((deadline, token), at.id);
        let waiter = Waiter { token, wait, deadline, state: at.state };
        self.by_message.entry(at.id).or_default().push(waiter);
        Ok(())
    }

    /// A message reached a state: those who waited for it, and their answers.
    pub(super) fn reached(&mut self, reached: &Reached) -> Vec<(u64, Result<Sent, Failure>)> {
        let Some(waiters) = self.by_message.get_mut(&reached.id) else {
            return Vec::new();
        };
        let first_contact = self.first_contacts.get(&reached.id);
        let mut answers = Vec::new();
        waiters.retain_mut(|waiter| {
            waiter.state = reached.state;
            let Some(answer) = answer_at(reached, waiter.wait) else { return true };
            let answer = answer.map(|sent| Sent { first_contact: first_contact.cloned(), ..sent });
            answers.push((waiter.token, answer));
            self.by_deadline.remove(&(waiter.deadline, waiter.token));
            false
        });
        if waiters.is_empty() {
            self.by_message.remove(&reached.id);
            self.first_contacts.remove(&reached.id);
        }
        answers
    }

    /// Those who wait for a message wait no more: the message is held.
    pub(super) fn take(&mut self, id: MessageId) -> Vec<u64> {
        self.first_contacts.remove(&id);
        let waiters = self.by_message.remove(&id).unwrap_or_default();
        for waiter in &waiters {
            self.by_deadline.remove(&(waiter.deadline, waiter.token));
        }
        waiters.iter().map(|waiter| waiter.token).collect()
    }

    /// The recipient's key was pinned for this message; those who wait for it are told with its state.
    pub(super) fn note_first_contact(&mut self, id: MessageId, fingerprint: String) {
        if self.by_message.contains_key(&id) {
            self.first_contacts.insert(id, fingerprint);
        }
    }

    /// Those whose time ran out, and their failures.
    pub(super) fn expire(&mut self, now: Instant, reason: &str) -> Vec<(u64, Failure)> {
        let mut failures = Vec::new();
        while let Some(entry) = self.by_deadline.first_entry() {
            let (deadline, token) = *entry.key();
            if deadline > now {
                break;
            }
            let id = entry.remove();
            let Some(waiters) = self.by_message.get_mut(&id) else { continue };
            if let Some(index) = waiters.iter().position(|waiter| waiter.token == token) {
                let waiter = waiters.swap_remove(index);
                failures.push((token, answer::timed_out(sent(id, waiter.state), reason)));
            }
            if waiters.is_empty() {
                self.by_message.remove(&id);
                self.first_contacts.remove(&id);
            }
        }
        failures
    }
}

impl Core {
    /// The daemon ends: everybody who waits is told that the rest goes on after the next start.
    pub(super) fn answer_all_waiting(&mut self) {
        let reason = "the daemon ends now";
        let end = Instant::from_micros(u64::MAX);
        for (token, failure) in self.waiters.expire(end, reason) {
            self.fail(token, failure);
        }
        for waiter in std::mem::take(&mut self.connects) {
            self.fail(waiter.token, answer::ending());
        }
        for lookup in std::mem::take(&mut self.lookups) {
            self.fail(lookup.token, answer::ending());
        }
        for query in std::mem::take(&mut self.users) {
            self.fail(query.token, answer::ending());
        }
    }
}

/// The answer to one who waits for `wait`, if the message is there or will never be.
pub(super) fn answer_at(at: &Reached, wait: State) -> Option<Result<Sent, Failure>> {
    let sent = sent(at.id, at.state);
    match at.state {
        State::Refused => Some(Err(answer::refused(at, sent))),
        State::Cancelled => Some(Err(answer::ended(sent, "was cancelled", ErrorCode::Other))),
        State::Expired => Some(Err(answer::ended(
            sent,
            "expired before it could be handed to the network",
            ErrorCode::TimedOut,
        ))),
        State::Queued | State::Accepted | State::Delivered | State::Read | State::Unread => {
            (at.state >= wait).then_some(Ok(sent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: u8, state: State) -> Reached {
        let id = MessageId::from_bytes([id; 16]);
        Reached { id, state, refused_code: None, reason: None }
    }

    #[test]
    fn requests_that_wait_are_bounded_exactly() {
        let mut waiters = Waiters::default();
        let queued = at(1, State::Queued);
        let end = Instant::from_micros(9);
        for token in 0..WAITERS_MAX as u64 {
            waiters.wait(token, &queued, State::Accepted, end).unwrap();
        }
        let failure = waiters.wait(0, &queued, State::Accepted, end).unwrap_err();
        assert_eq!(failure.code, ErrorCode::LimitReached);
        assert_eq!(failure.sent.unwrap().state, State::Queued);
        assert_eq!(waiters.expire(end, "").len(), WAITERS_MAX);
        assert!(waiters.wait(0, &queued, State::Accepted, end).is_ok());
    }

    #[test]
    fn each_is_answered_once_at_its_own_state_or_deadline() {
        let mut waiters = Waiters::default();
        let queued = at(1, State::Queued);
        let (soon, late) = (Instant::from_micros(1), Instant::from_micros(2));
        waiters.wait(1, &queued, State::Accepted, late).unwrap();
        waiters.wait(2, &queued, State::Delivered, soon).unwrap();
        waiters.wait(3, &queued, State::Delivered, late).unwrap();
        assert!(waiters.reached(&at(2, State::Delivered)).is_empty(), "another message");
        let accepted = waiters.reached(&at(1, State::Accepted));
        assert_eq!(accepted.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1]);
        let expired = waiters.expire(soon, "");
        assert_eq!((expired.len(), expired[0].0), (1, 2));
        assert_eq!(expired[0].1.sent.as_ref().unwrap().state, State::Accepted);
        let delivered = waiters.reached(&at(1, State::Delivered));
        assert_eq!((delivered.len(), delivered[0].0), (1, 3));
        assert_eq!(waiters.next_deadline(), None);
    }
}
