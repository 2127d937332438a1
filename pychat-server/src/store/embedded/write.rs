//! The statements that write.

use super::{
    batch::Plan,
    memory::{Head, Memory, User, UserId},
    rules,
};
use crate::store::Command;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// Begins a transaction that writes. Dropped without a commit, it rolls back.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// Writes what a batch came to, within a transaction.
pub(super) fn batch(
    connection: &Transaction<'_>,
    memory: &Memory,
    plan: &Plan,
    batch: &[Command],
) -> rusqlite::Result<()> {
    for id in &plan.users {
        let user = memory.user(*id);
        self::user(connection, *id, user, &user.head)?;
    }
    for id in &plan.purged {
        connection.prepare_cached("DELETE FROM archive WHERE mailbox = ?1")?.execute([id.0])?;
    }
    for (id, row) in &plan.streams {
        stream(connection, *id, memory.user(*id), *row)?;
    }
    for row in &plan.evicted {
        connection
            .prepare_cached("DELETE FROM streams WHERE id = ?1")?
            .execute([row.cast_signed()])?;
    }
    plan.keys.write(connection)?;
    rules::write(connection, &memory.rules, &plan.rules)?;
    entries(connection, plan, batch)
}

fn entries(connection: &Connection, plan: &Plan, batch: &[Command]) -> rusqlite::Result<()> {
    if plan.inserts.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO entries(seq, mailbox, cursor, stream, last, entry) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for row in &plan.inserts {
        let Command::Append(append) = &batch[row.command] else {
            unreachable!("only appends plan an insert");
        };
        insert.raw_bind_parameter(1, row.slot.row.cast_signed())?;
        insert.raw_bind_parameter(2, row.mailbox.0)?;
        insert.raw_bind_parameter(3, row.slot.cursor.cast_signed())?;
        insert.raw_bind_parameter(4, row.told.map(|(stream, _)| stream.cast_signed()))?;
        insert.raw_bind_parameter(5, row.told.map(|(_, last)| last.0.cast_signed()))?;
        insert.raw_bind_parameter(6, &*append.entry)?;
        insert.raw_execute()?;
    }
    Ok(())
}

/// Writes a user's row, with the numbers that `head` says.
pub(super) fn user(
    connection: &Connection,
    id: UserId,
    user: &User,
    head: &Head,
) -> rusqlite::Result<()> {
    let owner = user.account.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO users VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT(id) DO UPDATE SET reserved = ?3, archived = ?4, archived_entries = ?5,
                 archived_bytes = ?6, key = ?7, display = ?8, since = ?9, display_set = ?10, purged = ?11",
        )?
        .execute(params![
            id.0,
            user.name.as_str(),
            head.reserved.cast_signed(),
            head.archived.cast_signed(),
            head.in_archive.entries.cast_signed(),
            head.in_archive.bytes.cast_signed(),
            owner.map(|owner| owner.key.0),
            owner.map(|owner| owner.name.as_str()),
            owner.map(|owner| owner.since.cast_signed()),
            owner.is_some_and(|owner| owner.name_is_set),
            head.purged.cast_signed(),
        ])?;
    Ok(())
}

/// Writes a stream's row, if the user still has the stream.
pub(super) fn stream(
    connection: &Connection,
    id: UserId,
    user: &User,
    row: u64,
) -> rusqlite::Result<()> {
    let Some(stream) = user.streams.iter().find(|stream| stream.row == row) else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO streams VALUES(?1, ?2, ?3, ?4, ?5)
             ON CONFLICT(id) DO UPDATE SET position = ?4, used = ?5",
        )?
        .execute(params![
            row.cast_signed(),
            id.0,
            stream.id.0,
            stream.position.0.cast_signed(),
            stream.used.cast_signed(),
        ])?;
    Ok(())
}

/// Removes rows of `entries`, given in ascending order: one statement for each run of neighbours.
pub(super) fn delete_entries(connection: &Connection, rows: &[u64]) -> rusqlite::Result<()> {
    let mut delete =
        connection.prepare_cached("DELETE FROM entries WHERE seq BETWEEN ?1 AND ?2")?;
    for run in rows.chunk_by(|a, b| *b <= a + 1) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        delete.execute([first.cast_signed(), last.cast_signed()])?;
    }
    Ok(())
}
