//! Whether a store's file is whole. SQLite notices damage only where it reads, and much of a store
//! is read weeks later; so it is read once, when it is opened.

use super::{OpenError, schema};
use rusqlite::{Connection, config::DbConfig};

/// Up to this size all of the file is checked at each start, which takes about 0.6 s for 100 MB. Of a
/// larger one only what `load` reads is: its users wait for it.
const CHECKED_BYTES_MAX: u64 = 512 << 20;

/// Whether closing the connection may write: not before the file was found to be good, so that a
/// damaged one stays as it is, together with its log.
pub(super) fn write_at_close(connection: &Connection, may: bool) -> Result<(), OpenError> {
    let set = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !may);
    set.map(drop).map_err(schema::refused)
}

/// Checks a file of so many bytes: pages, rows, and that indexes and tables agree.
pub(super) fn check(connection: &Connection, bytes: u64) -> Result<(), OpenError> {
    if is_checked(bytes) { check_all(connection) } else { Ok(()) }
}

/// Checks a file, however large it is.
pub(super) fn check_all(connection: &Connection) -> Result<(), OpenError> {
    let said: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(schema::refused)?;
    if said == "ok" { Ok(()) } else { Err(OpenError::Damaged(pychat_sqlite::one_line(&said))) }
}

const fn is_checked(bytes: u64) -> bool {
    bytes <= CHECKED_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_has_a_bound() {
        assert!(is_checked(CHECKED_BYTES_MAX));
        assert!(!is_checked(CHECKED_BYTES_MAX + 1));
    }
}
