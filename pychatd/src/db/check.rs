//! Whether a database is whole. SQLite notices damage only where it reads, and a message that is not
//! found is not missed; so all of the file is read once, when it is opened.

use super::{OpenError, schema};
use pychat_sqlite::DATABASE_BYTES_MIN;
use rusqlite::{Connection, Error, ErrorCode, config::DbConfig};
use std::{fs, path::Path};

/// Up to this size everything is checked, the indexes against their tables too: at most a second.
const INDEXES_CHECKED_MAX: u64 = 64 << 20;

/// Up to this size each page is checked, in five seconds at most: who waits for the daemon waits
/// fifteen.
const PAGES_CHECKED_MAX: u64 = 1 << 30;

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Pages, rows, and that indexes and tables agree.
    All,
    /// Pages and rows.
    Pages,
    /// What is read anyhow.
    Nothing,
}

impl Extent {
    const fn of(bytes: u64) -> Self {
        if bytes <= INDEXES_CHECKED_MAX {
            Self::All
        } else if bytes <= PAGES_CHECKED_MAX {
            Self::Pages
        } else {
            Self::Nothing
        }
    }

    /// Both say `ok`, or what is wrong first.
    const fn sql(self) -> Option<&'static str> {
        match self {
            Self::All => Some("PRAGMA integrity_check(1)"),
            Self::Pages => Some("PRAGMA quick_check(1)"),
            Self::Nothing => None,
        }
    }
}

/// Whether closing the connection may write: not before the file was found to be good, so that a
/// damaged one stays as it is, together with its log.
pub(super) fn write_at_close(connection: &Connection, may: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !may).map(drop)
}

/// How the index of words is, which can be made anew from the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Sound,
    Damaged,
}

/// Checks the file at `path` before anything is written to it.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<Words, OpenError> {
    let damaged = |text: String| OpenError::Damaged { path: path.to_owned(), text };
    let failed = |error: Error| match error.sqlite_error_code() {
        // Our own statements are right. Where they make no sense, the file is to blame.
        Some(ErrorCode::Unknown) => damaged(error.to_string()),
        _ => OpenError::of(path, error),
    };
    let bytes = match fs::metadata(path) {
        // A database comes into being under another name: what is empty lost what it held.
        Ok(file) if file.len() < DATABASE_BYTES_MIN => {
            return Err(damaged(format!("the file has {} bytes", file.len())));
        }
        Ok(file) => file.len(),
        // SQLite has it open; it will say what is wrong.
        Err(_) => 0,
    };
    match pychat_sqlite::log_damage(path) {
        Ok(None) => {}
        Ok(Some(frame)) => {
            return Err(damaged(format!(
                "its log is damaged at frame {frame}, and goes on after it"
            )));
        }
        Err(source) => return Err(OpenError::Unreadable { path: path.to_owned(), source }),
    }
    let version = schema::version(connection).map_err(failed)?;
    if version < 1 {
        return Err(damaged(format!("its schema is {version}")));
    }
    schema::check_known(path, version)?;
    let Some(sql) = Extent::of(bytes).sql() else { return Ok(Words::Sound) };
    let said: String = connection.query_row(sql, (), |row| row.get(0)).map_err(failed)?;
    if said == "ok" {
        return Ok(Words::Sound);
    }
    if is_of_words(&said) && others_are_sound(connection).map_err(failed)? {
        return Ok(Words::Damaged);
    }
    Err(damaged(pychat_sqlite::one_line(&said)))
}

/// Whether it is the index of words that SQLite says is damaged.
fn is_of_words(said: &str) -> bool {
    said.starts_with("fts5: ") || said.contains("FTS5 table")
}

/// Whether each table is sound but those of the index of words.
fn others_are_sound(connection: &Connection) -> rusqlite::Result<bool> {
    let mut select = connection.prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
         AND name NOT LIKE 'sqlite_%'",
    )?;
    let names = select.query_map((), |row| row.get::<_, String>(0))?;
    for name in names {
        let sql = format!("PRAGMA integrity_check('{}')", name?);
        let said: String = connection.query_row(&sql, (), |row| row.get(0))?;
        if said != "ok" {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_is_checked_depends_on_the_size() {
        assert_eq!(Extent::of(0), Extent::All);
        assert_eq!(Extent::of(INDEXES_CHECKED_MAX), Extent::All);
        assert_eq!(Extent::of(INDEXES_CHECKED_MAX + 1), Extent::Pages);
        assert_eq!(Extent::of(PAGES_CHECKED_MAX), Extent::Pages);
        assert_eq!(Extent::of(PAGES_CHECKED_MAX + 1), Extent::Nothing);
    }
}
