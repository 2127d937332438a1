//! A damaged database is set aside and a new one takes its place, so that the person is connected
//! again. Nothing is deleted: what can still be read of the old one is in the file that was set
//! aside, under a name that says so.

use super::{Account, Contact, Database, OpenError, Reader, check};
use pychat_proto::{Cursor, StreamId};
use pychat_sqlite::DATABASE_BYTES_MIN;
use rusqlite::{Connection, OpenFlags};
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// Databases that are kept aside. A disk that damages more than these is for a person to look at.
pub const SET_ASIDE_MAX: usize = 5;

/// What SQLite keeps beside a database: the log of its last transactions, and the log's index.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// A damaged database that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub damage: String,
    /// Whether user, server and the server's key could be taken over, and whom the person knew.
    pub kept_account: bool,
}

impl Database {
    /// As [`Self::open`]; but where the database is damaged, sets it aside and begins anew, with the
    /// new `stream` and with what the old one says of user and server. `unix_ms` becomes part of its
    /// name.
    ///
    /// # Errors
    /// As for [`Self::open`], but for damage; or it cannot be set aside.
    pub fn open_or_begin_anew(
        path: &Path,
        unix_ms: u64,
        stream: StreamId,
    ) -> Result<(Self, Option<SetAside>), OpenError> {
        let damage = match left_behind(path)? {
            Some(damage) => damage,
            None => match Self::open(path) {
                Ok(database) => return Ok((database, None)),
                Err(OpenError::Damaged { text, .. }) => text,
                Err(error) => return Err(error),
            },
        };
        let salvaged = salvage(path).map(|Salvaged { account, contacts }| Salvaged {
            account: Account { stream, ..account },
            contacts,
        });
        let kept_account = salvaged.is_some();
        let aside = set_aside(path, unix_ms)?;
        Self::create(path, salvaged)?;
        let database = Self::open(path)?;
        Ok((database, Some(SetAside { path: aside, damage, kept_account })))
    }
}

/// The database that was set aside last, of those that are still there.
#[must_use]
pub fn set_aside_last(path: &Path) -> Option<PathBuf> {
    all(path).ok()?.pop()
}

