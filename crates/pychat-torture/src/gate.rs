//! When people talk, and when they rest.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What people do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They talk.
    Talk,
    /// They finish their sentence and wait.
    Rest,
    /// They finish their sentence and leave.
    Leave,
}

/// Lets people talk or rest. Each passes it between two sentences.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    resting: usize,
}

impl Gate {
    /// A gate before which all rest.
    pub(crate) const fn new() -> Self {
        let state = State { phase: Phase::Rest, resting: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// From now on people do this.
    pub(crate) fn set(&self, phase: Phase) {
        self.lock().phase = phase;
        self.changed.notify_all();
    }

    /// Rests as long as that is asked for. `false` if it is time to leave.
    pub(crate) fn pass(&self) -> bool {
        let mut state = self.lock();
        state.resting += 1;
        self.changed.notify_all();
        while state.phase == Phase::Rest {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.resting -= 1;
        state.phase == Phase::Talk
    }

    /// Waits until so many rest; `false` if they do not by then.
    pub(crate) fn all_rest(&self, people: usize, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        let mut state = self.lock();
        while state.resting < people {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
