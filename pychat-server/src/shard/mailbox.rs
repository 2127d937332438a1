//! The mailboxes that live on this shard: entries come in here, and whoever sent them hears what became
//! of them.
//!
//! An entry whose reader is there goes out at once, under a place that this shard hands out from those
//! that the store has set aside. The store gets it only if the reader has not made it safe by the time
//! that readers usually take: then it is written, with all that was sent before it. Every other entry
//! goes to the store, which hands out its place, and to its reader once it is on disk.
//!
//! ```text
//!              sent at once -- COMMIT --> delivered (never written)
//! parcel --<        '-- too late, or the session ends --> written, with its place
//!              written --> sent, or read from the store when its turn comes
//! ```

use super::{
    Now, Shard,
    jobs::{Purpose, Write},
    ownership::LONG_AGO,
    parcel::{Asker, Fate, FromShard, Hop, Hopped, Parcel, Receipt, Unsafe, Unwritten},
    session::{Delivery, Session},
    unsettled::Held,
};
use crate::{
    committer::{Outcome, Work},
    store::{Answer, Append, Appended, Command, Origin, StoreError},
};
use pychat_proto::{Cursor, Instant, Lane, RefuseCode, SessionId, Urgency, UserName, chat};
use std::{sync::Arc, time::Duration};

/// The longest that an entry is kept from the disk, for its reader to make that unnecessary, and the
/// least that is worth the while: a clock that wakes a shard has no finer steps.
const HOLD_MAX: Duration = Duration::from_millis(30);
const HOLD_MIN: Duration = Duration::from_millis(2);

/// How long a receipt is kept from the disk: its reader says in company that it is safe, and if this server
/// is killed before, the text comes again and is receipted anew.
const RECEIPT_HOLD: Duration = Duration::from_secs(1);

/// What a reader is taken to need before it has shown it.
pub(super) const USUAL_FIRST: Duration = Duration::from_millis(10);

/// Places that a shard asks for at once, and how few are left when it asks for more.
const PLACES_ASKED: u64 = 4096;
const PLACES_LOW: u64 = 1024;

impl Shard {
    /// Takes an entry for a mailbox that lives here.
    pub(super) fn take_in(&mut self, now: Now, parcel: Parcel) {
        if let Some(parcel) = self.route(now, parcel) {
            self.put_in(now, parcel);
        }
    }

    /// Takes an entry for a mailbox that is this server's, if it is its turn.
    fn put_in(&mut self, now: Now, parcel: Parcel) {
        let (turn, generation) = (self.turns.of(&parcel), self.jobs.generation());
        if turn.is_some_and(|turn| !self.turns.is_now(turn, generation)) {
            return self.answer(parcel.asker, Fate::OutOfTurn);
        }
        let reader = self.reader(&parcel.mailbox);
        let left = match reader {
            Some(id) => self.send_at_once(now, id, parcel),
            None => Some(parcel),
        };
        if let Some(parcel) = left {
            if let Some(id) = reader {
                self.end_lease(id);
            }
            if self.writes.is_pausing() {
                return self.answer(parcel.asker, Fate::Failed);
            }
            self.append(now, parcel, reader);
        }
        if let Some(turn) = turn {
            self.turns.note(now.mono, turn, generation);
        }
    }

    /// Sends an entry before the store has it, if its reader is there and has all that came before;
    /// otherwise the entry comes back.
    fn send_at_once(&mut self, now: Now, id: SessionId, parcel: Parcel) -> Option<Parcel> {
        if !self.is_sure_of(id, parcel.since) {
            return Some(parcel);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Some(parcel) };
        let place = session.sent.next();
        if !matches!(session.delivery, Delivery::CaughtUp) || place > session.reserved {
            return Some(parcel);
        }
        let payload = with_place(&mut self.scratch, place, &parcel.entry);
        let (urgency, word_back) = (parcel.asker.urgency(), parcel.asker.word_back());
        let Some(last) = self.endpoint.send_message(now.mono, id, Lane::CHAT, word_back, payload)
        else {
            session.delivery = Delivery::Blocked;
            return Some(parcel);
        };
        session.sent = place;
        let Parcel { entry, asker, .. } = parcel;
        let held = Held { entry, asker, generation: self.jobs.generation() };
        session.hot().unsettled.push_held(last, place, now.mono, parcel.owed, held);
        let left = session.reserved.0 - place.0;
        match session.hold(urgency, self.config.always_write) {
            Some(wait) => self.hold_until(id, now.mono + wait),
            None => self.write_held(id),
        }
        if left < PLACES_LOW {
            self.ask_for_places(id);
        }
        None
    }

