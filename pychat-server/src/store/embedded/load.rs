//! Rebuilds memory from the file: recent entries at the start, and users when they are asked for.

use super::{
    Account, OpenError,
    memory::{Head, Memory, Owner, Slot, Stream, Usage, User, UserId},
    rules, schema,
};
use crate::store::MailboxSize;
use pychat_proto::{DisplayName, PublicKey, Seq, StreamId, UserName};
use rusqlite::{Connection, Error, OptionalExtension, Result, Row, types::Type};

/// Reads where each recent entry lies, and the users whom that concerns. Rows of `users` and
/// `streams` are checked when their user is loaded, which for most is later.
pub(super) fn load(connection: &Connection, clean_max: usize) -> Result<Memory, OpenError> {
    let mut memory = Memory { next_row: 1, next_stream: 1, ..Memory::default() };
    let done = numbers(connection, &mut memory).and_then(|()| entries(connection, &mut memory));
    done.map_err(refused)?;
    memory.rules = rules::load(connection).map_err(refused)?;
    #[cfg(feature = "sabotage")]
    memory.reuse_cursors();
    memory.evict(clean_max);
    Ok(memory)
}

/// The user of that name, if there is one.
pub(super) fn named(connection: &Connection, name: &UserName) -> Result<Option<(UserId, User)>> {
    let row = connection
        .prepare_cached(
            "SELECT id, name, reserved, archived, archived_entries, archived_bytes, key, display, since, display_set, purged
             FROM users WHERE name = ?1",
        )?
        .query_row([name.as_str()], user)
        .optional()?;
    row.map(|(id, user)| with_streams(connection, id, user)).transpose()
}

/// Names after a name, in their order, claimed or not.
pub(super) fn names(
    connection: &Connection,
    after: Option<&UserName>,
    limit: usize,
) -> Result<Vec<UserName>> {
    let mut select = connection
        .prepare_cached("SELECT id, name FROM users WHERE name > ?1 ORDER BY name LIMIT ?2")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let names = select.query_map((after.map_or("", UserName::as_str), limit), |row| {
        let name = row.get_ref(1)?.as_str().ok().and_then(|name| UserName::parse(name).ok());
        name.ok_or_else(|| {
            damaged("users", row.get::<_, i64>(0).unwrap_or_default().cast_unsigned())
        })
    })?;
    names.collect()
}

/// Accounts after a name, in the order of their names.
pub(super) fn accounts(
    connection: &Connection,
    after: Option<&UserName>,
    limit: usize,
) -> Result<Vec<Account>> {
    let claimed = claimed(connection, after, limit)?;
    Ok(claimed.iter().filter_map(|(_, user)| user.account()).collect())
}

/// Sizes of claimed names' mailboxes after a name, in the order of their names. Who has entries that are
/// not archived is in memory.
pub(super) fn mailboxes(
    connection: &Connection,
    memory: &Memory,
    after: Option<&UserName>,
    limit: usize,
) -> Result<Vec<MailboxSize>> {
    let size = |(id, on_disk): &(UserId, User)| {
        let head = memory.users.get(id).map_or(on_disk.head, |user| user.head);
        let mut usage = head.in_slots;
        usage.add(head.in_archive);
        MailboxSize { user: on_disk.name, entries: usage.entries, bytes: usage.bytes }
    };
    Ok(claimed(connection, after, limit)?.iter().map(size).collect())
}

/// Rows of claimed names after a name, in the order of their names.
fn claimed(
    connection: &Connection,
    after: Option<&UserName>,
    limit: usize,
) -> Result<Vec<(UserId, User)>> {
    let mut select = connection.prepare_cached(
        "SELECT id, name, reserved, archived, archived_entries, archived_bytes, key, display, since, display_set, purged
         FROM users WHERE name > ?1 AND key IS NOT NULL ORDER BY name LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // No name is empty.
    let rows = select.query_map((after.map_or("", UserName::as_str), limit), user)?;
    rows.collect()
}

/// Bytes of the file's pages; what the log holds beyond them is not counted.
pub(super) fn bytes(connection: &Connection) -> Result<u64> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (pages, page) = (number("PRAGMA page_count")?, number("PRAGMA page_size")?);
    Ok(pages.cast_unsigned().saturating_mul(page.cast_unsigned()))
}

fn numbered(connection: &Connection, id: UserId) -> Result<Option<(UserId, User)>> {
    let row = connection
        .prepare_cached(
            "SELECT id, name, reserved, archived, archived_entries, archived_bytes, key, display, since, display_set, purged
             FROM users WHERE id = ?1",
        )?
        .query_row([id.0], user)
        .optional()?;
    row.map(|(id, user)| with_streams(connection, id, user)).transpose()
}

/// What a row of `users` says, if it makes sense.
fn user(row: &Row<'_>) -> Result<(UserId, User)> {
    let number = |index| row.get(index).map(i64::cast_unsigned);
    let id = number(0)?;
    let senseless = || damaged("users", id);
    let id = UserId(u32::try_from(id).map_err(|_| senseless())?);
    let name = row.get_ref(1)?.as_str().map_err(|_| senseless())?;
    let name = UserName::parse(name).map_err(|_| senseless())?;
    let mut head = Head::starting_after(number(2)?);
    head.archived = number(3)?;
    head.in_archive = Usage { entries: number(4)?, bytes: number(5)? };
    head.purged = number(10)?;
    head.trimmed = head.purged;
    let mut user = User::new(name, head);
    if let Some(key) = row.get::<_, Option<[u8; 32]>>(6)? {
        let display = row.get_ref(7)?.as_str().map_err(|_| senseless())?;
        let display = DisplayName::parse(display).map_err(|_| senseless())?;
        let (key, since, name_is_set) = (PublicKey(key), number(8)?, row.get(9)?);
        user.account = Some(Owner { key, name: display, since, name_is_set });
    }
    Ok((id, user))
}

