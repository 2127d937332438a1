//! Rebuilds memory from the file.

use super::{
    OpenError,
    memory::{Head, Memory, Owner, Slot, Stream, Usage, User, UserId},
    schema,
};
use pychat_proto::{DisplayName, PublicKey, Seq, StreamId, UserName};
use rusqlite::{Connection, Row};
use std::collections::HashMap;

/// Reads the whole index: every user, every stream, and where each recent entry lies.
pub(super) fn load(connection: &Connection) -> Result<Memory, OpenError> {
    let mut memory = Memory { next_row: 1, next_stream: 1, ..Memory::default() };
    users(connection, &mut memory)?;
    let places = streams(connection, &mut memory)?;
    entries(connection, &mut memory, &places)?;
    #[cfg(feature = "sabotage")]
    memory.reuse_cursors();
    Ok(memory)
}

fn users(connection: &Connection, memory: &mut Memory) -> Result<(), OpenError> {
    let mut select = connection
        .prepare(
            "SELECT id, name, reserved, archived, archived_entries, archived_bytes, key, display, since
             FROM users ORDER BY id",
        )
        .map_err(schema::refused)?;
    let mut rows = select.query([]).map_err(schema::refused)?;
    while let Some(row) = rows.next().map_err(schema::refused)? {
        let id = number(row, 0)?;
        if id != memory.users.len() as u64 {
            return Err(damaged("users", id));
        }
        let name: String = column(row, 1)?;
        let name = UserName::parse(&name).map_err(|_| damaged("users", id))?;
        let mut head = Head::starting_after(number(row, 2)?);
        head.archived = number(row, 3)?;
        head.in_archive = Usage { entries: number(row, 4)?, bytes: number(row, 5)? };
        let mut user = User::new(name, head);
        user.account = owner(row, id)?;
        let id = UserId(id as u32);
        if user.account.is_some() {
            memory.accounts.insert(name, id);
        }
        memory.names.insert(name, id);
        memory.users.push(user);
    }
    Ok(())
}

fn owner(row: &Row<'_>, id: u64) -> Result<Option<Owner>, OpenError> {
    let Some(key) = column::<Option<[u8; 32]>>(row, 6)? else { return Ok(None) };
    let name: String = column(row, 7)?;
    let name = DisplayName::parse(&name).map_err(|_| damaged("users", id))?;
    Ok(Some(Owner { key: PublicKey(key), name, since: number(row, 8)? }))
}

/// Where each stream is: its user, and its place there.
type Places = HashMap<u64, (UserId, usize)>;

fn streams(connection: &Connection, memory: &mut Memory) -> Result<Places, OpenError> {
    let mut places = Places::new();
    let mut select = connection
        .prepare("SELECT id, user, stream, position, used FROM streams ORDER BY id")
        .map_err(schema::refused)?;
    let mut rows = select.query([]).map_err(schema::refused)?;
    while let Some(row) = rows.next().map_err(schema::refused)? {
        let stream = Stream {
            id: StreamId(column(row, 2)?),
            row: number(row, 0)?,
            position: Seq(number(row, 3)?),
            used: number(row, 4)?,
            dirty: false,
        };
        let id = known(memory, "streams", stream.row, number(row, 1)?)?;
        let streams = &mut memory.user_mut(id).streams;
        places.insert(stream.row, (id, streams.len()));
        streams.push(stream);
        memory.next_stream = stream.row + 1;
        // Rows and streams share the clock that says what was used last.
        memory.next_row = memory.next_row.max(stream.used);
    }
    Ok(places)
}

fn entries(connection: &Connection, memory: &mut Memory, places: &Places) -> Result<(), OpenError> {
    let mut select = connection
        .prepare(
            "SELECT seq, mailbox, cursor, length(entry), stream, last FROM entries ORDER BY seq",
        )
        .map_err(schema::refused)?;
    let mut rows = select.query([]).map_err(schema::refused)?;
    while let Some(row) = rows.next().map_err(schema::refused)? {
        let told: Option<i64> = column(row, 4)?;
        let seq = number(row, 0)?;
        let slot = Slot {
            cursor: number(row, 2)?,
            row: seq,
            bytes: u32::try_from(number(row, 3)?).map_err(|_| damaged("entries", seq))?,
            counted: told.is_some(),
        };
        let id = known(memory, "entries", seq, number(row, 1)?)?;
        let user = memory.user_mut(id);
        let last = user.slots.back().map_or(user.head.archived, |slot| slot.cursor);
        if slot.cursor <= last || slot.cursor > user.head.reserved {
            return Err(damaged("entries", seq));
        }
        user.head.in_slots.add(slot.usage());
        user.slots.push_back(slot);
        memory.recent += 1;
        memory.next_row = memory.next_row.max(seq + 1);
        if let Some(stream) = told {
            let stream = stream.cast_unsigned();
            tell(memory, places, stream, Seq(number(row, 5)?), seq);
        }
    }
    Ok(())
}

/// A row tells how far its stream came. Of a stream that was forgotten it tells nothing, but its
/// number is not used again.
fn tell(memory: &mut Memory, places: &Places, stream: u64, position: Seq, row: u64) {
    memory.next_stream = memory.next_stream.max(stream + 1);
    let Some((id, place)) = places.get(&stream) else { return };
    let known = &mut memory.user_mut(*id).streams[*place];
    known.used = known.used.max(row);
    if position > known.position {
        known.position = position;
        if !known.dirty {
            known.dirty = true;
            memory.dirty.push((*id, stream));
        }
    }
}

fn known(memory: &Memory, table: &str, row: u64, user: u64) -> Result<UserId, OpenError> {
    match u32::try_from(user) {
        Ok(id) if (id as usize) < memory.users.len() => Ok(UserId(id)),
        _ => Err(damaged(table, row)),
    }
}

fn number(row: &Row<'_>, index: usize) -> Result<u64, OpenError> {
    column(row, index).map(i64::cast_unsigned)
}

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, OpenError> {
    row.get(index).map_err(|error| match error {
        error @ rusqlite::Error::SqliteFailure(..) => schema::refused(error),
        error => OpenError::Damaged(error.to_string()),
    })
}

fn damaged(table: &str, row: u64) -> OpenError {
    OpenError::Damaged(format!("row {row} of table {table} makes no sense"))
}
