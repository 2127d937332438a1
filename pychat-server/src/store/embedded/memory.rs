//! What the engine keeps in memory: where each recent entry lies, how far each stream came, and the
//! users whom that takes. Others are read from the file when they are asked for (`load`), and the
//! ones about whom the file says everything are forgotten again, beyond a bound.
//!
//! A batch changes memory as it goes, so that its later commands see the earlier ones, and notes how
//! to undo each change. When the transaction fails, [`Memory::undo`] takes all of it back.

use super::{Account, load, undo::Undo};
use crate::store::rules::{self, Rules};
use pychat_proto::{Cursor, DisplayName, PublicKey, Seq, StreamId, UserName, chat::UnixMillis};
use rusqlite::Connection;
use std::collections::{HashMap, VecDeque};

/// Cursors reserved at once: one write of a mailbox's row for so many appends, and at most so many
/// cursors skipped by a restart.
pub(super) const CURSORS_RESERVED: u64 = 1024;

/// The highest cursor that a client can raise a mailbox to; far beyond any honest one, and far from
/// where SQLite's integers end. Logins with a higher one are refused before they get here.
pub(super) const CURSOR_MAX: u64 = 1 << 62;

/// Streams remembered per user: one per device and per wiped database; beyond it the one that was
/// not used for the longest time is forgotten.
pub(super) const STREAMS_PER_USER_MAX: usize = 8;

/// Users kept about whom the file says everything, some 500 bytes each: what the logins and the texts
/// of a moment touch more than once.
pub(super) const CLEAN_USERS_MAX: usize = 512;

/// A user by number: the row in `users`.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct UserId(pub(super) u32);

/// All of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Of the users who are loaded.
    pub(super) names: HashMap<UserName, UserId>,
    /// Those who are loaded: all who are busy, and some others.
    pub(super) users: HashMap<UserId, Box<User>>,
    /// Who goes next, once nothing speaks against it. Whoever is loaded and not in it is busy.
    pub(super) leaving: VecDeque<UserId>,
    /// Of users who are not loaded: how many reserved cursors were not handed out. Shards hold places
    /// among them. Some 16 bytes for each user who was loaded since the start.
    pub(super) unused: HashMap<UserId, u32>,
    /// The next row of `users`.
    pub(super) next_user: u32,
    /// The next row of `entries`.
    pub(super) next_row: u64,
    /// The next row of `streams`.
    pub(super) next_stream: u64,
    /// Slots in all mailboxes.
    pub(super) recent: usize,
    /// Rows of `entries` that the file should not hold any more; told once, after loading.
    pub(super) stale_rows: Vec<u64>,
    /// Names that are claimed.
    pub(super) accounts: u64,
    /// What the operator decided.
    pub(super) rules: Rules,
    /// Streams whose position only rows of `entries` tell; may name some that are clean by now.
    pub(super) dirty: Vec<(UserId, u64)>,
    pub(super) journal: Vec<Undo>,
}

/// A name that occurred: a mailbox if it was claimed, a sender, or both.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: UserName,
    pub(super) account: Option<Owner>,
    pub(super) head: Head,
    /// Entries that are not archived, ascending by cursor and by row.
    pub(super) slots: VecDeque<Slot>,
    pub(super) streams: Vec<Stream>,
    /// Whether the archive holds what was trimmed.
    pub(super) trims_late: bool,
    /// Whether it waits in [`Memory::leaving`].
    pub(super) leaves: bool,
}

/// Whose a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) key: PublicKey,
    pub(super) name: DisplayName,
    pub(super) since: UnixMillis,
    /// Whether the operator set the name.
    pub(super) name_is_set: bool,
}

/// A mailbox's numbers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The next entry's cursor.
    pub(super) next: u64,
    /// No restart hands out a cursor at or below it.
    pub(super) reserved: u64,
    /// Entries up to here are gone, whatever is still on disk.
    pub(super) trimmed: u64,
    /// As far as the disk says so too: the operator emptied the mailbox.
    pub(super) purged: u64,
    /// The highest cursor in the archive.
    pub(super) archived: u64,
    /// Entries in slots that count against the quota.
    pub(super) in_slots: Usage,
    /// Entries in the archive that count against the quota.
    pub(super) in_archive: Usage,
}

