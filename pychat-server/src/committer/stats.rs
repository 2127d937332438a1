//! What the committer counts.

use std::time::Duration;

/// Bounds of the histogram of how long a commit takes, in seconds; above the last one is a class of its own.
pub const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0];

/// Since the start. Commits are batches that were on disk, with their fsync.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitStats {
    /// How many took at most as long as the bound of that index in [`SECONDS`], and longer than the one
    /// before; the last counts all others.
    pub by_duration: [u64; SECONDS.len() + 1],
    /// The time that all of them took.
    pub seconds: f64,
    /// Commands in them.
    pub commands: u64,
    /// Batches that failed.
    pub failed: u64,
    /// Whether something was not written that nothing was since.
    pub is_failing: bool,
}

impl CommitStats {
    /// How many there were.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.by_duration.iter().sum()
    }

    pub(super) fn committed(&mut self, commands: usize, took: Duration) {
        let seconds = took.as_secs_f64();
        let class = SECONDS.iter().position(|bound| seconds <= *bound).unwrap_or(SECONDS.len());
        self.by_duration[class] += 1;
        self.seconds += seconds;
        self.commands += commands as u64;
    }

    pub(super) const fn failed(&mut self) {
        self.failed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_counted_in_its_class() {
        let mut stats = CommitStats::default();
        for micros in [500, 501, 1_000_000, 1_000_001] {
            stats.committed(2, Duration::from_micros(micros));
        }
        assert_eq!((stats.by_duration[0], stats.by_duration[1]), (1, 1));
        assert_eq!(
            (stats.by_duration[SECONDS.len() - 1], stats.by_duration[SECONDS.len()]),
            (1, 1)
        );
        assert_eq!((stats.commits(), stats.commands), (4, 8));
    }
}
