//! What a caller may do after SQLite failed.

use super::StoreError;
use rusqlite::{Error, ErrorCode, ffi};

/// Sorts SQLite's errors. The transaction was rolled back by now.
///
/// | SQLite | means | because |
/// |---|---|---|
/// | `FULL`, `TOOBIG`, `NOMEM`, `BUSY`, `LOCKED`, `READONLY`, `INTERRUPT`, a commit hook's veto | `NotWritten` | nothing reached the log's end; it may pass by itself |
/// | `IOERR_WRITE` | `Unknown` | the log's last page may have been written whole before the error; here it counts as rolled back and the next transaction overwrites it, but a crash in between may find it |
/// | any other `IOERR`, first of all `IOERR_FSYNC` and `IOERR_DIR_FSYNC` | `Fatal` | after a failed fsync nobody knows what the disk holds, and a second one may lie |
/// | `CORRUPT`, `NOTADB`, a broken constraint, anything else | `Fatal` | memory and disk disagree |
pub(super) fn sort(error: &Error) -> StoreError {
    let text = error.to_string();
    let Error::SqliteFailure(failure, _) = error else { return StoreError::Fatal(text) };
    match failure.code {
        ErrorCode::DiskFull
        | ErrorCode::TooBig
        | ErrorCode::OutOfMemory
        | ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::ReadOnly
        | ErrorCode::OperationInterrupted => StoreError::NotWritten(text),
        _ => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_COMMITHOOK => StoreError::NotWritten(text),
            ffi::SQLITE_IOERR_WRITE => StoreError::Unknown(text),
            _ => StoreError::Fatal(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(code: i32) -> StoreError {
        sort(&Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn a_full_disk_and_a_busy_file_may_be_tried_again() {
        for code in
            [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_SNAPSHOT, ffi::SQLITE_NOMEM]
        {
            assert!(matches!(sorted(code), StoreError::NotWritten(_)), "{code}");
        }
        assert!(matches!(sorted(ffi::SQLITE_CONSTRAINT_COMMITHOOK), StoreError::NotWritten(_)));
    }

    #[test]
    fn a_failed_write_is_maybe_written() {
        assert!(matches!(sorted(ffi::SQLITE_IOERR_WRITE), StoreError::Unknown(_)));
    }

    #[test]
    fn a_failed_fsync_and_damage_are_final() {
        for code in [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_DIR_FSYNC,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
        ] {
            assert!(matches!(sorted(code), StoreError::Fatal(_)), "{code}");
        }
    }
}
