//! A machine's disk in memory: real SQLite databases on files that can lose what was not synced.
//!
//! A [`Disk`] counts each write, resize, deletion and sync. At one that was chosen before, it is
//! pulled: from there on nothing reaches it, and [`Disk::restart`] brings the machine back with what
//! a killed program or a power cut leaves.

mod file;
mod state;
#[cfg(test)]
mod tests;
mod vfs;

pub(crate) use state::{Crash, Plug};

use pychat_testkit::dice::Dice;
use rusqlite::{Connection, OpenFlags};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard};

/// A disk. Its files are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    number: u64,
    state: Arc<Mutex<State>>,
}

impl Disk {
    /// An empty disk, whose mishaps come from these dice.
    pub(crate) fn new(dice: Dice) -> Self {
        Self::of(State::new(dice))
    }

    fn of(state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        Self { number: vfs::mount(&state), state }
    }

    /// Opens a database file, and makes it if there is none.
    pub(crate) fn open(&self, name: &str) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if !trusts_left_log() {
            // As `pychat_sqlite::resync_log` does on real files.
            self.state().rewrite(&format!("{name}-wal")).map_err(|code| {
                rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
            })?;
        }
        let path = format!("{}/{name}", self.number);
        let connection = Connection::open_with_flags_and_vfs(path, flags, vfs::NAME)?;
        // The log's index lies in this connection's own memory: no memory is shared here.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        Ok(connection)
    }

    /// When the disk is pulled.
    pub(crate) fn plug(&self, plug: Plug) {
        self.state().plug = Some(plug);
    }

    /// Pulls it now. Whoever has a database open finds that nothing can be written.
    pub(crate) fn pull(&self, crash: Crash) {
        self.state().pull(crash);
    }

    pub(crate) fn is_pulled(&self) -> bool {
        self.state().pulled.is_some()
    }

    /// Brings back what the crash left. No database may be open.
    pub(crate) fn restart(&self) -> Option<Crash> {
        self.state().restart()
    }

    /// From now on there is room for this many bytes more; or for as many as one likes.
    pub(crate) fn set_room(&self, bytes: Option<usize>) {
        self.state().set_room(bytes);
    }

    /// The next so many syncs fail.
    pub(crate) fn fail_syncs(&self, count: u32) {
        self.state().syncs_failing = count;
    }

    /// The next so many writes fail.
    pub(crate) fn fail_writes(&self, count: u32) {
        self.state().writes_failing = count;
    }

    /// Whether something failed since its last restart because the disk is full or not well.
    pub(crate) fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// Another disk, with what the worst power cut would leave of this one now.
    pub(crate) fn worst(&self) -> Self {
        let state = self.state().worst();
        Self::of(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        vfs::unmount(self.number);
    }
}

#[cfg(not(feature = "sabotage"))]
const fn trusts_left_log() -> bool {
    false
}

#[cfg(feature = "sabotage")]
fn trusts_left_log() -> bool {
    use pychat_proto::sabotage::{Sabotage, is_broken};
    is_broken(Sabotage::TrustLeftLog)
}
