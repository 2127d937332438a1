//! Crashes at writes to disk: a hook on the database's connection that fails a commit, or lets it
//! pass and pulls the plug right after.

use rusqlite::Connection;
use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

/// Where a crash stands to the write that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The transaction did not reach the disk.
    Before,
    /// It did, and nobody was told.
    After,
}

const RUNNING: u8 = 0;
const CRASHED: u8 = 1;

/// The plug of one machine.
#[derive(Clone, Debug)]
pub(crate) struct Plug {
    writes_left: Arc<AtomicU64>,
    before: bool,
    state: Arc<AtomicU8>,
}

impl Plug {
    /// Pulled at the write after `writes` others.
    pub(crate) fn new(writes: u64, moment: Moment) -> Self {
        Self {
            writes_left: Arc::new(AtomicU64::new(writes)),
            before: moment == Moment::Before,
            state: Arc::new(AtomicU8::new(RUNNING)),
        }
    }

    /// Never pulled.
    pub(crate) fn never() -> Self {
        Self::new(u64::MAX, Moment::After)
    }

    pub(crate) fn is_pulled(&self) -> bool {
        self.state.load(Ordering::Relaxed) == CRASHED
    }

    pub(crate) fn install(&self, connection: &mut Connection) {
        let plug = self.clone();
        connection.commit_hook(Some(move || plug.at_commit())).expect("the connection is open");
    }

    /// Whether the commit fails. After a crash nothing is written any more.
    fn at_commit(&self) -> bool {
        if self.is_pulled() {
            return true;
        }
        let left = self.writes_left.load(Ordering::Relaxed);
        if left == 0 {
            self.state.store(CRASHED, Ordering::Relaxed);
            return self.before;
        }
        self.writes_left.store(left - 1, Ordering::Relaxed);
        false
    }
}

/// Takes the hook away, for the next start.
pub(crate) fn unplug(connection: &mut Connection) {
    connection.commit_hook(None::<fn() -> bool>).expect("the connection is open");
}