/// How much of a quota is used.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// Where an entry lies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) cursor: u64,
    pub(super) row: u64,
    pub(super) bytes: u32,
    pub(super) counted: bool,
}

/// How far an outbox came.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) row: u64,
    pub(super) position: Seq,
    /// The row of `entries` that was next when it last moved.
    pub(super) used: u64,
    /// Whether the position in `streams` is behind.
    pub(super) dirty: bool,
}

/// What moving a stream changed besides its position.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// The stream's row.
    pub(super) row: u64,
    /// Whether it is new.
    pub(super) new: bool,
    /// The row of the one that was forgotten for it.
    pub(super) evicted: Option<u64>,
}

impl Head {
    pub(super) const fn starting_after(reserved: u64) -> Self {
        Self {
            next: reserved + 1,
            reserved,
            trimmed: 0,
            purged: 0,
            archived: 0,
            in_slots: Usage { entries: 0, bytes: 0 },
            in_archive: Usage { entries: 0, bytes: 0 },
        }
    }

    /// Whether the archive holds entries after `cursor` that are not trimmed.
    pub(super) fn archives_after(&self, cursor: u64) -> bool {
        self.archived > cursor.max(self.trimmed)
    }
}

impl Usage {
    pub(super) const fn add(&mut self, other: Self) {
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    pub(super) const fn remove(&mut self, other: Self) {
        self.entries = self.entries.saturating_sub(other.entries);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

impl Slot {
    /// What it takes of the quota.
    pub(super) fn usage(&self) -> Usage {
        if self.counted {
            Usage { entries: 1, bytes: u64::from(self.bytes) }
        } else {
            Usage::default()
        }
    }
}

#[cfg(feature = "sabotage")]
impl Memory {
    /// See [`User::reuse_cursors`].
    pub(super) fn reuse_cursors(&mut self) {
        self.users.values_mut().for_each(|user| user.reuse_cursors());
    }
}

#[cfg(feature = "sabotage")]
impl User {
    /// Goes on right after the last entry that is there, if this thread breaks that promise.
    pub(super) fn reuse_cursors(&mut self) {
        use pychat_proto::sabotage::{Sabotage, is_broken};
        if is_broken(Sabotage::ReuseCursors) {
            let last = self.slots.back().map_or(self.head.archived, |slot| slot.cursor);
            self.head.next = last + 1;
        }
    }
}

impl Memory {
    pub(super) fn user(&self, id: UserId) -> &User {
        &self.users[&id]
    }

    pub(super) fn user_mut(&mut self, id: UserId) -> &mut User {
        loaded(&mut self.users, id)
    }

    /// The user of that name, loaded if need be.
    pub(super) fn named(
        &mut self,
        connection: &Connection,
        name: &UserName,
    ) -> rusqlite::Result<Option<UserId>> {
        if let Some(id) = self.names.get(name) {
            return Ok(Some(*id));
        }
        // What is not loaded was changed by no command of the batch under way: the file knows it.
        let Some((id, user)) = load::named(connection, name)? else { return Ok(None) };
        self.insert(id, user);
        Ok(Some(id))
    }

    /// The user of that name, made if need be; and whether it was.
    pub(super) fn named_or_new(
        &mut self,
        connection: &Connection,
        name: &UserName,
    ) -> rusqlite::Result<(UserId, bool)> {
        if let Some(id) = self.named(connection, name)? {
            return Ok((id, false));
        }
        let id = UserId(self.next_user);
        self.next_user = id.0.checked_add(1).expect("four billion users do not fit in the file");
        self.names.insert(*name, id);
        self.users.insert(id, Box::new(User::new(*name, Head::starting_after(0))));
        self.journal.push(Undo::UserNew { user: id });
        Ok((id, true))
    }

    /// Takes in a user as the file has it.
    pub(super) fn insert(&mut self, id: UserId, mut user: User) {
        if let Some(unused) = self.unused.remove(&id) {
            user.head.next = (user.head.reserved + 1).saturating_sub(u64::from(unused));
        }
        self.names.insert(user.name, id);
        self.users.insert(id, Box::new(user));
        self.offer(id);
    }

    /// Lets a user go in its turn. Whatever may have made one clean calls it.
    pub(super) fn offer(&mut self, id: UserId) {
        let Some(user) = self.users.get_mut(&id) else { return };
        if !user.leaves && !user.is_busy() {
            user.leaves = true;
            self.leaving.push_back(id);
        }
    }

    /// Forgets clean users beyond `clean_max`, those first who were clean first. Only between batches,
    /// as the one under way holds their numbers.
    pub(super) fn evict(&mut self, clean_max: usize) {
        debug_assert!(self.journal.is_empty(), "a batch is under way");
        while self.leaving.len() > clean_max {
            let Some(id) = self.leaving.pop_front() else { break };
            let Some(user) = self.users.get_mut(&id) else { continue };
            user.leaves = false;
            let unused = u32::try_from((user.head.reserved + 1).saturating_sub(user.head.next));
            let (false, Ok(unused)) = (user.is_busy(), unused) else { continue };
            if unused > 0 {
                self.unused.insert(id, unused);
            }
            self.names.remove(&user.name);
            self.users.remove(&id);
        }
        let room = 4 * (self.users.len() + clean_max.min(CLEAN_USERS_MAX));
        if self.users.capacity() > room {
            self.users.shrink_to(room / 2);
            self.names.shrink_to(room / 2);
        }
    }

    /// Adds an entry, at its place if it has one already; and whether cursors had to be reserved for it.
    pub(super) fn put(
        &mut self,
        mailbox: UserId,
        place: Option<Cursor>,
        bytes: u32,
        counted: bool,
    ) -> (Slot, bool) {
        let row = self.next_row;
        self.next_row += 1;
        self.recent += 1;
        let user = loaded(&mut self.users, mailbox);
        self.journal.push(Undo::Put { user: mailbox, head: user.head });
        // Places come in order; one that does not would hide entries, so it is not taken.
        let cursor = place.map_or(0, |place| place.0.min(CURSOR_MAX)).max(user.head.next);
        let slot = Slot { cursor, row, bytes, counted };
        user.head.next = cursor + 1;
        user.head.in_slots.add(slot.usage());
        user.slots.push_back(slot);
        let reserve = slot.cursor > user.head.reserved;
        if reserve {
            user.head.reserved = slot.cursor + CURSORS_RESERVED - 1;
        }
        (slot, reserve)
    }

    /// Moves a stream forward. With `told_by_row` the entry's row carries the position to disk;
    /// without, the caller writes it.
    pub(super) fn move_stream(
        &mut self,
        user: UserId,
        stream: StreamId,
        to: Seq,
        told_by_row: bool,
    ) -> Moved {
        let used = self.next_row;
        let streams = &mut loaded(&mut self.users, user).streams;
        if let Some(index) = streams.iter().position(|known| known.id == stream) {
            let known = &mut streams[index];
            self.journal.push(Undo::Stream { user, index, before: *known });
            known.position = to;
            known.used = used;
            if told_by_row && !known.dirty {
                known.dirty = true;
                self.dirty.push((user, known.row));
            }
            return Moved { row: known.row, new: false, evicted: None };
        }
        let mut evicted = None;
        if streams.len() >= STREAMS_PER_USER_MAX {
            let oldest =
                (0..streams.len()).min_by_key(|&index| (streams[index].used, streams[index].row));
            if let Some(index) = oldest {
                let stream = streams.remove(index);
                evicted = Some(stream.row);
                self.journal.push(Undo::StreamEvicted { user, index, stream });
            }
        }
        let row = self.next_stream;
        self.next_stream += 1;
        streams.push(Stream { id: stream, row, position: to, used, dirty: false });
        self.journal.push(Undo::StreamNew { user });
        Moved { row, new: true, evicted }
    }

    /// Takes entries up to `up_to` out. `archived` is what they took of the quota in the archive.
    pub(super) fn trim(&mut self, mailbox: UserId, up_to: u64, archived: Usage) {
        let user = loaded(&mut self.users, mailbox);
        self.journal.push(Undo::Head { user: mailbox, head: user.head });
        user.head.trimmed = up_to;
        user.head.in_archive.remove(archived);
        while let Some(slot) = user.slots.front().copied().filter(|slot| slot.cursor <= up_to) {
            user.slots.pop_front();
            user.head.in_slots.remove(slot.usage());
            self.journal.push(Undo::Trimmed { user: mailbox, slot });
            self.recent -= 1;
        }
        user.shrink();
    }

    /// Takes all entries out of a mailbox, for good.
    pub(super) fn purge(&mut self, mailbox: UserId) {
        let head = self.user(mailbox).head;
        self.trim(mailbox, head.next - 1, head.in_archive);
        self.user_mut(mailbox).head.purged = head.next - 1;
    }

    /// Starts cursors after `above`; and whether the disk has to know.
    pub(super) fn raise(&mut self, mailbox: UserId, above: Cursor) -> bool {
        let above = above.0.min(CURSOR_MAX);
        let user = loaded(&mut self.users, mailbox);
        if above < user.head.next {
            return false;
        }
        self.journal.push(Undo::Head { user: mailbox, head: user.head });
        user.head.next = above + 1;
        let is_news = above > user.head.reserved;
        user.head.reserved = user.head.reserved.max(above);
        is_news
    }

    /// Sets cursors aside up to `up_to`, and whether the disk has to know.
    pub(super) fn reserve(&mut self, mailbox: UserId, up_to: Cursor) -> bool {
        let up_to = up_to.0.min(CURSOR_MAX);
        let user = loaded(&mut self.users, mailbox);
        if up_to <= user.head.reserved {
            return false;
        }
        self.journal.push(Undo::Head { user: mailbox, head: user.head });
        user.head.reserved = up_to;
        true
    }

    /// Sets whose the name is, if anybody's.
    pub(super) fn own(&mut self, id: UserId, owner: Option<Owner>) {
        let before = self.set_owner(id, owner);
        self.journal.push(Undo::Owner { user: id, before });
    }

    /// Notes how to take a change of the operator's rules back.
    pub(super) fn note_rule(&mut self, change: rules::Change) {
        self.journal.push(Undo::Rule(change));
    }

    /// Sets it without a note of how to take it back; answers whose it was.
    pub(super) fn set_owner(&mut self, id: UserId, owner: Option<Owner>) -> Option<Owner> {
        self.accounts += u64::from(owner.is_some());
        let before = std::mem::replace(&mut self.user_mut(id).account, owner);
        self.accounts -= u64::from(before.is_some());
        before
    }
}

/// A user whom the batch under way, the journal or something late names: such a one is not forgotten.
fn loaded(users: &mut HashMap<UserId, Box<User>>, id: UserId) -> &mut User {
    users.get_mut(&id).expect("who is named by what is under way stays loaded")
}

impl User {
    pub(super) const fn new(name: UserName, head: Head) -> Self {
        Self {
            name,
            account: None,
            head,
            slots: VecDeque::new(),
            streams: Vec::new(),
            trims_late: false,
            leaves: false,
        }
    }

    /// Whether memory says something that the rows of `users` and `streams` do not.
    pub(super) fn is_busy(&self) -> bool {
        !self.slots.is_empty() || self.trims_late || self.streams.iter().any(|stream| stream.dirty)
    }

    /// How far a stream came; zero for an unknown one.
    pub(super) fn position(&self, stream: StreamId) -> Seq {
        let known = self.streams.iter().find(|known| known.id == stream);
        known.map_or(Seq::NONE, |known| known.position)
    }

    /// The account, if the name was claimed.
    pub(super) fn account(&self) -> Option<Account> {
        let owner = self.account.as_ref()?;
        let Owner { key, name, since, name_is_set } = owner.clone();
        Some(Account { user: self.name, key, name, since, name_is_set })
    }

    /// Gives memory back once a backlog is gone.
    pub(super) fn shrink(&mut self) {
        if self.slots.capacity() > 16 && self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }
}
