//! From a session's outbox to the recipients' mailboxes.

use super::{
    Now, Shard,
    jobs::Purpose,
    logins::SKIP_MAX,
    message::{Malformed, translate},
    parcel::{Asker, Fate, Place, Record},
    uplink::{Overrun, Step},
};
use crate::{committer::home, store::Command};
use pychat_proto::{
    CloseCode, Instant, Lane, Seq, SessionId,
    chat::{self, Note},
};
use std::{sync::Arc, time::Duration};

/// How often positions are written that nothing on our disks tells: at worst, what was sent within this
/// time comes again after a crash, and its recipients know it already.
const POSITIONS_EVERY: Duration = Duration::from_secs(5);

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
        let (user, name) = (session.user(), session.person.name());
        let message = translate(payload, &user, name, now.unix_ms, &mut self.scratch);
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

    /// Hands on what waits, in order, as far as it may go.
    pub(super) fn pump_appends(&mut self, now: Now, id: SessionId) {
        loop {
            let is_holding_back = self.is_holding_back();
            let Some(session) = self.sessions.get_mut(&id) else { return };
            if !session.is_claimed() {
                return;
            }
            let (stream, safe) = (session.stream, session.settled);
            let Some(hot) = session.hot.as_deref_mut() else { return };
            if let Some((last, code)) = hot.uplink.refusal() {
                self.endpoint.refuse_message(now.mono, id, Lane::CHAT, last, code);
            }
            if is_holding_back {
                // Once a pause: its person should not have to guess why nothing goes on.
                if !hot.uplink.is_empty() && self.stalled.insert(id) {
                    self.endpoint.note(now.mono, id, &chat::encode(&Note::NotStoring));
                }
                return;
            }
            match hot.uplink.step() {
                Some(Step::Send { first, last, after, message }) => {
                    let user = session.person.user();
                    let record = Record { shard: self.config.shard, session: id, last };
                    let place = Place { user, stream, safe, first, after };
                    let asker = Asker::Stream(record, place);
                    let (to, entry) = (message.to, Arc::clone(&message.entry));
                    let owed = message.owed(&user);
                    self.hand_over(home(&to, self.config.shards), to, entry, owed, asker);
                }
                Some(Step::Skip { up_to }) => {
                    let user = session.person.user();
                    let command = Command::Advance { user, stream, up_to };
                    self.write(Purpose::Advance(id, up_to), command);
                }
                None => return,
            }
        }
    }

    /// What became of a message of a session's stream.
    pub(super) fn on_fate(&mut self, now: Now, record: Record, fate: Fate) {
        match fate {
            Fate::Failed => self.note_failed(now),
            Fate::Delivered | Fate::Settled | Fate::Refused(_) => self.sends.succeeded(),
            Fate::Again | Fate::OutOfTurn => {}
        }
        let Record { session: id, last, .. } = record;
        let Some(hot) = self.sessions.get_mut(&id).and_then(|s| s.hot.as_deref_mut()) else {
            return;
        };
        match fate {
            Fate::Delivered => hot.uplink.accept(last),
            Fate::Settled => hot.uplink.settle(last),
            Fate::Refused(code) => hot.uplink.refuse(last, code),
            Fate::Failed | Fate::Again => hot.uplink.fail(last),
            Fate::OutOfTurn => hot.uplink.put_back(last),
        }
        self.follow(now, id);
    }

    pub(super) fn on_advanced(&mut self, now: Now, id: SessionId, up_to: Seq, done: bool) {
        let Some(hot) = self.sessions.get_mut(&id).and_then(|s| s.hot.as_deref_mut()) else {
            return;
        };
        if done {
            hot.uplink.settle(up_to);
        } else {
            hot.uplink.fail(up_to);
        }
        self.follow(now, id);
    }

    /// Tells the client how far its stream has come, and goes on with it.
    fn follow(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(hot) = session.hot.as_deref_mut() else { return };
        let progress = hot.uplink.progress();
        if let Some(settled) = progress.settled {
            session.settled = settled;
        }
        if let Some(up_to) = progress.accepted.filter(|up_to| *up_to > session.committed) {
            session.committed = up_to;
            self.endpoint.commit(now.mono, id, Lane::CHAT, up_to);
        }
        session.cool();
        if progress.unwritten {
            self.note_unwritten(now.mono, id);
        }
        self.pump_appends(now, id);
    }

    /// A session's position is on no disk of ours.
    fn note_unwritten(&mut self, now: Instant, id: SessionId) {
        self.unwritten.insert(id);
        self.positions_at.get_or_insert(now + POSITIONS_EVERY);
    }

    /// Writes the positions that nothing on our disks tells.
    pub(super) fn write_positions(&mut self, now: Now) {
        if self.positions_at.is_none_or(|at| at > now.mono) {
            return;
        }
        self.positions_at = None;
        for id in std::mem::take(&mut self.unwritten) {
            if self.is_holding_back() {
                self.note_unwritten(now.mono, id);
            } else {
                self.write_position(id);
            }
        }
    }

    /// Writes how far a session's stream has come.
    pub(super) fn write_position(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (user, stream, up_to) = (session.user(), session.stream, session.settled);
        self.write(Purpose::Position(id), Command::Advance { user, stream, up_to });
    }

    pub(super) fn on_position(&mut self, now: Now, id: SessionId, done: bool) {
        if !done && self.sessions.contains(&id) {
            self.note_unwritten(now.mono, id);
        }
    }

    /// A shard's store has failed, which is ours too. What others said is no reason to fail them in turn: see
    /// [`Shard::is_holding_back`].
    pub(super) fn note_failed(&mut self, now: Now) {
        if !self.writes.is_pausing() {
            self.sends.failed(now.mono);
        }
    }

    fn close_for_breach(&mut self, now: Now, id: SessionId, reason: &str) {
        self.close(now, id, CloseCode::Protocol, Duration::ZERO, reason);
    }
}
