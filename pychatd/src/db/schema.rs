//! The tables, as numbered migrations. `user_version` says how many of them a file has seen.

use super::OpenError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Each one leads from the version of its index to the next. Append only: a released one is never
/// changed.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql")];

/// Brings the database up to date, one transaction a migration.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::of(path, error);
    let known = MIGRATIONS.len() as i64;
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    let found = version(connection).map_err(failed)?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    for (index, migration) in
        MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0))
    {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
