//! Moves what the write-ahead log holds into the file, on a thread and a connection of its own, so
//! that no commit waits for it.

use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

/// Pages in the log from which on it is worth the while: 8 MiB.
const PAGES_DUE: u32 = 2048;

/// Pages in the log from which on the commit does it itself, because the thread does not get to the
/// log's end while commits go on: 128 MiB.
const PAGES_MAX: u32 = 32_768;

/// The thread, and what it shares with the engine.
#[derive(Debug)]
pub(super) struct Checkpointer {
    /// One place: a wish that is there already is the same wish.
    wake: Option<SyncSender<()>>,
    pub(super) pages_due: u32,
    pub(super) pages_max: u32,
    pages: Arc<AtomicU32>,
    pub(super) failed: Arc<OnceLock<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Takes checkpoints over from `connection`, which has `path` open.
    pub(super) fn start(path: &Path, connection: &mut Connection) -> rusqlite::Result<Self> {
        let own = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        own.pragma_update(None, "checkpoint_fullfsync", 1)?;
        let pages = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&pages);
        // Takes the place of SQLite's own, which would checkpoint within a commit.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counter.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        let failed = Arc::new(OnceLock::new());
        let report = Arc::clone(&failed);
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || run(&own, &woken, &report))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(Self {
            wake: Some(wake),
            pages_due: PAGES_DUE,
            pages_max: PAGES_MAX,
            pages,
            failed,
            thread: Some(thread),
        })
    }

    /// Wakes the thread if there is enough in the log. Called after a commit.
    pub(super) fn after_commit(&self, connection: &Connection) {
        let pages = self.pages();
        if pages >= self.pages_due
            && let Some(wake) = &self.wake
        {
            // Full: it is woken already. Disconnected: `failed` says why.
            let _ = wake.try_send(());
        }
        if pages >= self.pages_max {
            let _ = checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)", &self.failed);
            self.pages.store(0, Ordering::Relaxed);
        }
    }

    /// Pages in the log, as of the last commit.
    pub(super) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Why nothing may be written any more.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // It ends when `wake` is gone, after a checkpoint that it may be at.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, failed: &OnceLock<String>) {
    while woken.recv().is_ok() {
        if checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)", failed).is_err() {
            return;
        }
    }
}

/// A full disk or a busy file passes; anything else is for good, above all a failed fsync.
fn checkpoint(connection: &Connection, sql: &str, failed: &OnceLock<String>) -> Result<(), ()> {
    match connection.query_row(sql, [], |_| Ok(())) {
        Ok(()) => Ok(()),
        Err(error) => match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory,
            ) => Ok(()),
            _ => {
                let _ = failed.set(format!("moving the log into the file: {error}"));
                Err(())
            }
        },
    }
}
