//! Steps with a heading each, their times, and the table at the end.

use anyhow::{Result, anyhow};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

/// How a step ended well.
pub(crate) enum Outcome {
    /// Nothing to add.
    Passed,
    /// It passed, and says this of itself.
    Told(String),
    /// It was not done, and why.
    Skipped(String),
}

/// What was run, with what result, for how long.
pub(super) struct Report {
    started: Instant,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    result: String,
    note: String,
    took: Duration,
}

impl Report {
    /// Nothing was run yet.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), rows: Vec::new() }
    }

    /// Runs one step. `alone` tells a person how to run it by itself.
    pub(super) fn step(
        &mut self,
        name: &'static str,
        alone: &str,
        work: impl FnOnce() -> Result<Outcome>,
    ) -> Result<()> {
        println!("\n==> {name}: {alone}");
        let begun = Instant::now();
        let outcome = work();
        let took = begun.elapsed();
        let (result, note) = match &outcome {
            Ok(Outcome::Passed) => ("ok", String::new()),
            Ok(Outcome::Told(note)) => ("ok", note.clone()),
            Ok(Outcome::Skipped(why)) => ("SKIPPED", why.clone()),
            Err(_) => ("FAILED", String::new()),
        };
        println!("<== {name}: {result} after {}{}", seconds(took), told(&note));
        self.rows.push(Row { name, result: result.to_owned(), note, took });
        outcome.map(|_| ()).map_err(|error| {
            anyhow!("the step \"{name}\" failed: {error:#}\nhint: run it alone with: {alone}")
        })
    }

    /// All steps so far, a line each, and the sum.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        for Row { name, result, note, took } in &self.rows {
            let _ = writeln!(text, "{name:<12} {:>9}  {result}{}", seconds(*took), told(note));
        }
        let _ = write!(text, "{:<12} {:>9}", "total", seconds(self.started.elapsed()));
        text
    }
}

fn told(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(": {note}") }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Report};

    #[test]
    fn a_failed_step_says_how_to_run_it_alone_and_stands_in_the_table() {
        let mut report = Report::new();
        report.step("first", "do first", || Ok(Outcome::Told("3 passed".into()))).unwrap();
        report.step("second", "do second", || Ok(Outcome::Skipped("no network".into()))).unwrap();
        let error = report.step("third", "do third", || anyhow::bail!("broken")).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "the step \"third\" failed: broken\nhint: run it alone with: do third"
        );
        let table = report.table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines[0].starts_with("first") && lines[0].ends_with("ok: 3 passed"), "{table}");
        assert!(lines[1].ends_with("SKIPPED: no network"), "{table}");
        assert!(lines[2].ends_with("FAILED"), "{table}");
        assert!(lines[3].starts_with("total"), "{table}");
    }
}
