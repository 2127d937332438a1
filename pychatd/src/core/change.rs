//! One transaction under way: what it writes, what memory will hold after it, and what it tells.

use super::{Now, answer, sealing::Keys};
use crate::db::{
    Contact, DatabaseError, MessageRow, OutboxRow, Queued, RowId, Settings, Stored, Tx, What,
};
use pychat_control::{Event, EventKind, State};
use pychat_proto::{MessageId, RefuseCode, Seq, StreamId, UserName, records_for};

/// A transaction under way. Dropped with it, everything here is as if it never was.
pub(super) struct Change<'a> {
    pub(super) tx: &'a Tx<'a>,
    pub(super) stored: &'a mut Stored,
    pub(super) told: &'a mut Told,
    pub(super) keys: &'a Keys,
    pub(super) now: Now,
}

/// What goes out once the transaction is on disk.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// For subscribers.
    pub(super) events: Vec<Event>,
    /// For requests that wait for a state.
    pub(super) reached: Vec<Reached>,
    /// How people whose keys were looked at stand now.
    pub(super) contacts: Vec<Contact>,
    /// Whose key changed: what waits for them is held.
    pub(super) changed: Vec<UserName>,
    /// Whose keys are wanted.
    pub(super) wanted: Vec<UserName>,
    /// Texts that had waited for keys and are sealed now.
    pub(super) released: Vec<(MessageId, UserName)>,
    /// Texts were stored.
    pub(super) stored_text: bool,
    /// One of our one-time keys may have been used.
    pub(super) key_used: bool,
}

/// A message of ours reached a state.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) id: MessageId,
    pub(super) state: State,
    /// The server's code, if it refused it.
    pub(super) refused_code: Option<u16>,
    /// Why.
    pub(super) reason: Option<String>,
}

impl From<&MessageRow> for Reached {
    fn from(row: &MessageRow) -> Self {
        Self {
            id: row.id,
            state: row.state,
            refused_code: row.refused_code,
            reason: row.reason.clone(),
        }
    }
}

/// Outbox rows looked at in one go.
const ROWS: usize = 256;

