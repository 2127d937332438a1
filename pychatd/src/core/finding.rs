//! What is looked for in what was written down: conversations, words, names.

use super::{
    Core, answer,
    reading::{checked_limit, page, parse_next, parse_time, parse_user},
};
use crate::{
    db::{DatabaseError, MessageRow, Reader, RowId, Stretch, Wanted},
    words::Query,
};
use pychat_control::{
    Conversation, ConversationsParams, Failure, Found, Hit, KnownName, List, Message, NamesParams,
    PREVIEW_CHARS, SearchParams,
};
use pychat_proto::Instant;
use std::{collections::BTreeMap, time::Duration};

/// How long new messages wait to come into the index: those that come meanwhile come along.
const INDEX_AFTER: Duration = Duration::from_secs(2);

/// Pause between two rounds of a long list, in which others are served.
const INDEX_PAUSE: Duration = Duration::from_millis(20);

/// Messages that come into the index in one transaction.
const INDEX_AT_ONCE: usize = 500;

/// Rounds that a search makes before it looks, so that it finds what was just written.
const INDEX_ROUNDS: usize = 4;

/// Messages around a hit, on each side.
const CONTEXT_MAX: u32 = 20;

/// Places in one text that are pointed out.
const MATCHES_MAX: usize = 100;

impl Core {
    /// With whom we wrote, the latest first.
    pub(super) fn conversations(
        &self,
        params: &ConversationsParams,
    ) -> Result<List<Conversation>, Failure> {
        let limit = checked_limit(params.limit)?;
        let before = params.next.as_deref().map(parse_next).transpose()?;
        let read = self.database.read();
        let looked = || {
            let unread = read.unread_by_sender()?;
            Ok((read.conversations(before, limit + 1)?, unread))
        };
        let (rows, unread) = looked().map_err(|e: DatabaseError| answer::unreadable(&e))?;
        let unread: BTreeMap<&str, _> = unread.iter().map(|of| (of.sender.as_str(), of)).collect();
        let (mut items, mut bytes) = (Vec::new(), 0);
        for row in rows.iter().take(limit) {
            let unread = unread.get(row.peer.as_str());
            let item = Conversation {
                peer: row.peer.to_string(),
                name: row.name.clone().or_else(|| self.roster.name_of(&row.peer)),
                unread: unread.map_or(0, |of| of.count),
                first_unread: unread.map(|of| answer::place(of.first)),
                last: preview(&row.last),
            };
            bytes += answer::bytes_in_list(&item);
            if bytes > answer::LIST_BYTES_MAX {
                break;
            }
            items.push(item);
        }
        let more = items.len() < rows.len();
        let last = items.len().checked_sub(1).filter(|_| more);
        let next = last.map(|last| rows[last].last.row.0.to_string());
        Ok(List { items, next })
    }

    /// Messages with these words, the newest first.
    pub(super) fn search(&mut self, params: &SearchParams) -> Result<Found, Failure> {
        let query =
            Query::parse(&params.words).map_err(|error| answer::usage(error.to_string()))?;
        if params.context > CONTEXT_MAX {
            let context = params.context;
            return Err(answer::usage(format!(
                "up to {CONTEXT_MAX} messages are shown around a hit, not {context}"
            )));
        }
        let wanted = Wanted {
            peer: params.peer.as_deref().map(parse_user).transpose()?,
            sender: params.from.as_deref().map(parse_user).transpose()?,
            since: params.since.as_deref().map(parse_time).transpose()?,
            until: params.until.as_deref().map(parse_time).transpose()?,
            before: params.next.as_deref().map(parse_next).transpose()?,
            limit: checked_limit(params.limit)? + 1,
            query,
        };
        for _ in 0..INDEX_ROUNDS {
            if self.index_round() < INDEX_AT_ONCE {
                break;
            }
        }
        let found = match self.find(&wanted, params.context) {
            Err(DatabaseError::Damaged(damage)) => {
                tracing::warn!(damage, "the index of words is damaged; it is made anew");
                self.begin_index_anew();
                self.find(&wanted, params.context)
            }
            found => found,
        };
        found.map_err(|error| answer::unreadable(&error))
    }

