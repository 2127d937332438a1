//! From a user's mailbox to the user's session, each entry once and in order, and the receipts for
//! those that are safe there.
//!
//! An entry goes out at once if the session is caught up *and* it is the next one after the last sent;
//! in every other case the store is read.

use super::{
    Now, Shard,
    jobs::Purpose,
    mailbox::with_place,
    parcel::{Asker, Fate, FromShard, Parcel, Receipt, Unsafe},
    receipts::{self, Next},
    session::{Delivery, Session},
    unsettled::{Owed, Settled, owed_for},
};
use crate::{
    committer::{Outcome, Work, home},
    store::{Command, Entry, Page, ReadLimit, StoreError},
};
use pychat_proto::{Cursor, Lane, RECORD_WINDOW, Seq, SessionId, Urgency, UserName};
use std::sync::Arc;

/// Bytes of entries that one read fetches.
const PAGE_BYTES: usize = 64 * 1024;

/// A read is worth its while when there is room for this many records, or nothing is in flight.
const ROOM_WORTH_A_READ: u64 = RECORD_WINDOW / 4;

impl Shard {
    /// An entry is on disk in the mailbox of a user who lives here.
    pub(super) fn on_arrived(
        &mut self,
        now: Now,
        mailbox: &UserName,
        cursor: Cursor,
        entry: &[u8],
        owed: Option<Owed>,
    ) {
        let Some(id) = self.sessions.of_user(mailbox) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match session.delivery {
            Delivery::CaughtUp if cursor == session.sent.next() => {
                self.send(now, id, cursor, entry, owed);
            }
            Delivery::CaughtUp if cursor > session.sent => {
                session.delivery = Delivery::Behind;
                self.pump_delivery(id);
            }
            Delivery::CaughtUp | Delivery::Claiming(_) | Delivery::Raising(_) => {}
            Delivery::Behind | Delivery::Reading | Delivery::Blocked => {
                let announced = &mut session.hot().announced;
                *announced = cursor.max(*announced);
            }
        }
    }

