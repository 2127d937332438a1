//! Queues, and what they measure. Each is asked in the order of time.

use super::figures::{QUORUM, SECOND};

/// Writes that gather for one: as `JOBS_PER_BATCH_MAX` of the server's committer.
const GATHERED_MAX: u32 = 4_096;

/// One after the other, by one core.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    free_at: u64,
}

impl Queue {
    /// Serves what comes at `at`, and says when it begins.
    pub(super) fn serve(&mut self, at: u64, cost: u64) -> u64 {
        let begun = self.free_at.max(at);
        self.free_at = begun + cost;
        begun
    }

    /// Whether it has something to do at `at`.
    pub(super) fn is_busy(&self, at: u64) -> bool {
        self.free_at > at
    }
}

/// All that waits at once, a write by a quorum after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathering {
    /// When the newest write begins, and how many share it.
    begins_at: u64,
    gathered: u32,
}

/// What became of something that gathers.
pub(super) struct Gathered {
    /// When its write begins.
    pub(super) begun: u64,
    /// Whether it is the first of its write.
    pub(super) is_first: bool,
}

impl Gathering {
    /// Takes what comes at `at`.
    pub(super) fn take(&mut self, at: u64) -> Gathered {
        let has_room = self.gathered < GATHERED_MAX;
        let is_first = self.gathered == 0 || self.begins_at < at || !has_room;
        if is_first {
            let free_at = if self.gathered == 0 { 0 } else { self.begins_at + QUORUM };
            self.begins_at = free_at.max(at);
            self.gathered = 0;
        }
        self.gathered += 1;
        Gathered { begun: self.begins_at, is_first }
    }
}

/// How much of each of many is used.
#[derive(Clone, Debug)]
pub(super) struct Loads {
    now: Vec<u64>,
    total: Vec<u64>,
    busiest_second: u64,
    seconds: u64,
}

/// What [`Loads`] come to: in cores where time was noted, else a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// Of all, on average.
    pub(super) mean: f64,
    /// Of the busiest, on average.
    pub(super) busiest: f64,
    /// Of whichever was busiest in any second.
    pub(super) busiest_second: f64,
}

impl Loads {
    pub(super) fn new(count: usize) -> Self {
        Self { now: vec![0; count], total: vec![0; count], busiest_second: 0, seconds: 0 }
    }

    pub(super) fn note(&mut self, which: usize, amount: u64) {
        self.now[which] += amount;
    }

    /// A second is over.
    pub(super) fn next_second(&mut self) {
        for (now, total) in self.now.iter_mut().zip(&mut self.total) {
            self.busiest_second = self.busiest_second.max(*now);
            *total += std::mem::take(now);
        }
        self.seconds += 1;
    }

    /// Of what is noted in nanoseconds.
    pub(super) fn in_cores(&self) -> Load {
        self.by(SECOND as f64)
    }

    /// Of what is noted in ones.
    pub(super) fn a_second(&self) -> Load {
        self.by(1.0)
    }

    fn by(&self, unit: f64) -> Load {
        let seconds = self.seconds.max(1) as f64;
        let sum: u64 = self.total.iter().sum();
        let most = self.total.iter().copied().max().unwrap_or_default();
        Load {
            mean: sum as f64 / unit / seconds / self.total.len().max(1) as f64,
            busiest: most as f64 / unit / seconds,
            busiest_second: self.busiest_second as f64 / unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::people::unit;
    use pychat_testkit::dice::Dice;

    /// The mean wait of Pollaczek and Khinchine for a constant cost.
    #[test]
    fn a_queue_of_arrivals_by_chance_waits_as_calculated() {
        const COST: u64 = 10_000;
        for load in [0.3, 0.5, 0.8, 0.9] {
            let (mut dice, mut queue, mut at) = (Dice::new(1), Queue::default(), 0.0);
            let (mut waited, count) = (0, 2_000_000_u32);
            for _ in 0..count {
                at += -unit(&mut dice).ln() * COST as f64 / load;
                waited += queue.serve(at as u64, COST) - at as u64;
            }
            let mean = waited as f64 / f64::from(count);
            let expected = load * COST as f64 / (2.0 * (1.0 - load));
            assert!((mean / expected - 1.0).abs() < 0.03, "{load}: {mean} for {expected}");
        }
    }

    #[test]
    fn what_comes_during_a_write_shares_the_next_one() {
        let mut writes = Gathering::default();
        let begun = |writes: &mut Gathering, at| writes.take(at).begun;
        assert_eq!(begun(&mut writes, 0), 0);
        assert_eq!(begun(&mut writes, 1), QUORUM);
        assert_eq!(begun(&mut writes, QUORUM - 1), QUORUM);
        assert_eq!(begun(&mut writes, QUORUM + 1), 2 * QUORUM);
        assert_eq!(begun(&mut writes, 9 * QUORUM), 9 * QUORUM);
    }

    #[test]
    fn a_full_write_leaves_the_rest_to_the_next() {
        let mut writes = Gathering::default();
        writes.take(0);
        let begun: Vec<u64> = (0..=GATHERED_MAX).map(|_| writes.take(1).begun).collect();
        assert!(begun[..GATHERED_MAX as usize].iter().all(|at| *at == QUORUM));
        assert_eq!(begun[GATHERED_MAX as usize], 2 * QUORUM);
    }

    #[test]
    fn loads_tell_the_mean_and_the_busiest() {
        let mut loads = Loads::new(2);
        loads.note(0, SECOND);
        loads.next_second();
        loads.note(1, SECOND / 2);
        loads.next_second();
        let expected = Load { mean: 0.375, busiest: 0.5, busiest_second: 1.0 };
        assert_eq!(loads.in_cores(), expected);
    }
}
