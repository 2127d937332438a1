//! What came of a run.

use crate::{check::Verdict, mishaps::Done};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

/// A run's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The schedule's seed.
    pub seed: u64,
    /// How long the programs were tortured; healing comes on top.
    pub tortured: Duration,
    /// What was done to them.
    pub done: Done,
    /// What could not be done here, and why.
    pub skipped: Vec<String>,
    /// How often the server ended with which code.
    pub server_ends: BTreeMap<i32, u64>,
    /// How often a sentence was typed again, by the exit code of the try before.
    pub typed_again: BTreeMap<i32, u64>,
    /// How often a sentence that was taken was typed once more on purpose.
    pub repeated: u64,
    /// What histories show of what was sent.
    pub histories: Verdict,
    /// What inboxes showed of what was sent.
    pub inboxes: Verdict,
    /// The longest time from the end of all faults until every text sent was known to be delivered.
    pub longest_heal: Duration,
    /// How far a message's time was from the driver's, at most: the steps of clocks were felt.
    pub clock_felt: Duration,
    /// Resident memory of each program at the end, in KiB.
    pub resident_kib: BTreeMap<String, u64>,
    /// What must not happen.
    pub surprises: Vec<String>,
    /// Where everything is kept.
    pub place: PathBuf,
}

impl Report {
    /// Whether all is well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.histories.is_clean() && self.inboxes.is_clean() && self.surprises.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |head: &str, text: String| writeln!(f, "{head:<15} {text}");
        let done = &self.done;
        let minutes = self.tortured.as_secs_f64() / 60.0;
        row("tortured", format!("{minutes:.1} minutes, seed {}", self.seed))?;
        row(
            "kills",
            format!(
                "{}: pychat-server {}, pychatd {}, pychatctl {}",
                done.kills(),
                done.killed_servers,
                done.killed_daemons,
                done.killed_commands
            ),
        )?;
        row("stops", format!("{} frozen for 1 to 8 s, {} restarted", done.freezes, done.restarts))?;
        row("full disks", done.full_disks.to_string())?;
        row(
            "failed calls",
            format!("{} of fsync and write, in {} tries", done.failed_calls, done.breakages),
        )?;
        row(
            "clock steps",
            format!(
                "{} of up to an hour; message times up to {} s off",
                done.clock_steps,
                self.clock_felt.as_secs()
            ),
        )?;
        row("networks", format!("{} changes", done.weathers))?;
        row("server ended", codes(&self.server_ends))?;
        row("typed again", format!("{}; on purpose {}", codes(&self.typed_again), self.repeated))?;
        row("histories", self.histories.to_string())?;
        row("inboxes", self.inboxes.to_string())?;
        row("longest heal", format!("{:.1} s", self.longest_heal.as_secs_f64()))?;
        let memory =
            self.resident_kib.iter().map(|(who, kib)| format!("{who} {} MiB", kib / 1_024));
        row("resident", memory.collect::<Vec<_>>().join(", "))?;
        for skipped in &self.skipped {
            row("SKIPPED", skipped.clone())?;
        }
        for surprise in &self.surprises {
            row("SURPRISE", surprise.clone())?;
        }
        row("kept in", self.place.display().to_string())?;
        row("verdict", if self.is_clean() { "passed".into() } else { "FAILED".into() })
    }
}

fn codes(counts: &BTreeMap<i32, u64>) -> String {
    let total: u64 = counts.values().sum();
    let each = counts.iter().map(|(code, times)| format!("code {code}: {times}"));
    let each: Vec<String> = each.collect();
    if each.is_empty() { "never".into() } else { format!("{total} times ({})", each.join(", ")) }
}
