//! The place of a new profile: free, or held by a profile that nobody ever used. What is to go there is
//! made beside it, under a name that no profile has.

use crate::{
    archive::{Step, sync_dir},
    db::Database,
    run::{DATABASE_FILE, IDENTITY_FILE},
    shell::{
        Fault,
        lock::{self, Lock},
        state_dir::create_private,
    },
};
use pychat_control::{NOTICE_FILE, Place};
use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A place that a profile may be moved to.
pub(super) struct Room<'a> {
    place: &'a Place,
    /// The lock of the unused profile that is there, so that no daemon begins to use it.
    unused: Option<Lock>,
}

/// A profile in the making.
pub(super) struct Draft {
    dir: PathBuf,
    /// The new profile's lock: nobody else makes it, and no daemon begins before it is whole.
    _lock: File,
}

/// What a profile that was never used may hold, by the beginning of its name.
const UNUSED_NAMES: [&str; 8] = [
    "lock",
    "log",
    "daemon.json",
    "control.sock",
    NOTICE_FILE,
    IDENTITY_FILE,
    "identity.new",
    DATABASE_FILE,
];

impl<'a> Room<'a> {
    /// Looks whether there is room, and keeps it.
    pub(super) fn find(place: &'a Place) -> Result<Self, Fault> {
        let dir = place.state_dir();
        match fs::symlink_metadata(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { place, unused: None });
            }
            Err(error) => return Err(failed(dir, &error)),
            Ok(there) if !there.is_dir() => return Err(taken(place, "something else is there")),
            Ok(_) => {}
        }
        // Whoever has a profile learns that before being told to stop its daemon.
        check_unused(place)?;
        let lock = lock::acquire(place)?;
        check_unused(place)?;
        Ok(Self { place, unused: Some(lock) })
    }

    /// An empty directory beside the place. What an import that was interrupted left there is removed.
    pub(super) fn draft(&self) -> Result<Draft, Fault> {
        let dir = self.beside("import");
        create_private(&dir)?;
        // On Windows no directory is moved while a file in it is open.
        let path = if cfg!(windows) { self.beside("import-lock") } else { dir.join(LOCK) };
        let unlocked = |error: &io::Error| failed(&path, error);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = file.map_err(|error| unlocked(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::refused(format!(
                    "another import of the profile {} is under way",
                    self.place.profile()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(unlocked(&error)),
        }
        clear(&dir, Some(OsStr::new(LOCK))).map_err(|error| failed(&dir, &error))?;
        Ok(Draft { dir, _lock: lock })
    }

    /// Moves the draft to the place: from one moment to the next, all of it is there. On Windows a daemon
    /// that begins to use the unused profile at this very moment keeps it, and the import fails.
    pub(super) fn fill(
        &mut self,
        draft: &Draft,
        reach: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> Result<(), Fault> {
        let dir = self.place.state_dir();
        let aside = self.beside("unused");
        let failed = |error: io::Error| failed(dir, &error);
        let is_unused = self.unused.is_some();
        if cfg!(windows) {
            self.unused = None;
        }
        if is_unused {
            if aside.exists() {
                fs::remove_dir_all(&aside).map_err(failed)?;
            }
            fs::rename(dir, &aside).map_err(failed)?;
        }
        let moved = reach(Step::MadeRoom).and_then(|()| fs::rename(&draft.dir, dir));
        if let Err(error) = moved {
            if is_unused {
                // It was never used: nothing is lost if it does not go back.
                let _ = fs::rename(&aside, dir);
            }
            return Err(match error.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                    taken(self.place, "it came into being meanwhile")
                }
                _ => failed(error),
            });
        }
        let base = dir.parent().unwrap_or(Path::new("."));
        let placed = reach(Step::Placed).and_then(|()| sync_dir(base));
        // Also where an import that was interrupted left it. What stays does no harm, and goes with the
        // next one.
        let _ = fs::remove_dir_all(&aside);
        placed.map_err(|error| {
            Fault::failed(format!(
                "the profile {} was imported, but its disk failed: {error}",
                self.place.profile()
            ))
            .hint("check the disk; then look whether it is there: pychatctl status")
        })
    }

    /// No profile's name begins with a dot.
    fn beside(&self, what: &str) -> PathBuf {
        let name = format!(".{what}-{}", self.place.profile());
        self.place.state_dir().with_file_name(name)
    }
}

impl Draft {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Leaves nothing behind. Moved to its place, it is not there any more.
    pub(super) fn remove(self) {
        // What cannot be removed, the next import removes.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Whether nothing would be lost with what is there.
fn check_unused(place: &Place) -> Result<(), Fault> {
    let dir = place.state_dir();
    for entry in fs::read_dir(dir).map_err(|error| failed(dir, &error))? {
        let name = entry.map_err(|error| failed(dir, &error))?.file_name();
        let shown = name.to_string_lossy();
        if !UNUSED_NAMES.iter().any(|known| shown.starts_with(known)) || shown.contains("damaged") {
            return Err(taken(place, &format!("{shown} is in its directory")));
        }
    }
    let database = dir.join(DATABASE_FILE);
    if !database.exists() {
        // Without its database an identity may be anybody's.
        return match dir.join(IDENTITY_FILE).exists() {
            true => Err(taken(place, "it has an identity")),
            false => Ok(()),
        };
    }
    let unused = Database::open_beside(&database).map_err(|error| error.to_string());
    match unused.and_then(|database| database.read().is_unused().map_err(|e| e.to_string())) {
        Ok(true) => Ok(()),
        Ok(false) => Err(taken(place, "it has a user")),
        Err(why) => Err(taken(place, &why)),
    }
}

/// Removes what is in a directory, but for `kept`.
fn clear(dir: &Path, kept: Option<&OsStr>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if kept == Some(&entry.file_name()) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn taken(place: &Place, why: &str) -> Fault {
    Fault::refused(format!("the profile {} is in use: {why}", place.profile())).hint(format!(
        "import into another one: pychatctl --profile NAME profile import FILE; or stop its daemon and \
         move {} away",
        place.state_dir().display()
    ))
}

fn failed(path: &Path, error: &io::Error) -> Fault {
    Fault::failed(format!("{} cannot be used: {error}", path.display()))
        .hint("make it writable, or name another directory: PYCHAT_STATE_DIR")
}

/// As a profile's.
const LOCK: &str = "lock";
