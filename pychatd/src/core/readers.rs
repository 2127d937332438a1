//! Readers: scripts that take each message once, each with a cursor of its own.

use super::{
    Core, answer,
    reading::{checked_limit, page, parse_next},
};
use crate::db::RowId;
use pychat_control::{Empty, Failure, InboxParams, List, MarkReaderParams, Message, ReaderState};
use pychat_proto::UserName;

/// Readers of a profile; one more is refused.
pub(super) const READERS_MAX: usize = 64;

/// Up to this many messages that wait for a reader are counted.
const WAITING_COUNTED_MAX: u64 = 100_000;

impl Core {
    /// What waits for a reader, oldest first. One that is new begins with what is unread.
    pub(super) fn inbox_of_reader(
        &mut self,
        reader: &str,
        params: &InboxParams,
    ) -> Result<List<Message>, Failure> {
        let limit = checked_limit(params.limit)?;
        if params.from.is_some() || params.since.is_some() {
            let message =
                "a reader takes each message once, in order: it has no `from` and no `since`";
            return Err(answer::usage(message));
        }
        let place = match &params.next {
            Some(next) => parse_next(next)?,
            None => self.place_of(reader)?,
        };
        let rows = self.database.read().incoming_after(place, limit + 1);
        let rows = rows.map_err(|error| answer::unreadable(&error))?;
        let (items, next) = page(&rows, limit);
        Ok(List { items, next })
    }

    /// A reader is done with messages.
    pub(super) fn mark_reader(&mut self, params: &MarkReaderParams) -> Result<Empty, Failure> {
        self.place_of(&params.reader)?;
        let place = RowId(i64::try_from(params.place).unwrap_or(i64::MAX));
        let newest = self.database.read().newest_message();
        if place > newest.map_err(|error| answer::unreadable(&error))? {
            return Err(answer::usage(format!("there is no message at place {} yet", place.0)));
        }
        self.move_reader(&params.reader, place)?;
        Ok(Empty {})
    }

    pub(super) fn readers(&self) -> Result<List<ReaderState>, Failure> {
        let read = self.database.read();
        let rows = read.readers().map_err(|error| answer::unreadable(&error))?;
        let state = |row: crate::db::ReaderRow| {
            let waiting = read.count_incoming_after(row.place, WAITING_COUNTED_MAX)?;
            let (place, used_at) = (answer::place(row.place), answer::time(row.used_at));
            Ok(ReaderState { reader: row.reader, place, used_at, waiting })
        };
        // What hooks use is theirs.
        let named = rows.into_iter().filter(|row| UserName::parse(&row.reader).is_ok());
        let items = named.map(state).collect::<Result<_, _>>();
        let items = items.map_err(|error| answer::unreadable(&error))?;
        Ok(List { items, next: None })
    }

    pub(super) fn remove_reader(&mut self, reader: &str) -> Result<Empty, Failure> {
        check_name(reader)?;
        let gone = self.change(|change| change.tx.remove_reader(reader));
        match gone.map_err(|error| answer::unwritten(&error, "the reader stays"))? {
            true => Ok(Empty {}),
            false => Err(answer::unknown_reader(reader)),
        }
    }

    /// Where a reader is; one that is new is written down.
    fn place_of(&mut self, reader: &str) -> Result<RowId, Failure> {
        check_name(reader)?;
        let read = self.database.read();
        let known = read.reader(reader).map_err(|error| answer::unreadable(&error))?;
        if let Some(place) = known {
            return Ok(place);
        }
        let count = read.readers().map_err(|error| answer::unreadable(&error))?.len();
        if count >= READERS_MAX {
            return Err(answer::too_many_readers(READERS_MAX));
        }
        let unread = read.before_unread().map_err(|error| answer::unreadable(&error))?;
        self.move_reader(reader, unread)?;
        Ok(unread)
    }

    fn move_reader(&mut self, reader: &str, place: RowId) -> Result<(), Failure> {
        let moved = self.change(|change| change.tx.move_reader(reader, place, change.now.unix_ms));
        moved.map_err(|error| answer::unwritten(&error, "the reader did not move"))
    }
}

/// A reader is named as a user is; with a colon before it, as a hook is.
fn check_name(reader: &str) -> Result<(), Failure> {
    let name = reader.strip_prefix(':').unwrap_or(reader);
    UserName::parse(name).map(drop).map_err(|_| {
        answer::usage(format!("{reader:?} is no reader's name: 1 to 32 of a-z 0-9 . _ -"))
    })
}