    /// Writes what its reader has not made safe in time.
    pub(super) fn expire_holds(&mut self, now: Now) {
        while let Some((at, id)) = self.holds.first().copied()
            && at <= now.mono
        {
            self.holds.pop_first();
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let Some(hot) = session.hot.as_deref_mut() else { continue };
            hot.hold_at = None;
            match session.hold_deadline(self.config.always_write) {
                Some(due) if due > now.mono => self.hold_until(id, due),
                Some(_) => self.write_held(id),
                None => {}
            }
        }
    }

    /// Looks after what is held for a session at this time, or earlier if that is planned already.
    fn hold_until(&mut self, id: SessionId, at: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let hold_at = &mut session.hot().hold_at;
        match *hold_at {
            Some(earlier) if earlier <= at => return,
            Some(later) => {
                self.holds.remove(&(later, id));
            }
            None => {}
        }
        *hold_at = Some(at);
        self.holds.insert((at, id));
    }

    /// Nothing is held for a session any more: no clock need wake this shard for it.
    pub(super) fn forget_hold(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id)
            && let Some(hot) = session.hot.as_deref_mut()
            && let Some(at) = hot.hold_at.filter(|_| !hot.unsettled.holds_any())
        {
            hot.hold_at = None;
            self.holds.remove(&(at, id));
        }
    }

    /// Has all entries written that were sent and are on no disk of ours, in their order. One that was sent
    /// before a failure of the store was heard of passes for one of that time: what failed may be what was
    /// sent before it.
    pub(super) fn write_held(&mut self, id: SessionId) {
        while let Some(session) = self.sessions.get_mut(&id)
            && let Some(hot) = session.hot.as_deref_mut()
            && let Some((place, owed, held)) = hot.unsettled.pop_held()
        {
            let (mailbox, Held { entry, asker, generation }) = (session.user(), held);
            let origin = origin(&asker);
            let append = Append { mailbox, origin, place: Some(place), entry: Arc::clone(&entry) };
            let (place, reader, asked_at) = (Some(place), Some(id), LONG_AGO);
            let write = Write { mailbox, entry, owed, asker, place, reader, asked_at };
            let work = Work::Commit(Command::Append(append));
            self.jobs.push_of(generation, Purpose::Append(Box::new(write)), work);
        }
        self.forget_hold(id);
    }

    /// From here on the store hands out this mailbox's places.
    pub(super) fn end_lease(&mut self, id: SessionId) {
        self.write_held(id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if std::mem::replace(&mut session.reserved, Cursor::NONE) == Cursor::NONE {
            return;
        }
        let (mailbox, above) = (session.user(), session.sent);
        self.handed_out.insert(mailbox, above);
        self.tell_handed_out(mailbox);
    }

    /// Has the store go on after the places that this shard has handed out, if it may not know of them.
    /// What is given to it next is not taken if this is not: see [`crate::committer::Committer::step`].
    fn tell_handed_out(&mut self, mailbox: UserName) {
        if let Some(above) = self.handed_out.get(&mailbox).copied() {
            self.write(Purpose::HandedOut(mailbox, above), Command::Raise { mailbox, above });
        }
    }

    pub(super) fn on_handed_out(&mut self, mailbox: &UserName, above: Cursor, done: bool) {
        if done && self.handed_out.get(mailbox).is_some_and(|known| *known <= above) {
            self.handed_out.remove(mailbox);
        }
    }

    fn ask_for_places(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if self.writes.is_pausing() || std::mem::replace(&mut session.hot().asked_for_places, true)
        {
            return;
        }
        let (mailbox, up_to) = (session.user(), Cursor(session.sent.0 + PLACES_ASKED));
        self.write(Purpose::Reserve(id), Command::Reserve { mailbox, up_to });
    }

    pub(super) fn on_reserved(&mut self, id: SessionId, outcome: &Result<Outcome, StoreError>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.hot().asked_for_places = false;
        // A lease that ended meanwhile stays so.
        if let Ok(Outcome::Committed(Answer::Reserved(up_to))) = outcome
            && session.reserved != Cursor::NONE
        {
            session.reserved = session.reserved.max(*up_to);
        }
    }

    /// Has the store take an entry and find its place.
    fn append(&mut self, now: Now, parcel: Parcel, reader: Option<SessionId>) {
        if let Some(session) = reader.and_then(|id| self.sessions.get_mut(&id)) {
            session.hot().appends += 1;
        }
        let Parcel { mailbox, entry, owed, asker, .. } = parcel;
        self.tell_handed_out(mailbox);
        let origin = origin(&asker);
        let append = Append { mailbox, origin, place: None, entry: Arc::clone(&entry) };
        let asked_at = now.mono;
        let write = Write { mailbox, entry, owed, asker, place: None, reader, asked_at };
        self.write(Purpose::Append(Box::new(write)), Command::Append(append));
    }

    /// What became of an entry that the store was given; whether something given no later was not written before.
    pub(super) fn on_written(
        &mut self,
        now: Now,
        write: Write,
        outcome: Result<Outcome, StoreError>,
        is_late: bool,
    ) {
        let Write { mailbox, entry, owed, asker, place, reader, asked_at } = write;
        let mut alone = false;
        if let (None, Some(session)) = (place, reader.and_then(|id| self.sessions.get_mut(&id))) {
            let appends = &mut session.hot().appends;
            *appends -= 1;
            alone = *appends == 0;
        }
        let appended = match outcome {
            Ok(Outcome::Committed(Answer::Append(appended))) => appended,
            // The committer answers each command in kind; that is its whole contract.
            Ok(other) => unreachable!("the committer answered an append with {other:?}"),
            Err(_) => {
                let session = reader.and_then(|id| self.sessions.get_mut(&id));
                if let (Some(place), Some(session)) = (place, session) {
                    session.hot().unsettled.failed(place, &asker);
                }
                let fate = if is_late { Fate::OutOfTurn } else { Fate::Failed };
                return self.answer(asker, fate);
            }
        };
        match appended {
            Appended::Stored { cursor, reserved } => {
                let is_text = owed.is_some() && asker.text().is_some();
                self.stats.written += u64::from(is_text);
                self.stats.accepted += u64::from(is_text);
                if place.is_none() {
                    self.on_arrived(now, &mailbox, cursor, &entry, owed);
                    self.tell_taken(now, mailbox);
                    if alone && let Some(id) = reader {
                        self.begin_lease(id, cursor, reserved, asked_at);
                    }
                }
                self.answer(asker, Fate::Settled);
            }
            Appended::Duplicate => {
                // Perhaps it was written by a try that seemed to fail, and nobody was told.
                self.on_unannounced(&mailbox);
                self.tell_taken(now, mailbox);
                self.answer(asker, Fate::Settled);
            }
            Appended::Full => self.answer(asker, Fate::Refused(RefuseCode::MailboxFull)),
            Appended::NoSuchUser => self.answer(asker, Fate::Refused(RefuseCode::NoSuchUser)),
            Appended::Elsewhere(owner) => {
                let parcel = Parcel { mailbox, entry, owed, asker, since: now.mono };
                self.on_elsewhere(now, owner, parcel);
            }
        }
    }

    /// This shard may hand out the places that are set aside, as nobody else does: all that was given
    /// to the store for this mailbox is done, and its reader has it.
    fn begin_lease(&mut self, id: SessionId, cursor: Cursor, reserved: Cursor, asked_at: Instant) {
        if let Some(session) = self.sessions.get_mut(&id)
            && matches!(session.delivery, Delivery::CaughtUp)
            && session.sent == cursor
        {
            session.reserved = reserved;
            self.note_lease(id, asked_at);
        }
    }

    /// Tells whoever waits for it what became of an entry.
    pub(super) fn answer(&mut self, asker: Asker, fate: Fate) {
        // A receipt for somebody who is no user any more is as good as written.
        let safe = match fate {
            Fate::Delivered | Fate::Settled | Fate::Refused(_) => Ok(()),
            Fate::Failed => Err(Unsafe::Failed),
            Fate::Again | Fate::OutOfTurn => Err(Unsafe::OutOfTurn),
        };
        match asker {
            Asker::Hop(hop) => self.answer_hop(&hop, fate),
            Asker::Stream(record, _) => {
                if let Fate::Refused(code) = fate {
                    self.stats.refused_message(code);
                }
                self.tell(record.shard, FromShard::Fate(record, fate));
            }
            Asker::Receipt(Receipt { round, settles, word_back: _ }) => {
                let fate = if safe.is_ok() { Fate::Settled } else { fate };
                for text in settles {
                    self.settle(text, fate);
                }
                if let Some((shard, session, number)) = round {
                    self.tell(shard, FromShard::Receipted(session, number, safe));
                }
            }
        }
    }

    /// Says what became of a text that is on no disk of ours, after its recipient had it.
    fn settle(&mut self, text: Unwritten, fate: Fate) {
        match text {
            Unwritten::Here(record) => self.tell(record.shard, FromShard::Fate(record, fate)),
            Unwritten::There(node, number) => self.settle_hop(node, number, fate),
        }
    }
}

