//! The lock that makes a daemon the only one of its profile. The system releases it with the
//! process, however that ends.

use super::Fault;
use pychat_control::{Client, Place};
#[cfg(unix)]
use std::fs::Metadata;
use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    time::{Duration, Instant},
};

/// Held for life.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock. Another daemon that answers is the one that shall run; one that does not is
/// beginning or ending, which is waited for.
pub(super) fn acquire(place: &Place) -> Result<Lock, Fault> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = try_acquire(place)? {
            return Ok(lock);
        }
        if let Some(pid) = running(place) {
            return Err(Fault::refused(format!(
                "a daemon already runs for the profile {} (process {pid})",
                place.profile()
            ))
            .hint("use it with pychatctl, or end it: pychatctl daemon stop"));
        }
        if Instant::now() > deadline {
            return Err(Fault::refused(format!(
                "another process holds the lock {} and does not answer",
                place.lock_file().display()
            ))
            .hint(if cfg!(windows) {
                "find it in the Task Manager, and end it"
            } else {
                "find it with `fuser` or `lsof` on that file, and end it"
            }));
        }
        std::thread::sleep(RETRY);
    }
}

/// Takes the lock, if nobody else holds it.
pub(super) fn try_acquire(place: &Place) -> Result<Option<Lock>, Fault> {
    let path = place.lock_file();
    let failed = |error: io::Error| {
        Fault::failed(format!("the lock {} cannot be taken: {error}", path.display()))
    };
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(is_named(&file, &path).then_some(Lock { _file: file })),
        Err(TryLockError::Error(error)) => Err(failed(error)),
        Err(TryLockError::WouldBlock) => Ok(None),
    }
}

/// Whether a locked file is the one that others find: between opening and locking it, an import may have
/// put another profile there.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |it: Metadata| (it.dev(), it.ino());
    let named = path.symlink_metadata().map(place).ok();
    named.is_some() && named == file.metadata().map(place).ok()
}

#[cfg(not(unix))]
fn is_named(_: &File, _: &Path) -> bool {
    true
}

/// The process that answers at the profile's socket.
fn running(place: &Place) -> Option<u32> {
    let mut client = Client::connect(&place.address()).ok()?;
    let hello = client.hello("pychatd", env!("CARGO_PKG_VERSION"), PATIENCE).ok()?;
    Some(hello.pid)
}

/// How long a daemon may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two tries.
const RETRY: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_control::{Profile, StateBase};

    #[cfg(unix)]
    #[test]
    fn a_lock_that_was_moved_away_is_not_the_profiles() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::new(&StateBase::at(temp.path()), Profile::default());
        std::fs::create_dir(place.state_dir()).unwrap();
        let held = try_acquire(&place).unwrap().unwrap();
        assert!(is_named(&held._file, &place.lock_file()));
        assert!(try_acquire(&place).unwrap().is_none());
        std::fs::rename(place.state_dir(), temp.path().join("elsewhere")).unwrap();
        assert!(!is_named(&held._file, &place.lock_file()));
        std::fs::create_dir(place.state_dir()).unwrap();
        assert!(try_acquire(&place).unwrap().is_some());
        assert!(!is_named(&held._file, &place.lock_file()));
    }

    #[test]
    fn a_lock_that_is_released_while_we_wait_is_taken() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::new(&StateBase::at(temp.path()), Profile::default());
        std::fs::create_dir(place.state_dir()).unwrap();
        let first = acquire(&place).unwrap();
        let (waits, is_waiting) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            waits.send(()).unwrap();
            acquire(&place).map(drop)
        });
        is_waiting.recv().unwrap();
        drop(first);
        second.join().unwrap().unwrap();
    }
}
