//! A connection's place among those that the daemon serves, and who has to leave when all are taken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// In place of a time: something is under way that its client waits for.
const OCCUPIED: u64 = u64::MAX;

/// One connection's place.
#[derive(Debug)]
pub(super) struct Seat {
    began: Instant,
    /// When its client last asked for anything, in microseconds since the beginning of time here.
    idle_since: AtomicU64,
    /// What it has asked for so far, counted up to [`Self::KNOWN`].
    asked: AtomicU64,
    leave: Notify,
}

/// All places that are taken.
#[derive(Debug)]
pub(super) struct Seats {
    began: Instant,
    taken: Vec<Arc<Seat>>,
}

impl Seats {
    /// Nobody is there yet.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), taken: Vec::new() }
    }

    /// A place for somebody new. It is free again once nobody holds it.
    pub(super) fn take(&mut self) -> Arc<Seat> {
        self.taken.retain(|seat| Arc::strong_count(seat) > 1);
        let seat = Seat {
            began: self.began,
            idle_since: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            leave: Notify::new(),
        };
        seat.note(false);
        let seat = Arc::new(seat);
        self.taken.push(Arc::clone(&seat));
        seat
    }

    /// Asks one of the idle ones to leave; says whether there is one. First go those who never said
    /// hello, then those who asked for nothing after it, and of equals who was idle the longest. Who
    /// waits for an answer or for events stays.
    pub(super) fn free_one(&mut self) -> bool {
        self.taken.retain(|seat| Arc::strong_count(seat) > 1);
        let idle = |seat: &&Arc<Seat>| seat.idle_since.load(Ordering::Relaxed) != OCCUPIED;
        let rank = |seat: &&Arc<Seat>| {
            (seat.asked.load(Ordering::Relaxed), seat.idle_since.load(Ordering::Relaxed))
        };
        let Some(longest) = self.taken.iter().filter(idle).min_by_key(rank) else { return false };
        longest.leave.notify_one();
        // It is asked once.
        longest.idle_since.store(OCCUPIED, Ordering::Relaxed);
        true
    }
}

impl Seat {
    /// Hello, and something more: whoever asked that much is as good as any other.
    const KNOWN: u64 = 2;

    /// Its client asked for something just now.
    pub(super) fn asked(&self) {
        let more = |asked: u64| Some((asked + 1).min(Self::KNOWN));
        // It always gives a number, so this never fails.
        let _before = self.asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Whether its client waits for something (`occupied`), or does nothing from now on.
    pub(super) fn note(&self, occupied: bool) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(OCCUPIED - 1);
        let since = if occupied { OCCUPIED } else { micros(self.began.elapsed()) };
        self.idle_since.store(since, Ordering::Relaxed);
    }

    /// Waits until somebody else needs the place.
    pub(super) async fn wanted(&self) {
        self.leave.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_asked(seat: &Seat) -> bool {
        use std::{
            pin::pin,
            task::{Context, Waker},
        };
        pin!(seat.wanted()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_for_nothing_the_longest_leaves_and_who_waits_stays() {
        let mut seats = Seats::new();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(seats.take());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        held[0].note(true);
        held[1].note(false);
        assert!(seats.free_one());
        assert_eq!(
            held.iter().map(|seat| is_asked(seat)).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert!(seats.free_one());
        assert_eq!(
            held.iter().map(|seat| is_asked(seat)).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert!(!seats.free_one(), "the last one waits for something");
        held.clear();
        assert!(!seats.free_one(), "nobody is there");

        let (known, greeted, strange) = (seats.take(), seats.take(), seats.take());
        known.asked();
        known.asked();
        greeted.asked();
        for (leaves, why) in [(&strange, "a stranger"), (&greeted, "an idler"), (&known, "anybody")]
        {
            assert!(seats.free_one() && is_asked(leaves), "{why}");
        }
    }
}
