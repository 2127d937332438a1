//! Unpacking: a new profile's files, made of an archive in a directory of their own.

use super::{Entry, ImportError, Lines};
use crate::{
    db::{Account, Database, Settings, Tx, identity},
    run::{DATABASE_FILE, IDENTITY_FILE},
};
use pychat_control::{Archived, State};
use pychat_proto::{Cursor, Seq, StreamId};
use std::{fs, io, io::BufRead, path::Path};

/// A point on the way, for tests that fail or crash there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The directory is there, and nothing in it.
    Begun,
    /// The identity is on disk.
    Identity,
    /// The database is, too.
    Database,
    /// Everything is, also the names.
    Synced,
    /// What was in the way is moved aside.
    MadeRoom,
    /// The profile is in its place.
    Placed,
}

/// Makes the files of a profile in `dir`, which is empty: all of them reach the disk, or it is for the
/// caller to remove them. `stream` is that of the new outbox; it must never have been used before.
///
/// # Errors
/// Says what is wrong with the archive, or with the disk.
pub fn unpack<R: BufRead>(
    dir: &Path,
    mut lines: Lines<R>,
    stream: StreamId,
    reach: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<Archived, ImportError> {
    reach(Step::Begun)?;
    identity::load_or_create(&dir.join(IDENTITY_FILE), lines.identity.clone())?;
    reach(Step::Identity)?;
    let path = dir.join(DATABASE_FILE);
    let mut database = Database::open(&path)?;
    let told = database.try_write(|tx| fill(tx, &mut lines, stream))?;
    database.close()?;
    reach(Step::Database)?;
    sync(&path, dir)?;
    reach(Step::Synced)?;
    Ok(told)
}

fn fill<R: BufRead>(
    tx: &Tx<'_>,
    lines: &mut Lines<R>,
    stream: StreamId,
) -> Result<Archived, ImportError> {
    let header = lines.header.clone();
    let mut told = Archived::new(&header.user, &header.name, &header.server);
    told.exported_at = header.exported_at;
    tx.save_settings(&Settings {
        // It did, with this identity: so that another display name is a change and not a beginning.
        account: Some(Account {
            user: header.user,
            name: header.name,
            server: header.server,
            stream,
            logged_in: true,
        }),
        next_seq: Seq::NONE.next(),
        committed: Seq::NONE,
        // The server gives all that it still holds: that is what no machine has committed, and ids tell
        // what is here all the same. A cursor of the other machine's could be beyond some of it.
        cursor: Cursor::NONE,
        // The other machine stays connected until the person says otherwise.
        wants_link: false,
        rtt_hint: None,
        other_machine_at: None,
        nodes: Vec::new(),
    })?;
    while let Some(entry) = lines.next_entry()? {
        match entry {
            Entry::Contact(server, contact) => {
                told.contacts += 1;
                tx.save_contact(&server, &contact)?;
            }
            Entry::Unopened(row) => tx.insert_unopened(&row)?,
            Entry::Message(kept) => {
                told.messages += 1;
                told.unread += u64::from(kept.row.state == State::Unread);
                told.waiting += u64::from(kept.waits.is_some());
                tx.insert_kept(&kept)?;
            }
        }
    }
    Ok(told)
}

/// The database was written by SQLite, which syncs as it likes.
fn sync(database: &Path, dir: &Path) -> io::Result<()> {
    fs::File::options().write(true).open(database)?.sync_all()?;
    sync_dir(dir)
}

/// Makes the names in a directory survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened, and the file system sees to it.
    #[cfg(unix)]
    fs::File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}
