//! Old entries, moved out of arrival order into a table keyed by mailbox, so that the index in
//! memory holds only what is recent.

use super::{
    memory::{Head, Memory, Usage, UserId},
    write,
};
use crate::store::Entry;
use pychat_proto::Cursor;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Fewest entries moved at once: the more, the more of them share a page of the archive.
pub(super) const ENTRIES_PER_MOVE: usize = 8192;

/// Bytes moved at once, about. A batch brings less, so that the index shrinks nevertheless.
const BYTES_PER_MOVE: u64 = 8 * 1024 * 1024;

/// What a move comes to in memory, once its transaction is through.
#[derive(Debug, Default)]
pub(super) struct Move {
    /// The last row of `entries` that went.
    up_to: u64,
    /// How many slots of each mailbox went, and its numbers afterwards.
    mailboxes: BTreeMap<UserId, (usize, Head)>,
}

/// What the entries with cursors in `after+1 ..= up_to` of a mailbox take of its quota.
pub(super) fn usage(
    connection: &Connection,
    mailbox: UserId,
    after: u64,
    up_to: u64,
) -> rusqlite::Result<Usage> {
    connection
        .prepare_cached(
            "SELECT coalesce(sum(counted), 0), coalesce(sum(counted * length(entry)), 0)
             FROM archive WHERE mailbox = ?1 AND cursor > ?2 AND cursor <= ?3",
        )?
        .query_one(params![mailbox.0, after.cast_signed(), up_to.cast_signed()], |row| {
            let number = |index| row.get(index).map(i64::cast_unsigned);
            Ok(Usage { entries: number(0)?, bytes: number(1)? })
        })
}

/// Passes a mailbox's archived entries after `after` to `take`, ascending, until it declines one.
/// Answers whether it took all.
pub(super) fn read(
    connection: &Connection,
    mailbox: UserId,
    after: u64,
    mut take: impl FnMut(Entry) -> bool,
) -> rusqlite::Result<bool> {
    let mut select = connection.prepare_cached(
        "SELECT cursor, entry FROM archive WHERE mailbox = ?1 AND cursor > ?2 ORDER BY cursor",
    )?;
    let mut rows = select.query(params![mailbox.0, after.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let cursor = Cursor(row.get::<_, i64>(0)?.cast_unsigned());
        if !take(Entry { cursor, entry: row.get_ref(1)?.as_blob()?.into() }) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what was trimmed from a mailbox's archive.
pub(super) fn delete_trimmed(
    connection: &Connection,
    memory: &Memory,
    mailbox: UserId,
) -> rusqlite::Result<()> {
    let user = memory.user(mailbox);
    connection
        .prepare_cached("DELETE FROM archive WHERE mailbox = ?1 AND cursor <= ?2")?
        .execute(params![mailbox.0, user.head.trimmed.cast_signed()])?;
    write::user(connection, mailbox, user, &user.head)
}

/// Moves the oldest rows of `entries`, about `count` of them. Positions that only these rows tell
/// are in `streams` by now.
pub(super) fn move_oldest(
    connection: &Connection,
    memory: &Memory,
    count: usize,
) -> rusqlite::Result<Move> {
    let (moved, trimmed) = plan(connection, memory, count)?;
    write::delete_entries(connection, &trimmed)?;
    let up_to = [moved.up_to.cast_signed()];
    connection
        .prepare_cached(
            "INSERT INTO archive SELECT mailbox, cursor, stream IS NOT NULL, entry
             FROM entries WHERE seq <= ?1 ORDER BY mailbox, cursor",
        )?
        .execute(up_to)?;
    connection.prepare_cached("DELETE FROM entries WHERE seq <= ?1")?.execute(up_to)?;
    for (id, (_, head)) in &moved.mailboxes {
        write::user(connection, *id, memory.user(*id), head)?;
    }
    Ok(moved)
}

/// Which rows go, and which of them were trimmed and need not be kept at all.
fn plan(
    connection: &Connection,
    memory: &Memory,
    count: usize,
) -> rusqlite::Result<(Move, Vec<u64>)> {
    let mut select = connection
        .prepare_cached("SELECT seq, mailbox, cursor, length(entry) FROM entries ORDER BY seq")?;
    let mut rows = select.query([])?;
    let (mut moved, mut trimmed) = (Move::default(), Vec::new());
    let (mut entries, mut bytes) = (0, 0);
    while entries < count && bytes < BYTES_PER_MOVE {
        let Some(row) = rows.next()? else { break };
        let number = |index| row.get(index).map(i64::cast_unsigned);
        moved.up_to = number(0)?;
        let id = UserId(row.get(1)?);
        let cursor = number(2)?;
        // Rows and slots of a mailbox have the same order; a row without a slot was trimmed.
        let passed = moved.mailboxes.get(&id).map_or(0, |(slots, _)| *slots);
        let user = memory.users.get(&id);
        let slot = user.and_then(|user| Some((user.head, user.slots.get(passed)?)));
        let Some((head, slot)) = slot.filter(|(_, slot)| slot.row == moved.up_to) else {
            trimmed.push(moved.up_to);
            continue;
        };
        let (slots, head) = moved.mailboxes.entry(id).or_insert((0, head));
        *slots += 1;
        head.archived = cursor;
        head.in_slots.remove(slot.usage());
        head.in_archive.add(slot.usage());
        entries += 1;
        bytes += number(3)?;
    }
    Ok((moved, trimmed))
}

impl Move {
    /// Makes memory say what the disk says now; `late` are rows that were still to be removed.
    pub(super) fn settle(self, memory: &mut Memory, late: &mut Vec<u64>) {
        for (id, (slots, head)) in self.mailboxes {
            let user = memory.user_mut(id);
            user.slots.drain(..slots);
            user.head = head;
            user.shrink();
            memory.recent -= slots;
            memory.offer(id);
        }
        late.retain(|row| *row > self.up_to);
    }
}