    fn find(&self, wanted: &Wanted, context: u32) -> Result<Found, DatabaseError> {
        let read = self.database.read();
        let rows = read.search(wanted)?;
        let (items, mut next) = page(&rows, wanted.limit - 1);
        let (mut hits, mut bytes) = (Vec::new(), 0);
        for (message, row) in items.into_iter().zip(&rows) {
            let matches = wanted.query.matches(&message.body, MATCHES_MAX);
            let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let matches = matches.into_iter().map(|at| (short(at.start), short(at.end))).collect();
            let (before, after) = around(read, row, context as usize)?;
            let hit = Hit { message, matches, before, after };
            bytes += answer::bytes_in_list(&hit);
            if bytes > answer::LIST_BYTES_MAX && !hits.is_empty() {
                next = Some(rows[hits.len() - 1].row.0.to_string());
                break;
            }
            hits.push(hit);
        }
        Ok(Found { items: hits, next, unindexed: read.unindexed()? })
    }

    /// Texts were stored: they come into the index soon.
    pub(super) fn index_soon(&mut self) {
        self.next_index.get_or_insert(self.now.mono + INDEX_AFTER);
    }

    pub(super) fn run_index(&mut self) {
        if self.next_index.is_none_or(|at| at > self.now.mono) || !self.disk.is_ready() {
            return;
        }
        self.next_index = match self.index_round() {
            INDEX_AT_ONCE.. => Some(self.now.mono + INDEX_PAUSE),
            _ => None,
        };
    }

    /// Takes the next messages into the index, and says how many these were.
    fn index_round(&mut self) -> usize {
        let missing = self.database.read().unindexed();
        if matches!(missing, Ok(0)) {
            return 0;
        }
        match self.change(|change| change.tx.index_messages(INDEX_AT_ONCE)) {
            Ok(count) => count,
            Err(DatabaseError::Damaged(damage)) => {
                tracing::warn!(damage, "the index of words is damaged; it is made anew");
                self.begin_index_anew();
                0
            }
            // Shown in `status`; it goes on with the disk's next try.
            Err(DatabaseError::Full(_) | DatabaseError::Failed(_)) => {
                self.index_soon();
                0
            }
        }
    }

    fn begin_index_anew(&mut self) {
        if self.change(|change| change.tx.begin_index_anew()).is_ok() {
            self.index_soon();
        }
    }

    /// Names that are known here, for completion.
    pub(super) fn names(&self, params: &NamesParams) -> Result<List<KnownName>, Failure> {
        let limit = checked_limit(params.limit)?;
        let prefix = params.prefix.as_str();
        let mut names: BTreeMap<String, KnownName> = BTreeMap::new();
        let mut add = |user: String| {
            if names.len() < limit || names.contains_key(&user) {
                let name = self.roster.known(&user);
                names.entry(user).or_insert(name);
            }
        };
        let peers =
            self.database.read().peers(prefix, limit).map_err(|e| answer::unreadable(&e))?;
        peers.into_iter().for_each(&mut add);
        let contacts = self.contacts()?.items.into_iter().map(|contact| contact.user);
        contacts.filter(|user| user.starts_with(prefix)).for_each(&mut add);
        self.roster.begin_with(prefix).take(limit).for_each(&mut add);
        let us = self.stored.settings.account.as_ref().map(|account| account.user.to_string());
        let others = names.into_values().filter(|known| us.as_ref() != Some(&known.user));
        Ok(List { items: others.collect(), next: None })
    }

    pub(super) fn index_deadline(&self) -> Option<Instant> {
        self.next_index.filter(|_| self.disk.is_ready())
    }
}

/// What stands around a message in its conversation.
fn around(
    read: Reader<'_>,
    row: &MessageRow,
    context: usize,
) -> Result<(Vec<Message>, Vec<Message>), DatabaseError> {
    if context == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let peer = if row.direction == crate::db::Direction::In { row.sender } else { row.recipient };
    let stretch = |before: Option<RowId>, after: Option<RowId>| Stretch {
        peer: Some(peer),
        before,
        after,
        limit: context,
        ..Stretch::default()
    };
    let messages = |rows: Vec<MessageRow>| rows.iter().map(answer::message).collect::<Vec<_>>();
    let mut before = messages(read.history(&stretch(Some(row.row), None))?);
    before.reverse();
    Ok((before, messages(read.history(&stretch(None, Some(row.row)))?)))
}

/// A message whose text is cut.
fn preview(row: &MessageRow) -> Message {
    let mut message = answer::message(row);
    if let Some((at, _)) = message.body.char_indices().nth(PREVIEW_CHARS) {
        message.body.truncate(at);
    }
    message
}
