//! From a session's outbox to the recipients' mailboxes.

use super::{
    FromShard, Now, Shard,
    jobs::Purpose,
    logins::SKIP_MAX,
    message::{Malformed, translate},
    uplink::{Overrun, Verdict},
};
use crate::{
    committer::{Outcome, Work, home},
    store::{Answer, Command, StoreError},
};
use pychat_proto::{
    CloseCode, Lane, RefuseCode, Seq, SessionId,
    chat::{self, Note},
};
use std::time::Duration;

/// When a client whose stream stands elsewhere than believed is to log in again.
const RETRY_AFTER_OUT_OF_STEP: Duration = Duration::from_millis(200);

impl Shard {
    /// A whole message, the next of its session's stream.
    pub(super) fn on_message(
        &mut self,
        now: Now,
        id: SessionId,
        lane: Lane,
        (first, last): (Seq, Seq),
        payload: &[u8],
    ) {
        if lane != Lane::CHAT {
            return self.close_for_breach(now, id, "no such lane");
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let message = translate(payload, &session.user, &session.name, now.unix_ms);
        let uplink = &mut session.hot().uplink;
        let pushed = match message {
            Ok(message) => uplink.push(first, last, message),
            Err(Malformed) => uplink.push_malformed(first, last),
        };
        match pushed {
            Ok(()) => self.pump_appends(now, id),
            Err(Overrun) => self.close_for_breach(now, id, "more messages than the window allows"),
        }
    }

    /// The client gave up its records up to `up_to`.
    pub(super) fn on_skip(&mut self, now: Now, id: SessionId, lane: Lane, up_to: Seq) {
        if lane != Lane::CHAT || up_to > SKIP_MAX {
            return self.close_for_breach(now, id, "a skip that makes no sense");
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if up_to <= session.committed {
            self.endpoint.commit(now.mono, id, Lane::CHAT, session.committed);
            return;
        }
        session.hot().uplink.skip(up_to);
        self.pump_appends(now, id);
    }

    /// Submits what waits, in order, as far as it may go.
    pub(super) fn pump_appends(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !session.is_claimed() {
            return;
        }
        let (user, stream) = (&session.user, session.stream);
        let Some(hot) = session.hot.as_deref_mut() else { return };
        if let Some(last) = hot.uplink.refuse_malformed() {
            let code = RefuseCode::Malformed;
            self.endpoint.refuse_message(now.mono, id, Lane::CHAT, last, code);
        }
        if self.writes.is_pausing() {
            // Once a pause: its person should not have to guess why nothing goes on.
            if !hot.uplink.is_empty() && self.stalled.insert(id) {
                self.endpoint.note(now.mono, id, &chat::encode(&Note::NotStoring));
            }
            return;
        }
        while let Some((last, command)) = hot.uplink.submit(user, stream) {
            let purpose = match command {
                Command::Advance { .. } => Purpose::Advance(id, last),
                Command::Append(_)
                | Command::Trim { .. }
                | Command::Raise { .. }
                | Command::Claim(_) => Purpose::Append(id, last),
            };
            self.jobs.push(purpose, Work::Commit(command));
        }
    }

    pub(super) fn on_appended(
        &mut self,
        now: Now,
        id: SessionId,
        last: Seq,
        outcome: Result<Outcome, StoreError>,
    ) {
        let Some(hot) = self.sessions.get_mut(&id).and_then(|s| s.hot.as_deref_mut()) else {
            return;
        };
        match outcome {
            Ok(Outcome::Committed(Answer::Append(appended))) => {
                let verdict = hot.uplink.appended(last, appended);
                self.follow(now, id, verdict);
            }
            // The committer answers each command in kind; that is its whole contract.
            Ok(other) => unreachable!("the committer answered an append with {other:?}"),
            Err(error) => hot.uplink.failed(last, &error),
        }
        self.pump_appends(now, id);
    }

    pub(super) fn on_advanced(
        &mut self,
        now: Now,
        id: SessionId,
        up_to: Seq,
        outcome: Result<Outcome, StoreError>,
    ) {
        let Some(hot) = self.sessions.get_mut(&id).and_then(|s| s.hot.as_deref_mut()) else {
            return;
        };
        match outcome {
            Ok(_) => {
                let verdict = hot.uplink.advanced(up_to);
                self.follow(now, id, verdict);
            }
            Err(error) => hot.uplink.failed(up_to, &error),
        }
        self.pump_appends(now, id);
    }

    fn follow(&mut self, now: Now, id: SessionId, verdict: Verdict) {
        match verdict {
            Verdict::Commit { up_to, unannounced } => {
                self.endpoint.commit(now.mono, id, Lane::CHAT, up_to);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.committed = up_to;
                    session.cool();
                }
                if let Some(mailbox) = unannounced {
                    let home = home(&mailbox, self.config.shards);
                    if home == self.config.shard {
                        self.on_unannounced(now, &mailbox);
                    } else {
                        self.to_shards.push_back((home, FromShard::Unannounced { mailbox }));
                    }
                }
            }
            Verdict::Refuse { last, code } => {
                self.endpoint.refuse_message(now.mono, id, Lane::CHAT, last, code);
            }
            Verdict::Resubmit => {}
            Verdict::OutOfStep => {
                let (code, after) = (CloseCode::ServerFault, RETRY_AFTER_OUT_OF_STEP);
                self.close(now, id, code, after, "the server's memory of the outbox has changed");
            }
        }
    }

    fn close_for_breach(&mut self, now: Now, id: SessionId, reason: &str) {
        self.close(now, id, CloseCode::Protocol, Duration::ZERO, reason);
    }
}
