//! What a node knows of a mailbox: how it stands, and what a batch adds to it. No I/O.
//!
//! The newest message of a mailbox's subject says all of it, so that any node can go on where another
//! stopped: it writes behind that message, and only if it still is the newest. Whoever is late is told so
//! by the log itself.

use super::records::{Chunk, Head, Item, TextOrigin, Usage, decode_chunk, encode_chunk};
use crate::store::{Append, Appended, Origin, Quota, StoreError};
use pychat_proto::{Cursor, UserName};
use std::{collections::VecDeque, sync::Arc};

/// Places set aside at once: one message for so many entries, and at most so many places skipped by a crash.
const PLACES_RESERVED: u64 = 1024;

/// The highest place that a client can raise a mailbox to: far beyond any honest one, and far from where
/// numbers end. Logins with a higher one are refused before they get here.
const PLACE_MAX: u64 = 1 << 62;

/// Streams of which the last text in a mailbox is remembered, so that one that was written by a try that
/// seemed to fail is not written again. Beyond it the oldest is forgotten; at worst its recipient gets a text
/// twice, and knows it by its id.
const RECENT_MAX: usize = 16;

/// Messages of which it is remembered where they end, in one mailbox. Beyond it a trim makes room only as far
/// as is known, until the mailbox is read.
const KNOWN_MAX: usize = 4096;

/// A mailbox as this node knows it.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// Whether somebody has claimed the name, as far as is known: only ever wrongly no.
    pub(super) exists: bool,
    /// Whether the log may have more than is known: it is looked up before anything else.
    pub(super) unsure: bool,
    /// Who wrote the newest message; zero if there is none.
    node: u64,
    head: Head,
    /// The newest message's number.
    newest: u64,
    /// All texts that there ever were up to where the mailbox is trimmed, if that is known.
    base: Option<Usage>,
    known: VecDeque<Known>,
    /// Messages up to this number are gone from the log, or will be soon.
    purged: u64,
    recent: Vec<TextOrigin>,
    /// Up to where the log says that the mailbox is trimmed.
    told_trimmed: u64,
    staged: Option<Staged>,
}

/// Where a message of the log ends.
#[derive(Clone, Copy, Debug)]
struct Known {
    number: u64,
    last: u64,
    ever: Usage,
}

/// What a batch adds.
#[derive(Debug)]
struct Staged {
    head: Head,
    items: Vec<StagedItem>,
}

#[derive(Debug)]
struct StagedItem {
    place: u64,
    origin: Option<TextOrigin>,
    entry: Arc<[u8]>,
}

/// A message to be published.
pub(super) struct Part {
    pub(super) chunk: Vec<u8>,
    /// Whether it takes the place of all that was there, which is trimmed.
    pub(super) replaces: bool,
    /// How the mailbox stands behind it.
    head: Head,
    origins: Vec<TextOrigin>,
}

/// What became of what a batch added to a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is in the log.
    Written,
    /// It is not, and nothing else is.
    NotWritten,
    /// It may be, or something else is.
    Unsure,
}

impl Mailbox {
    /// Learns the mailbox's newest message, where there was none or another one before.
    pub(super) fn found(
        &mut self,
        user: &UserName,
        node: u64,
        number: u64,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let chunk = decode_chunk(user, body)?;
        let is_ours = chunk.node == node && self.node == node;
        self.learn(number, &chunk);
        let trimmed = self.head.trimmed.max(chunk.head.trimmed);
        self.told_trimmed = chunk.head.trimmed;
        // Whoever handed out places before may have handed out all that were set aside.
        let next = if is_ours { self.head.next } else { chunk.head.reserved + 1 };
        self.head = Head { trimmed, next: next.max(chunk.head.next), ..chunk.head };
        (self.node, self.newest, self.unsure) = (chunk.node, number, false);
        if self.head.last <= self.head.trimmed {
            self.base = Some(self.head.ever);
        }
        Ok(())
    }

    /// There is no message of this mailbox.
    pub(super) fn found_nothing(&mut self) {
        *self = Self { exists: self.exists, base: Some(Usage::default()), ..Self::default() };
        self.head.next = 1;
    }

    /// Learns a message that was read.
    pub(super) fn learn(&mut self, number: u64, chunk: &Chunk<'_>) {
        for origin in chunk.items.iter().filter_map(|item| item.origin) {
            self.remember(origin);
        }
        let known = Known { number, last: chunk.head.last, ever: chunk.head.ever };
        let place = self.known.partition_point(|it| it.number < number);
        if self.known.get(place).is_none_or(|it| it.number > number) {
            self.known.insert(place, known);
        }
        if self.known.len() > KNOWN_MAX {
            self.known.pop_front();
        }
    }

    /// Learns what there ever was before the first message that is left.
    pub(super) fn found_first(&mut self, chunk: &Chunk<'_>) {
        self.base.get_or_insert(chunk.ever_before());
    }

