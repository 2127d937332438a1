//! From a user's mailbox to the user's session, each entry once and in order, and the receipts for
//! those that are safe there.
//!
//! An entry that was announced goes out at once if the session is caught up *and* it is the next
//! one after the last sent; in every other case the store is read, so that an announcement that was
//! lost can delay an entry but never lose it.

use super::{
    Now, Shard,
    jobs::Purpose,
    receipts::Next,
    session::{Delivery, Session},
    unsettled::{Owed, Settled, owed_for},
};
use crate::{
    committer::{Outcome, Work},
    store::{Command, Entry, Page, ReadLimit, StoreError},
};
use pychat_proto::{Cursor, Endpoint, Lane, RECORD_WINDOW, Seq, SessionId, UserName, chat};

/// Bytes of entries that one read fetches.
const PAGE_BYTES: usize = 64 * 1024;

/// A read is worth its while when there is room for this many records, or nothing is in flight.
const ROOM_WORTH_A_READ: u64 = RECORD_WINDOW / 4;

impl Shard {
    /// An entry is on disk in the mailbox of a user who lives here.
    pub(super) fn on_arrived(&mut self, now: Now, mailbox: &UserName, entry: &Entry) {
        self.wake_echo(mailbox);
        let Some(id) = self.by_user.get(mailbox).copied() else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match session.delivery {
            Delivery::CaughtUp if entry.cursor == session.sent.next() => {
                send(&mut self.endpoint, now, id, session, entry);
            }
            Delivery::CaughtUp if entry.cursor > session.sent => {
                session.delivery = Delivery::Behind;
                self.pump_delivery(id);
            }
            Delivery::CaughtUp | Delivery::Claiming(..) | Delivery::Raising(_) => {}
            Delivery::Behind | Delivery::Reading | Delivery::Blocked => {
                session.announced = session.announced.max(entry.cursor);
            }
        }
    }

    /// There may be an entry that was not announced.
    pub(super) fn on_unannounced(&mut self, _now: Now, mailbox: &UserName) {
        self.wake_echo(mailbox);
        let Some(id) = self.by_user.get(mailbox).copied() else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match session.delivery {
            Delivery::CaughtUp => {
                session.delivery = Delivery::Behind;
                self.pump_delivery(id);
            }
            // The page under way may have been read before: read again after it.
            Delivery::Reading => session.announced = Cursor(u64::MAX),
            Delivery::Claiming(..)
            | Delivery::Raising(_)
            | Delivery::Behind
            | Delivery::Blocked => {}
        }
    }

    /// Asks for the next page, if there is one to be had and room for it.
    pub(super) fn pump_delivery(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !matches!(session.delivery, Delivery::Behind) {
            return;
        }
        let room = self.endpoint.room(id, Lane::CHAT);
        if let Some(hot) = session.hot.as_deref()
            && (hot.receipts.is_full() || room < ROOM_WORTH_A_READ && !hot.unsettled.is_empty())
        {
            // What is in flight settles, or what is owed is written, and then this is called again.
            return;
        }
        if self.reads.is_pausing() {
            self.stalled.insert(id);
            return;
        }
        session.delivery = Delivery::Reading;
        session.announced = Cursor::NONE;
        let entries = usize::try_from(room.clamp(1, RECORD_WINDOW)).unwrap_or(1);
        let limit = ReadLimit { entries, bytes: PAGE_BYTES };
        let work = Work::Read { mailbox: session.user.clone(), after: session.sent, limit };
        self.jobs.push(Purpose::Page(id), work);
    }

    pub(super) fn on_page(
        &mut self,
        now: Now,
        id: SessionId,
        outcome: Result<Outcome, StoreError>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !matches!(session.delivery, Delivery::Reading) {
            return;
        }
        session.delivery = Delivery::Behind;
        if let Ok(Outcome::Page(Page { entries, more })) = outcome {
            take_known(session, &entries);
            let all_sent = entries.iter().all(|entry| {
                entry.cursor <= session.sent || send(&mut self.endpoint, now, id, session, entry)
            });
            if all_sent && !more && session.announced <= session.sent {
                session.delivery = Delivery::CaughtUp;
            }
        }
        self.pump_receipts(now, id);
        self.pump_delivery(id);
    }

    /// The client holds our records up to `up_to`.
    pub(super) fn on_committed(&mut self, now: Now, id: SessionId, lane: Lane, up_to: Seq) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(hot) = session.hot.as_deref_mut() else { return };
        if lane != Lane::CHAT {
            return;
        }
        if let Some(settled) = hot.unsettled.settle(up_to) {
            hot.receipts.settled(settled);
        }
        self.pump_receipts(now, id);
        self.pump_delivery(id);
    }

    pub(super) fn on_writable(&mut self, _now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if matches!(session.delivery, Delivery::Blocked) {
            session.delivery = Delivery::Behind;
        }
        self.pump_delivery(id);
    }

    /// Writes the receipts that are owed, and trims behind them.
    pub(super) fn pump_receipts(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(hot) = session.hot.as_deref_mut() else { return };
        if self.writes.is_pausing() {
            if !hot.receipts.is_empty() {
                self.stalled.insert(id);
            }
            return;
        }
        while let Some(next) = hot.receipts.submit(&session.user, now.unix_ms) {
            let (purpose, command) = match next {
                Next::Receipt(number, command) => (Purpose::Receipt(id, number), command),
                Next::Trim(up_to) => {
                    let mailbox = session.user.clone();
                    (Purpose::Unwatched, Command::Trim { mailbox, up_to })
                }
            };
            self.jobs.push(purpose, Work::Commit(command));
        }
        session.cool();
    }

    pub(super) fn on_receipt(&mut self, now: Now, id: SessionId, number: usize, stored: bool) {
        let Some(hot) = self.sessions.get_mut(&id).and_then(|s| s.hot.as_deref_mut()) else {
            return;
        };
        if stored {
            hot.receipts.stored(number);
        } else {
            hot.receipts.failed(number);
        }
        self.pump_receipts(now, id);
        self.pump_delivery(id);
    }
}

/// Entries that were on the client's disk when it logged in: they are not sent, but receipted and
/// trimmed, in case a crash came before that.
fn take_known(session: &mut Session, entries: &[Entry]) {
    let known = entries.iter().take_while(|entry| entry.cursor <= session.floor);
    let Some(last) = known.clone().last() else { return };
    let owed: Vec<Owed> = known.filter_map(|entry| owed_for(&entry.entry)).collect();
    let up_to = last.cursor;
    session.hot().receipts.settled(Settled { up_to, owed });
    session.sent = session.sent.max(up_to);
}

/// Sends an entry; says whether there was room.
fn send(
    endpoint: &mut Endpoint,
    now: Now,
    id: SessionId,
    session: &mut Session,
    entry: &Entry,
) -> bool {
    // A mailbox entry is its cursor followed by what it says, as `chat::MailboxEntry` encodes.
    let mut payload = chat::encode(&entry.cursor);
    payload.extend_from_slice(&entry.entry);
    let Some(last) = endpoint.send_message(now.mono, id, Lane::CHAT, &payload) else {
        session.delivery = Delivery::Blocked;
        return false;
    };
    session.sent = entry.cursor;
    session.hot().unsettled.push(last, entry.cursor, owed_for(&entry.entry));
    true
}