    /// There may be an entry that was not announced.
    pub(super) fn on_unannounced(&mut self, mailbox: &UserName) {
        let Some(id) = self.sessions.of_user(mailbox) else { return };
        self.end_lease(id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match session.delivery {
            Delivery::CaughtUp => {
                session.delivery = Delivery::Behind;
                self.pump_delivery(id);
            }
            // The page under way may have been read before: read again after it.
            Delivery::Reading => session.hot().announced = Cursor(u64::MAX),
            Delivery::Claiming(_) | Delivery::Raising(_) | Delivery::Behind | Delivery::Blocked => {
            }
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
        session.hot().announced = Cursor::NONE;
        let entries = usize::try_from(room.clamp(1, RECORD_WINDOW)).unwrap_or(1);
        let limit = ReadLimit { entries, bytes: PAGE_BYTES };
        let work = Work::Read { mailbox: session.user(), after: session.sent, limit };
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
            self.stats.delivered += take_known(session, &entries);
            let sent = session.sent;
            let mut new = entries.iter().filter(|entry| entry.cursor > sent);
            let all_sent = new
                .all(|Entry { cursor, entry }| self.send(now, id, *cursor, entry, owed_for(entry)));
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let announced = session.hot().announced;
            if all_sent && !more && announced <= session.sent {
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
        if let Some(settled) = hot.unsettled.settle(now.mono, up_to) {
            if let Some(took) = settled.took {
                session.took(took);
            }
            self.forget_hold(id);
            self.on_settled(now, id, settled);
        }
        self.pump_receipts(now, id);
        self.pump_delivery(id);
    }

    /// Entries are safe with the client: whoever sent them hears so.
    fn on_settled(&mut self, now: Now, id: SessionId, settled: Settled) {
        let Settled { stored_up_to, owed, delivered, .. } = settled;
        self.stats.delivered += owed.len() as u64;
        for (asker, is_owed) in delivered {
            self.stats.accepted += u64::from(is_owed && asker.text().is_some());
            let fate = if is_owed { Fate::Delivered } else { Fate::Settled };
            self.answer(asker, fate);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match stored_up_to {
            Some(up_to) => session.hot().receipts.settled(up_to, owed),
            // Nothing waits to be trimmed: the receipts go for themselves.
            None => {
                let by = session.user();
                for receipt in receipts::gather(owed, &by, now.unix_ms) {
                    self.send_receipt(receipt, None, Urgency::Low);
                }
            }
        }
    }

    /// Hands a receipt to the mailbox of whom it is for, who says in company or at once that it is safe.
    pub(super) fn send_receipt(
        &mut self,
        receipt: receipts::Receipt,
        round: Option<(SessionId, usize)>,
        word_back: Urgency,
    ) {
        let receipts::Receipt { to, entry, settles } = receipt;
        let home = home(&to, self.config.shards);
        let round = round.map(|(session, number)| (self.config.shard, session, number));
        let asker = Asker::Receipt(Receipt { round, settles, word_back });
        self.hand_over(home, to, entry, None, asker);
    }

    /// Hands an entry to the shard that its mailbox lives on.
    pub(super) fn hand_over(
        &mut self,
        home: u8,
        mailbox: UserName,
        entry: Arc<[u8]>,
        owed: Option<Owed>,
        asker: Asker,
    ) {
        let since = self.since(&asker);
        let parcel = Parcel { mailbox, entry, owed, asker, since };
        self.tell(home, FromShard::Parcel(parcel));
    }

    pub(super) fn on_writable(&mut self, _now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if matches!(session.delivery, Delivery::Blocked) {
            session.delivery = Delivery::Behind;
        }
        self.pump_delivery(id);
    }

    /// Sends the receipts that are owed, and trims behind them.
    pub(super) fn pump_receipts(&mut self, now: Now, id: SessionId) {
        loop {
            let is_holding_back = self.is_holding_back();
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let Some(hot) = session.hot.as_deref_mut() else { return };
            if hot.receipts.is_empty() {
                return session.cool();
            }
            if is_holding_back {
                self.stalled.insert(id);
                return;
            }
            let user = session.person.user();
            // While a mailbox is collected, its deliveries pause until receipts are safe.
            let is_collected = !matches!(session.delivery, Delivery::CaughtUp);
            let word_back = if is_collected { Urgency::Normal } else { Urgency::Low };
            match hot.receipts.next(&user, now.unix_ms) {
                Some(Next::Receipt(number, receipt)) => {
                    self.send_receipt(receipt, Some((id, number)), word_back);
                }
                Some(Next::Trim(up_to)) => {
                    self.write(Purpose::Unwatched, Command::Trim { mailbox: user, up_to });
                }
                None => return session.cool(),
            }
        }
    }

    /// Whether a receipt of a session's round is safe.
    pub(super) fn on_receipted(
        &mut self,
        now: Now,
        id: SessionId,
        number: usize,
        safe: Result<(), Unsafe>,
    ) {
        match safe {
            Ok(()) => self.sends.succeeded(),
            Err(Unsafe::Failed) => self.note_failed(now),
            Err(Unsafe::OutOfTurn) => {}
        }
        let Some(hot) = self.sessions.get_mut(&id).and_then(|s| s.hot.as_deref_mut()) else {
            return;
        };
        match safe {
            Ok(()) => hot.receipts.stored(number),
            Err(_) => hot.receipts.failed(number),
        }
        self.pump_receipts(now, id);
        self.pump_delivery(id);
    }

    /// Sends an entry that the store has; says whether there was room.
    fn send(
        &mut self,
        now: Now,
        id: SessionId,
        cursor: Cursor,
        entry: &[u8],
        owed: Option<Owed>,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let payload = with_place(&mut self.scratch, cursor, entry);
        let sent = self.endpoint.send_message(now.mono, id, Lane::CHAT, Urgency::Normal, payload);
        let Some(last) = sent else {
            session.delivery = Delivery::Blocked;
            return false;
        };
        session.sent = cursor;
        session.hot().unsettled.push(last, cursor, now.mono, owed);
        true
    }
}

/// Entries that were on the client's disk when it logged in: they are not sent, but receipted and
/// trimmed, in case a crash came before that. Answers how many texts they are.
fn take_known(session: &mut Session, entries: &[Entry]) -> u64 {
    let floor = session.hot().floor;
    let known = entries.iter().take_while(|entry| entry.cursor <= floor);
    let Some(last) = known.clone().last() else { return 0 };
    let owed: Vec<Owed> = known.filter_map(|entry| owed_for(&entry.entry)).collect();
    let (up_to, texts) = (last.cursor, owed.len() as u64);
    session.hot().receipts.settled(up_to, owed);
    session.sent = session.sent.max(up_to);
    texts
}
