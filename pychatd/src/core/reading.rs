//! What was written down: inbox, history, unread, trace and kept events; and that it was shown.

use super::{Core, answer, change::Change};
use crate::db::{
    DatabaseError, Direction, EventRow, MessageRow, Reader, RowId, Slice, Stretch, What,
};
use pychat_control::{
    Empty, Event, EventKind, Failure, HistoryParams, InboxParams, List, Message, State, Trace,
    TraceStep, Unread, UnreadFrom,
};
use pychat_proto::{
    MessageId, UserName,
    chat::{self, IDS_PER_RECEIPT_MAX, ToServer},
};
use std::collections::BTreeMap;

/// Most items that one answer may be asked to hold.
pub(super) const LIST_ITEMS_MAX: u32 = 1000;

impl Core {
    /// Unread messages, oldest first; or those that wait for a reader.
    pub(super) fn inbox(&mut self, params: &InboxParams) -> Result<List<Message>, Failure> {
        if let Some(reader) = &params.reader {
            return self.inbox_of_reader(reader, params);
        }
        let slice = Slice {
            peer: params.from.as_deref().map(parse_user).transpose()?,
            since: params.since.as_deref().map(parse_time).transpose()?,
            from: params.next.as_deref().map(parse_next).transpose()?,
            limit: checked_limit(params.limit)? + 1,
        };
        let rows = self.database.read().unread(&slice).map_err(|e| answer::unreadable(&e))?;
        let (items, next) = page(&rows, slice.limit - 1);
        Ok(List { items, next })
    }

    /// The latest messages, oldest first.
    pub(super) fn history(&self, params: &HistoryParams) -> Result<List<Message>, Failure> {
        let place = |place: u64| RowId(i64::try_from(place).unwrap_or(i64::MAX));
        let next = params.next.as_deref().map(parse_next).transpose()?;
        let (before, after) = (params.before.map(place), params.after.map(place));
        let stretch = Stretch {
            peer: params.peer.as_deref().map(parse_user).transpose()?,
            sender: params.from.as_deref().map(parse_user).transpose()?,
            since: params.since.as_deref().map(parse_time).transpose()?,
            until: params.until.as_deref().map(parse_time).transpose()?,
            before: if after.is_some() { before } else { next.or(before) },
            after: if after.is_some() { next.or(after) } else { None },
            limit: checked_limit(params.limit)? + 1,
        };
        let rows = self.database.read().history(&stretch).map_err(|e| answer::unreadable(&e))?;
        let (mut items, next) = page(&rows, stretch.limit - 1);
        if stretch.after.is_none() {
            items.reverse();
        }
        Ok(List { items, next })
    }

    pub(super) fn unread(&self) -> Result<Unread, Failure> {
        let counts = self.database.read().unread_by_sender().map_err(|e| answer::unreadable(&e))?;
        let items: Vec<UnreadFrom> =
            counts.into_iter().map(|of| UnreadFrom { user: of.sender, count: of.count }).collect();
        Ok(Unread { total: items.iter().map(|from| from.count).sum(), items })
    }

    /// A message's life; our own one, where two have the same id.
    pub(super) fn trace(&self, id: &str) -> Result<Trace, Failure> {
        let read = self.database.read();
        let message = match (self.own_message(id)?, id.parse()) {
            (Some(own), _) => Some(own),
            (None, Ok(id)) => read.incoming(id).map_err(|e| answer::unreadable(&e))?.pop(),
            (None, Err(_)) => None,
        };
        let message = message.ok_or_else(|| answer::unknown_message(id))?;
        let events = read.events_of(message.row).map_err(|e| answer::unreadable(&e))?;
        let steps = events.into_iter().map(|event| TraceStep {
            at: answer::time(event.at),
            what: event.what.word().to_owned(),
            detail: event.detail,
        });
        Ok(Trace { message: answer::message(&message), steps: steps.collect() })
    }

    /// These messages were shown: their senders learn it. Those that were read already, or that
    /// are not known, change nothing.
    pub(super) fn mark_read(&mut self, ids: &[String]) -> Result<Empty, Failure> {
        let ids = ids
            .iter()
            .map(|id| id.parse().map_err(|error| answer::usage(format!("{error}"))))
            .collect::<Result<Vec<MessageId>, Failure>>()?;
        self.change(|change| mark_read(change, &ids))
            .map_err(|error| answer::unwritten(&error, "the messages stay unread"))?;
        Ok(Empty {})
    }

