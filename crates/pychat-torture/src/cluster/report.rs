//! What came of a run with a cluster.

use crate::check::Verdict;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

/// A run's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The schedule's seed.
    pub seed: u64,
    /// How many rounds there were, with two mishaps each.
    pub rounds: u64,
    /// How many people wrote.
    pub people: usize,
    /// What each kind of mishap cost.
    pub costs: BTreeMap<&'static str, Cost>,
    /// The longest way of a text while all was well, to somebody who was there.
    pub longest_way: Duration,
    /// The longest time from the end of all faults until all that was written was shown.
    pub longest_heal: Duration,
    /// Commands that were told no more than `queued` for as long as they wanted to wait.
    pub only_queued: u64,
    /// What histories show of what was sent.
    pub histories: Verdict,
    /// What was shown as it came.
    pub followed: Verdict,
    /// Resident memory of each program at the end, in KiB.
    pub resident_kib: BTreeMap<String, u64>,
    /// What must not happen.
    pub surprises: Vec<String>,
    /// Where everything is kept.
    pub place: PathBuf,
}

/// What one kind of mishap cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cost {
    /// How often it happened.
    pub times: u64,
    /// The longest way of a text that was written meanwhile to somebody who was there.
    pub longest_way: Duration,
    /// From the beginning until a text of somebody whom it hit was accepted.
    pub sends_again: Vec<Duration>,
    /// From the beginning until a text to somebody whom it hit was delivered.
    pub is_reached_again: Vec<Duration>,
    /// From the beginning until a text to somebody who is away was accepted, which takes NATS.
    pub stored_again: Vec<Duration>,
}

impl Report {
    /// Whether all is well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.histories.is_clean() && self.followed.is_clean() && self.surprises.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |head: &str, text: &str| writeln!(f, "{head:<34} {text}");
        row(
            "tried",
            &format!("{} people, {} rounds, seed {}", self.people, self.rounds, self.seed),
        )?;
        for (kind, cost) in &self.costs {
            row(kind, &cost.to_string())?;
        }
        row("longest way while all was well", &seconds(self.longest_way))?;
        row("longest heal", &seconds(self.longest_heal))?;
        row("told no more than queued", &format!("{} commands", self.only_queued))?;
        row("histories", &self.histories.to_string())?;
        row("followed", &self.followed.to_string())?;
        let memory =
            self.resident_kib.iter().map(|(who, kib)| format!("{who} {} MiB", kib / 1_024));
        row("resident", &memory.collect::<Vec<_>>().join(", "))?;
        for surprise in &self.surprises {
            row("SURPRISE", surprise)?;
        }
        row("kept in", &self.place.display().to_string())?;
        row("verdict", if self.is_clean() { "passed" } else { "FAILED" })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { times, longest_way, sends_again, is_reached_again, stored_again } = self;
        write!(f, "{times} times; longest way {}", seconds(*longest_way))?;
        let figures = [
            ("sends again", sends_again),
            ("is reached again", is_reached_again),
            ("stored again", stored_again),
        ];
        for (what, all) in figures {
            if let (Some(median), Some(most)) = (median(all), all.iter().max()) {
                write!(f, "; {what} {}, at most {}", seconds(median), seconds(*most))?;
            }
        }
        Ok(())
    }
}

/// The middle one; of an even number the higher.
#[must_use]
pub fn median(all: &[Duration]) -> Option<Duration> {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        let all = |seconds: &[u64]| -> Vec<Duration> {
            seconds.iter().map(|it| Duration::from_secs(*it)).collect()
        };
        assert_eq!(median(&all(&[])), None);
        assert_eq!(median(&all(&[9, 1, 4])), Some(Duration::from_secs(4)));
        assert_eq!(median(&all(&[1, 4])), Some(Duration::from_secs(4)));
    }
}
