//! For tests only: PyChat with a promise broken on purpose, to show that the simulation notices.
//!
//! Nothing is broken unless a thread asks for it with [`break_promise`].

use std::cell::Cell;

/// A way to break what PyChat promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The server stores a repeated record again, and the recipient an id that it has.
    DropDedup,
    /// Commits are told before they are synced.
    CommitBeforeSync,
    /// A server that starts hands cursors out again that it had reserved.
    ReuseCursors,
    /// A repeated packet is processed again.
    SkipReplayWindow,
    /// What a killed program left unsynced in its log is taken for durable.
    TrustLeftLog,
    /// A one-time key that was handed out is taken out in memory alone.
    KeepPrekeys,
}

thread_local! {
    static BROKEN: Cell<Option<Sabotage>> = const { Cell::new(None) };
}

/// From now on this thread breaks that promise, or none.
pub fn break_promise(which: Option<Sabotage>) {
    BROKEN.set(which);
}

/// Whether this thread breaks that promise.
#[must_use]
pub fn is_broken(which: Sabotage) -> bool {
    BROKEN.get() == Some(which)
}