impl Session {
    /// How long an entry for this reader is worth keeping from the disk; `None`: not at all, as it
    /// would be written anyway.
    fn hold(&self, urgency: Urgency, always_write: bool) -> Option<Duration> {
        match urgency {
            Urgency::Low => Some(RECEIPT_HOLD),
            Urgency::Normal if always_write => None,
            Urgency::Normal => {
                let wait = Duration::from_micros(u64::from(self.usual_micros)) * 3 / 2;
                (wait <= HOLD_MAX).then_some(wait.max(HOLD_MIN))
            }
        }
    }

    /// When what is held for it has to be written, if anything is.
    fn hold_deadline(&self, always_write: bool) -> Option<Instant> {
        let unsettled = &self.hot.as_deref()?.unsettled;
        let due = |urgency| {
            let since = unsettled.held_since(urgency)?;
            Some(since + self.hold(urgency, always_write).unwrap_or_default())
        };
        [due(Urgency::Normal), due(Urgency::Low)].into_iter().flatten().min()
    }

    /// The reader took so long to make entries safe.
    pub(super) fn took(&mut self, took: Duration) {
        let sample = i64::try_from(took.as_micros()).unwrap_or(i64::MAX).min(1_000_000);
        let usual = i64::from(self.usual_micros);
        let moved = (usual + (sample - usual) / 8).max(0);
        self.usual_micros = u32::try_from(moved).unwrap_or(u32::MAX);
    }
}