    /// Whether it has to be looked up what there ever was before the first message.
    pub(super) const fn needs_first(&self) -> bool {
        self.base.is_none() && self.newest > 0
    }

    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    /// Whose mailbox it is, if it was anybody's.
    pub(super) const fn node(&self) -> Option<u64> {
        if self.node == 0 { None } else { Some(self.node) }
    }

    /// Whether a batch adds to it, which makes it this node's.
    pub(super) const fn is_staged(&self) -> bool {
        self.staged.is_some()
    }

    const fn head(&self) -> &Head {
        match &self.staged {
            Some(staged) => &staged.head,
            None => &self.head,
        }
    }

    fn stage(&mut self) -> &mut Staged {
        let head = self.head;
        self.staged.get_or_insert_with(|| Staged { head, items: Vec::new() })
    }

    /// Texts in it, as the quota counts them.
    pub(super) fn used(&self) -> Usage {
        let ever = self.head().ever;
        ever.since(self.base.unwrap_or_default())
    }

    /// Whether a text was written before, or a later one of its stream.
    pub(super) fn has(&self, text: &TextOrigin) -> bool {
        self.recent.iter().any(|known| known.covers(text))
            || self.staged.as_ref().is_some_and(|staged| {
                let mut origins = staged.items.iter().rev().filter_map(|item| item.origin);
                origins.any(|known| known.covers(text))
            })
    }

    /// Adds an entry, unless it is there already or there is no room.
    pub(super) fn append(&mut self, append: &Append, quota: Quota) -> Appended {
        let origin = text_origin(&append.origin);
        let bytes = append.entry.len() as u64;
        let place = match append.place {
            Some(Cursor(place)) if place <= self.head().last => {
                // Written by a try that seemed to fail.
                let reserved = Cursor(self.head().reserved);
                return Appended::Stored { cursor: Cursor(place), reserved };
            }
            Some(Cursor(place)) => place,
            None => {
                let used = self.used();
                let fits =
                    used.entries < quota.entries && used.bytes.saturating_add(bytes) <= quota.bytes;
                if origin.is_some() && !fits {
                    return Appended::Full;
                }
                self.head().next
            }
        };
        let staged = self.stage();
        let head = &mut staged.head;
        head.last = place;
        head.next = head.next.max(place + 1);
        if place > head.reserved {
            head.reserved = place + PLACES_RESERVED;
        }
        if origin.is_some() {
            head.ever.entries += 1;
            head.ever.bytes += bytes;
        }
        let reserved = Cursor(head.reserved);
        staged.items.push(StagedItem { place, origin, entry: Arc::clone(&append.entry) });
        Appended::Stored { cursor: Cursor(place), reserved }
    }

    /// Never hands out a place at or below this one again.
    pub(super) fn raise(&mut self, above: Cursor) {
        let above = above.0.min(PLACE_MAX);
        if above < self.head().next {
            return;
        }
        let head = *self.head();
        if above > head.reserved {
            self.stage().head.reserved = above;
        }
        // What is set aside on disk is skipped by whoever opens the mailbox next.
        self.head.next = self.head.next.max(above + 1);
        if let Some(staged) = &mut self.staged {
            staged.head.next = staged.head.next.max(above + 1);
        }
    }

    /// Makes it this node's, if it is not.
    pub(super) fn take(&mut self, node: u64, above: Cursor) {
        self.raise(above);
        if self.node != node {
            self.stage();
        }
    }

    /// Sets places aside; answers up to where they are.
    pub(super) fn reserve(&mut self, up_to: Cursor) -> Cursor {
        let up_to = up_to.0.min(PLACE_MAX);
        if up_to > self.head().reserved {
            self.stage().head.reserved = up_to;
        }
        Cursor(self.head().reserved)
    }

    /// Entries up to here are gone; what was not handed out yet stays to come.
    pub(super) fn trim(&mut self, up_to: Cursor) {
        let up_to = up_to.0.min(self.head().next.saturating_sub(1));
        if up_to <= self.head().trimmed {
            return;
        }
        self.head.trimmed = up_to;
        if let Some(staged) = &mut self.staged {
            staged.head.trimmed = up_to;
        }
        if up_to >= self.head().last {
            self.base = Some(self.head().ever);
        } else if let Some(Known { ever, .. }) = self.gone() {
            let is_later = |known: &Usage| known.entries >= ever.entries;
            self.base = self.base.filter(is_later).or(Some(ever));
        }
    }

    /// Takes all entries out, so that no crash brings them back.
    pub(super) fn purge(&mut self) {
        self.trim(Cursor(PLACE_MAX));
        self.stage();
    }

    /// The last message of which all entries are trimmed.
    fn gone(&self) -> Option<Known> {
        let gone = self.known.partition_point(|it| it.last <= self.head.trimmed);
        gone.checked_sub(1).and_then(|at| self.known.get(at)).copied()
    }