fn with_streams(connection: &Connection, id: UserId, mut user: User) -> Result<(UserId, User)> {
    let mut select = connection.prepare_cached(
        "SELECT id, stream, position, used FROM streams WHERE user = ?1 ORDER BY id",
    )?;
    let mut rows = select.query([id.0])?;
    while let Some(row) = rows.next()? {
        let number = |index| row.get(index).map(i64::cast_unsigned);
        user.streams.push(Stream {
            id: StreamId(row.get(1)?),
            row: number(0)?,
            position: Seq(number(2)?),
            used: number(3)?,
            dirty: false,
        });
    }
    #[cfg(feature = "sabotage")]
    user.reuse_cursors();
    Ok((id, user))
}

/// The numbers that come next.
fn numbers(connection: &Connection, memory: &mut Memory) -> Result<()> {
    let (count, next, claimed): (i64, i64, i64) = connection.query_row(
        "SELECT count(*), coalesce(max(id) + 1, 0), count(key) FROM users",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let count = count.cast_unsigned();
    memory.accounts = claimed.cast_unsigned();
    let next = next.cast_unsigned();
    memory.next_user =
        u32::try_from(next).ok().filter(|_| next == count).ok_or_else(|| damaged("users", next))?;
    let (last, used): (i64, i64) = connection.query_row(
        "SELECT coalesce(max(id), 0), coalesce(max(used), 0) FROM streams",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    memory.next_stream = last.cast_unsigned() + 1;
    // Rows and streams share the clock that says what was used last.
    memory.next_row = memory.next_row.max(used.cast_unsigned());
    Ok(())
}

fn entries(connection: &Connection, memory: &mut Memory) -> Result<()> {
    let mut select = connection.prepare(
        "SELECT seq, mailbox, cursor, length(entry), stream, last FROM entries ORDER BY seq",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let number = |index| row.get(index).map(i64::cast_unsigned);
        let told: Option<i64> = row.get(4)?;
        let seq = number(0)?;
        let slot = Slot {
            cursor: number(2)?,
            row: seq,
            bytes: u32::try_from(number(3)?).map_err(|_| damaged("entries", seq))?,
            counted: told.is_some(),
        };
        let id = known(connection, memory, number(1)?)?.ok_or_else(|| damaged("entries", seq))?;
        let user = memory.user_mut(id);
        let last = user.slots.back().map_or(user.head.archived, |slot| slot.cursor);
        if slot.cursor <= last || slot.cursor > user.head.reserved {
            return Err(damaged("entries", seq));
        }
        if slot.cursor <= user.head.purged {
            memory.stale_rows.push(seq);
        } else {
            user.head.in_slots.add(slot.usage());
            user.slots.push_back(slot);
            memory.recent += 1;
        }
        memory.next_row = memory.next_row.max(seq + 1);
        if let Some(stream) = told {
            tell(connection, memory, stream.cast_unsigned(), Seq(number(5)?), seq)?;
        }
    }
    Ok(())
}

/// A row tells how far its stream came. Of a stream that was forgotten it tells nothing, but its
/// number is not used again.
fn tell(
    connection: &Connection,
    memory: &mut Memory,
    stream: u64,
    position: Seq,
    row: u64,
) -> Result<()> {
    memory.next_stream = memory.next_stream.max(stream + 1);
    let user = connection
        .prepare_cached("SELECT user FROM streams WHERE id = ?1")?
        .query_row([stream.cast_signed()], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(user) = user else { return Ok(()) };
    let id = known(connection, memory, user.cast_unsigned())?;
    let id = id.ok_or_else(|| damaged("streams", stream))?;
    let mut streams = memory.user_mut(id).streams.iter_mut();
    let Some(known) = streams.find(|known| known.row == stream) else { return Ok(()) };
    known.used = known.used.max(row);
    if position > known.position {
        known.position = position;
        if !known.dirty {
            known.dirty = true;
            memory.dirty.push((id, stream));
        }
    }
    Ok(())
}

/// The user of that number, loaded if need be.
fn known(connection: &Connection, memory: &mut Memory, user: u64) -> Result<Option<UserId>> {
    let Ok(id) = u32::try_from(user).map(UserId) else { return Ok(None) };
    if memory.users.contains_key(&id) {
        return Ok(Some(id));
    }
    let Some((id, user)) = numbered(connection, id)? else { return Ok(None) };
    memory.insert(id, user);
    Ok(Some(id))
}

/// At the start damage has a word of its own; later it is an error for good.
fn refused(error: Error) -> OpenError {
    match error {
        error @ Error::SqliteFailure(..) => schema::refused(error),
        error => OpenError::Damaged(error.to_string()),
    }
}

pub(super) fn damaged(table: &str, row: u64) -> Error {
    let text = format!("row {row} of table {table} makes no sense");
    Error::FromSqlConversionFailure(0, Type::Null, text.into())
}