/// All that were set aside, oldest first: their names say when.
fn all(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = with(path, DAMAGED);
    let prefix = prefix.file_name().unwrap_or_default().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir(directory(path))? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(prefix) && !BESIDE.iter().any(|end| bytes.ends_with(end.as_bytes())) {
            found.push(directory(path).join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// What comes between a database's name and the time.
const DAMAGED: &str = ".damaged-";

/// A log without its database: somebody took the one and left the other, or we were stopped while we
/// set them aside. SQLite would take it for the log of a new database.
fn left_behind(path: &Path) -> Result<Option<String>, OpenError> {
    let log = with(path, BESIDE[0]);
    if exists(path) || !exists(&log) {
        return Ok(None);
    }
    if let Some(aside) = set_aside_last(path)
        && !exists(&with(&aside, BESIDE[0]))
    {
        move_beside(path, &aside).map_err(|source| not_moved(path, source))?;
        return Ok(None);
    }
    Ok(Some("its log is there and it is not".into()))
}

/// What could be read of a damaged database.
pub(super) struct Salvaged {
    account: Account,
    /// Pinned keys; none where they cannot be read.
    contacts: Vec<Contact>,
}

/// Contacts that are taken over.
const CONTACTS_MAX: usize = 100_000;

/// What a damaged database says of user and server, if the part that says it is whole, and of the keys that
/// are pinned, if that is. It is not written to.
fn salvage(path: &Path) -> Option<Salvaged> {
    if fs::metadata(path).is_ok_and(|file| file.len() < DATABASE_BYTES_MIN) {
        return None;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).ok()?;
    check::write_at_close(&connection, false).ok()?;
    let is_whole = |table: &str| {
        let check = format!("PRAGMA integrity_check('{table}')");
        let said = connection.query_row(&check, (), |row| row.get::<_, String>(0));
        said.is_ok_and(|said| said == "ok")
    };
    if !is_whole("settings") {
        return None;
    }
    let read = Reader { connection: &connection };
    // What has no account has nothing that is worth the while.
    let account = read.settings().ok()?.account?;
    let contacts = match account.server.key {
        Some(key) if is_whole("contacts") => read.contacts(&key, CONTACTS_MAX).unwrap_or_default(),
        Some(_) | None => Vec::new(),
    };
    Some(Salvaged { account, contacts })
}

/// Renames a database and what is beside it.
fn set_aside(path: &Path, unix_ms: u64) -> Result<PathBuf, OpenError> {
    let failed = |source| not_moved(path, source);
    let count = all(path).map_err(failed)?.len();
    if count >= SET_ASIDE_MAX {
        return Err(OpenError::TooManySetAside { path: path.to_owned(), count });
    }
    let aside = free_name(path, unix_ms);
    // The database first: if we are stopped here, `left_behind` finds the rest.
    if exists(path) {
        fs::rename(path, &aside).map_err(failed)?;
    }
    move_beside(path, &aside).map_err(failed)?;
    sync_names(path).map_err(failed)?;
    Ok(aside)
}

fn move_beside(path: &Path, aside: &Path) -> io::Result<()> {
    for end in BESIDE {
        match fs::rename(with(path, end), with(aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// A name that nothing has. We hold the profile's lock: nobody else takes it meanwhile.
fn free_name(path: &Path, unix_ms: u64) -> PathBuf {
    let time = i64::try_from(unix_ms / 1000).ok();
    let time = time.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let time = time.unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
    let base = with(path, &format!("{DAMAGED}{time}"));
    let is_free =
        |name: &PathBuf| !exists(name) && BESIDE.iter().all(|end| !exists(&with(name, end)));
    let more = (2_u32..).map(|number| with(&base, &format!(".{number}")));
    std::iter::once(base.clone()).chain(more).find(is_free).unwrap_or(base)
}

/// The name with `end` appended.
pub(super) fn with(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Whether something has the name, be it a link that leads nowhere.
pub(super) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Makes a rename survive a power cut.
pub(super) fn sync_names(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened, and the file system sees to it.
    #[cfg(unix)]
    fs::File::open(directory(path))?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn not_moved(path: &Path, source: io::Error) -> OpenError {
    OpenError::NotSetAside { path: path.to_owned(), source }
}

impl Database {
    /// Makes a database with what was salvaged at `path`, where there is none: under another name first,
    /// so that it is there entirely or not at all.
    pub(super) fn create(path: &Path, salvaged: Option<Salvaged>) -> Result<(), OpenError> {
        let failed = |source| OpenError::Uncreated { path: path.to_owned(), source };
        let new = with(path, ".new");
        for leftover in std::iter::once(new.clone()).chain(BESIDE.map(|end| with(&new, end))) {
            match fs::remove_file(leftover) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                Ok(()) | Err(_) => {}
            }
        }
        let connection = Connection::open(&new).map_err(|error| OpenError::of(path, error))?;
        let mut database = Self::prepare(connection, path)?;
        if let Some(Salvaged { account, contacts }) = salvaged {
            let unwritten = |error| OpenError::unreadable(path, error);
            let mut settings = database.read().stored().map_err(unwritten)?.settings;
            // The server sends again what it still has; what a damaged file says of how far we came
            // could make us pass over some of it.
            settings.cursor = Cursor::NONE;
            let server = account.server.key;
            settings.account = Some(account);
            settings.wants_link = true;
            let written = database.write(|tx| {
                for contact in &contacts {
                    let Some(server) = server else { break };
                    tx.save_contact(&server, contact)?;
                }
                tx.save_settings(&settings)
            });
            written.map_err(unwritten)?;
        }
        let Self { connection } = database;
        // Closed, it has no log beside it.
        connection.close().map_err(|(_, error)| OpenError::of(path, error))?;
        fs::rename(&new, path).map_err(failed)?;
        sync_names(path).map_err(failed)
    }
}