    /// Up to where the log need not keep this mailbox's messages; the newest one is kept.
    pub(super) fn take_purge(&mut self) -> Option<u64> {
        let up_to = if self.head.last <= self.head.trimmed {
            self.newest.saturating_sub(1)
        } else {
            self.gone()?.number.min(self.newest.saturating_sub(1))
        };
        if up_to <= self.purged {
            return None;
        }
        self.purged = up_to;
        let gone = self.known.partition_point(|it| it.number <= up_to);
        self.known.drain(..gone);
        Some(up_to)
    }

    /// What the batch adds, as messages of at most so many bytes each (or one entry).
    pub(super) fn parts(&self, node: u64, bytes_max: usize) -> Vec<Part> {
        let Some(staged) = &self.staged else { return Vec::new() };
        let mut parts = Vec::new();
        let mut rest = &staged.items[..];
        let mut head = Head { trimmed: staged.head.trimmed, ..self.head };
        loop {
            let mut taken = 0;
            let mut bytes = 0;
            while let Some(item) = rest.get(taken)
                && (taken == 0 || bytes + item.entry.len() <= bytes_max)
            {
                bytes += item.entry.len();
                taken += 1;
            }
            let (now, later) = rest.split_at(taken);
            rest = later;
            for item in now {
                head.last = item.place;
                head.next = head.next.max(item.place + 1);
                if item.origin.is_some() {
                    head.ever.entries += 1;
                    head.ever.bytes += item.entry.len() as u64;
                }
            }
            (head.reserved, head.next) = (staged.head.reserved, head.next.max(self.head.next));
            if rest.is_empty() {
                head = staged.head;
            }
            let items = now.iter().map(|StagedItem { place, origin, entry }| Item {
                place: *place,
                origin: *origin,
                entry,
            });
            let chunk = Chunk { node, head, items: items.collect() };
            parts.push(Part {
                chunk: encode_chunk(&chunk),
                replaces: parts.is_empty() && self.head.last <= self.head.trimmed,
                head,
                origins: now.iter().filter_map(|item| item.origin).collect(),
            });
            if rest.is_empty() {
                return parts;
            }
        }
    }

    /// A part of what the batch adds is in the log.
    pub(super) fn written(&mut self, node: u64, number: u64, part: &Part) {
        let Part { chunk: _, replaces, head, origins } = part;
        if *replaces {
            self.known.clear();
            self.purged = number - 1;
        }
        let trimmed = self.head.trimmed.max(head.trimmed);
        self.head = Head { trimmed, ..*head };
        (self.node, self.newest, self.told_trimmed) = (node, number, head.trimmed);
        self.known.push_back(Known { number, last: head.last, ever: head.ever });
        if self.known.len() > KNOWN_MAX {
            self.known.pop_front();
        }
        for origin in origins {
            self.remember(*origin);
        }
    }

    /// The batch is over; what of it is not in the log has to be added anew.
    pub(super) fn settle(&mut self, end: End) {
        if end != End::Written {
            // It may count what was never written.
            self.base = None;
        }
        self.unsure |= end == End::Unsure;
        self.staged = None;
    }

    fn remember(&mut self, text: TextOrigin) {
        if let Some(known) = self.recent.iter_mut().find(|known| known.is_of_stream(&text)) {
            known.last = known.last.max(text.last);
            return;
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(text);
    }

    /// Has the log say that it is trimmed, if it does not; whether that is to be written.
    pub(super) fn tell_trimmed(&mut self) -> bool {
        let untold = !self.unsure && self.head.trimmed > self.told_trimmed && self.newest > 0;
        if untold {
            self.stage();
        }
        untold
    }

    /// From which number on a reader finds all that comes after this place, and whether there is anything.
    pub(super) fn reads_from(&self, after: Cursor) -> Option<u64> {
        let after = after.0.max(self.head.trimmed);
        if self.head.last <= after {
            return None;
        }
        let before = self.known.partition_point(|it| it.last <= after);
        // Only what is known without a gap tells; the oldest that is known may not be the first.
        Some(before.checked_sub(1).and_then(|at| self.known.get(at)).map_or(1, |it| it.number + 1))
    }

    /// Entries up to here are gone.
    pub(super) const fn trimmed(&self) -> Cursor {
        Cursor(self.head.trimmed)
    }

    /// The place of the last entry.
    pub(super) const fn last(&self) -> Cursor {
        Cursor(self.head.last)
    }
}

/// Where a text comes from; none for what the server writes.
pub(super) fn text_origin(origin: &Origin) -> Option<TextOrigin> {
    match origin {
        Origin::Server => None,
        Origin::Stream { user, stream, last, .. } => {
            Some(TextOrigin { user: *user, stream: *stream, last: *last })
        }
    }
}