    /// Kept events after a cursor, in order, at most `limit`; fewer only at the end. Zero stands for
    /// all that are kept.
    ///
    /// # Errors
    /// The database cannot be read, or events right after `cursor` are no longer kept.
    pub fn events_after(&self, cursor: u64, limit: usize) -> Result<Vec<Event>, Failure> {
        let read = self.database.read();
        let first = read.first_event().map_err(|e| answer::unreadable(&e))?;
        if cursor != 0 && cursor.saturating_add(1) < first {
            return Err(answer::events_gone(first));
        }
        kept_events(read, cursor, limit).map_err(|e| answer::unreadable(&e))
    }
}

fn mark_read(change: &mut Change<'_>, ids: &[MessageId]) -> Result<(), DatabaseError> {
    let user = change.stored.settings.account.as_ref().map(|account| account.user);
    let mut shown: BTreeMap<UserName, Vec<MessageId>> = BTreeMap::new();
    for id in ids {
        for message in change.tx.incoming(*id)? {
            if message.state != State::Unread {
                continue;
            }
            change.tx.set_state(message.row, State::Read)?;
            let at = change.now.unix_ms;
            let cursor = change.tx.add_event(at, message.row, What::Read, None)?;
            let what = EventKind::Shown { from: message.sender.to_string(), id: id.to_string() };
            change.told.events.push(Event { cursor: Some(cursor), at: answer::time(at), what });
            // What an earlier user of this profile got, is no longer ours to confirm.
            if user.as_ref() == Some(&message.recipient) {
                shown.entry(message.sender).or_default().push(*id);
            }
        }
    }
    for (sender, ids) in shown {
        for ids in ids.chunks(IDS_PER_RECEIPT_MAX) {
            let receipt = ToServer::Read { to: sender, ids: ids.to_vec() };
            // Nobody takes a receipt back, so it counts as tried from the start.
            change.enqueue(None, chat::encode(&receipt), true, None)?;
        }
    }
    Ok(())
}

fn kept_events(
    read: Reader<'_>,
    mut cursor: u64,
    limit: usize,
) -> Result<Vec<Event>, DatabaseError> {
    let mut events = Vec::new();
    while events.len() < limit {
        let rows = read.events_after(cursor, limit)?;
        let Some(last) = rows.last() else { break };
        cursor = last.cursor;
        for row in rows {
            if events.len() < limit
                && let Some(what) = event_kind(read, &row)?
            {
                let at = answer::time(row.at);
                events.push(Event { cursor: Some(row.cursor), at, what });
            }
        }
    }
    Ok(events)
}

/// What subscribers are told of a kept event; some are for `trace` only.
fn event_kind(read: Reader<'_>, row: &EventRow) -> Result<Option<EventKind>, DatabaseError> {
    let Some(message) = read.message(row.message)? else { return Ok(None) };
    Ok(match (message.direction, row.what.state()) {
        (Direction::In, None) => Some(EventKind::Message { message: answer::message(&message) }),
        (Direction::Out, Some(state)) => {
            Some(EventKind::State { id: message.id.to_string(), state, reason: row.detail.clone() })
        }
        (Direction::In, Some(_)) => {
            Some(EventKind::Shown { from: message.sender.to_string(), id: message.id.to_string() })
        }
        (Direction::Out, None) => None,
    })
}

/// As many of the rows as were asked for and fit into one line, and where to go on.
pub(super) fn page(rows: &[MessageRow], limit: usize) -> (Vec<Message>, Option<String>) {
    let mut items = Vec::new();
    let mut bytes = 0;
    for row in rows.iter().take(limit) {
        let item = answer::message(row);
        bytes += answer::bytes_in_list(&item);
        if bytes > answer::LIST_BYTES_MAX {
            break;
        }
        items.push(item);
    }
    let next = match items.len() {
        0 => None,
        taken if taken < rows.len() => Some(rows[taken - 1].row.0.to_string()),
        _ => None,
    };
    (items, next)
}

pub(super) fn checked_limit(limit: u32) -> Result<usize, Failure> {
    if (1..=LIST_ITEMS_MAX).contains(&limit) {
        return Ok(limit as usize);
    }
    Err(answer::usage(format!("the limit is a number from 1 to {LIST_ITEMS_MAX}, not {limit}")))
}

pub(super) fn parse_user(text: &str) -> Result<UserName, Failure> {
    UserName::parse(text).map_err(|error| answer::usage(error.to_string()))
}

pub(super) fn parse_time(text: &str) -> Result<u64, Failure> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| answer::usage(format!("{text:?} is not a time like 2026-01-31T12:00:00Z")))?;
    Ok(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

pub(super) fn parse_next(text: &str) -> Result<RowId, Failure> {
    text.parse()
        .map(RowId)
        .map_err(|_| answer::usage(format!("{text:?} is not what an answer before gave as `next`")))
}