impl Change<'_> {
    /// Writes the settings, if they changed.
    pub(super) fn save_settings(&mut self, before: &Settings) -> Result<(), DatabaseError> {
        if self.stored.settings == *before {
            return Ok(());
        }
        self.tx.save_settings(&self.stored.settings)
    }

    /// Writes down what happened to a message of ours, and tells it.
    pub(super) fn record(
        &mut self,
        message: RowId,
        id: MessageId,
        what: What,
        refusal: Option<RefuseCode>,
    ) -> Result<(), DatabaseError> {
        let reason = refusal.map(|code| code.to_string());
        let at = self.now.unix_ms;
        let cursor = self.tx.add_event(at, message, what, reason.as_deref())?;
        if let Some(state) = what.state() {
            let what = EventKind::State { id: id.to_string(), state, reason: reason.clone() };
            self.told.events.push(Event { cursor: Some(cursor), at: answer::time(at), what });
            let refused_code = refusal.map(RefuseCode::code);
            self.told.reached.push(Reached { id, state, refused_code, reason });
        }
        Ok(())
    }

    /// Moves a message of ours on; one that is further already stays where it is.
    pub(super) fn advance(
        &mut self,
        message: &MessageRow,
        what: What,
        refusal: Option<RefuseCode>,
    ) -> Result<(), DatabaseError> {
        let Some(state) = what.state() else { return Ok(()) };
        if !leads_on(message.state, state) {
            return Ok(());
        }
        self.tx.set_state(message.row, state)?;
        if let Some(code) = refusal {
            self.tx.set_refusal(message.row, code.code(), &code.to_string())?;
        }
        self.record(message.row, message.id, what, refusal)
    }

    /// Adds to the outbox.
    pub(super) fn enqueue(
        &mut self,
        message: Option<RowId>,
        payload: Vec<u8>,
        tried: bool,
        expires_at: Option<u64>,
    ) -> Result<(), DatabaseError> {
        let first = self.stored.settings.next_seq;
        let last = Seq(first.0 + records_for(payload.len()) - 1);
        self.tx.enqueue(&Queued { first, last, message, payload, tried, expires_at })?;
        self.stored.settings.next_seq = last.next();
        self.stored.queued += u64::from(message.is_some());
        Ok(())
    }

    /// Gives a row of the outbox up, for good; its message is refused, cancelled or expired.
    pub(super) fn give_up(
        &mut self,
        row: &OutboxRow,
        what: What,
        refusal: Option<RefuseCode>,
    ) -> Result<(), DatabaseError> {
        self.tx.give_up(row.first)?;
        if let Some(message) = row.message {
            if !row.committed && !row.given_up {
                self.stored.queued = self.stored.queued.saturating_sub(1);
            }
            if let Some(message) = self.tx.message(message)? {
                self.advance(&message, what, refusal)?;
            }
        }
        Ok(())
    }

    /// The server holds all records up to `up_to`.
    pub(super) fn commit_outbox(&mut self, up_to: Seq) -> Result<(), DatabaseError> {
        let last_assigned = Seq(self.stored.settings.next_seq.0 - 1);
        let up_to = up_to.min(last_assigned);
        let mut from = self.stored.settings.committed.next();
        while from <= up_to {
            let rows = self.tx.outbox_uncommitted(from, ROWS)?;
            let done = rows.len() < ROWS;
            for row in rows.iter().take_while(|row| row.last <= up_to) {
                self.commit_row(row)?;
            }
            match rows.last() {
                Some(row) if !done => from = row.last.next(),
                Some(_) | None => break,
            }
        }
        self.stored.settings.committed = self.stored.settings.committed.max(up_to);
        Ok(())
    }

    fn commit_row(&mut self, row: &OutboxRow) -> Result<(), DatabaseError> {
        self.tx.mark_committed(row.first, self.now.unix_ms)?;
        let Some(message) = row.message else { return Ok(()) };
        if row.given_up {
            return Ok(());
        }
        self.stored.queued = self.stored.queued.saturating_sub(1);
        match self.tx.message(message)? {
            Some(message) => self.advance(&message, What::Accepted, None),
            None => Ok(()),
        }
    }

    /// The numbers that the server knows are not the ones that we know: all that it does not hold
    /// goes out again, in a stream of its own. The recipients' databases tell doubles by their ids.
    pub(super) fn begin_stream(&mut self, stream: StreamId) -> Result<(), DatabaseError> {
        if let Some(account) = &mut self.stored.settings.account {
            account.stream = stream;
        }
        self.stored.settings.next_seq = self.tx.renumber()?;
        self.stored.settings.committed = Seq::NONE;
        self.recount()
    }

    pub(super) fn recount(&mut self) -> Result<(), DatabaseError> {
        self.stored.queued = self.tx.count_queued()? + self.tx.count_waiting()?;
        Ok(())
    }
}

/// A state never goes back, and one that ended stays: queued -> accepted -> delivered -> read, or
/// queued -> refused, cancelled, expired.
fn leads_on(from: State, to: State) -> bool {
    match from {
        State::Queued => to != State::Queued,
        State::Accepted => matches!(to, State::Delivered | State::Read),
        State::Delivered => to == State::Read,
        State::Read | State::Refused | State::Cancelled | State::Expired | State::Unread => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 8] = [
        State::Queued,
        State::Accepted,
        State::Delivered,
        State::Read,
        State::Refused,
        State::Cancelled,
        State::Expired,
        State::Unread,
    ];

    #[test]
    fn no_state_can_be_reached_twice() {
        for first in ALL {
            for second in ALL {
                assert!(
                    !(leads_on(first, second) && leads_on(second, first)),
                    "{first:?} {second:?}"
                );
            }
        }
    }

    #[test]
    fn what_ended_stays() {
        for end in [State::Read, State::Refused, State::Cancelled, State::Expired] {
            assert!(ALL.iter().all(|to| !leads_on(end, *to)), "{end:?}");
        }
    }
}