/// A mailbox entry is its cursor followed by what it says, as `chat::MailboxEntry` encodes.
pub(super) fn with_place<'a>(scratch: &'a mut Vec<u8>, cursor: Cursor, entry: &[u8]) -> &'a [u8] {
    scratch.clear();
    chat::encode_into(&cursor, scratch);
    scratch.extend_from_slice(entry);
    scratch
}

/// Where the store is told that an entry comes from.
fn origin(asker: &Asker) -> Origin {
    match asker {
        Asker::Stream(record, place) => Origin::Stream {
            user: place.user,
            stream: place.stream,
            safe: place.safe,
            first: place.first,
            last: record.last,
        },
        Asker::Hop(Hop { what: Hopped::Text(place, last), .. }) => Origin::Stream {
            user: place.user,
            stream: place.stream,
            safe: place.safe,
            first: place.first,
            last: *last,
        },
        Asker::Receipt(_) | Asker::Hop(Hop { what: Hopped::Receipt(_), .. }) => Origin::Server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_put_behind_its_place_and_nothing_stays_of_the_one_before() {
        let mut scratch = b"what was there".to_vec();
        let payload = with_place(&mut scratch, Cursor(u64::MAX), b"entry");
        let place = chat::encode(&Cursor(u64::MAX));
        assert_eq!(payload, [&place[..], b"entry"].concat());
    }
}
