//! Records of runs, by scenario and server, and their medians.

use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;

/// One run's record, as both benches print it.
pub(super) type Record = Value;

/// All that was measured, in the order in which it first was.
#[derive(Debug, Default)]
pub(super) struct Records {
    rows: Vec<Row>,
    failures: Vec<String>,
    notes: Vec<String>,
}

/// The runs of one scenario on one server.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) title: String,
    /// Name and version.
    pub(super) server: String,
    /// Its name alone.
    pub(super) name: String,
    runs: Vec<BTreeMap<String, f64>>,
}

/// A figure of several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Records {
    /// Takes a run's record, or why there is none.
    pub(super) fn add(&mut self, title: &str, run: Result<Record>) {
        let record = match run {
            Ok(record) => record,
            Err(error) => return self.failures.push(format!("{title}: {error:#}")),
        };
        let text = |name: &str| record[name].as_str().unwrap_or("unknown").to_owned();
        let name = text("server");
        let metrics = record["metrics"].as_object().into_iter().flatten();
        let run =
            metrics.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
        let found = self.rows.iter_mut().find(|row| row.title == title && row.name == name);
        match found {
            Some(row) => row.runs.push(run),
            None => {
                let (title, server) = (title.to_owned(), format!("{name} {}", text("version")));
                self.rows.push(Row { title, server, name, runs: vec![run] });
            }
        }
    }

    /// Something that the reader of the tables should know, once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// What was noted.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What went wrong.
    pub(super) fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The scenarios, in their order.
    pub(super) fn titles(&self) -> Vec<&str> {
        let mut titles: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !titles.contains(&row.title.as_str()) {
                titles.push(&row.title);
            }
        }
        titles
    }

    /// The servers that did this work.
    pub(super) fn rows(&self, title: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.title == title)
    }
}

impl Row {
    /// How many runs there were.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// One figure, if any run has it.
    pub(super) fn figure(&self, metric: &str) -> Option<Figure> {
        let mut values: Vec<f64> =
            self.runs.iter().filter_map(|run| run.get(metric).copied()).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Figure { median, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_of_one_scenario_on_one_server_become_medians() {
        let mut records = Records::default();
        for (server, value) in [("a", 1.0), ("b", 9.0), ("a", 5.0), ("a", 3.0)] {
            let run = json!({"server": server, "version": "1", "metrics": {"x": value}});
            records.add("work", Ok(run));
        }
        records.add("work", Err(anyhow::anyhow!("it fell over")));
        let rows: Vec<&Row> = records.rows("work").collect();
        assert_eq!(rows[0].figure("x"), Some(Figure { median: 3.0, least: 1.0, most: 5.0 }));
        assert_eq!(rows[0].figure("y"), None);
        assert_eq!((rows[1].server.as_str(), rows[1].runs()), ("b 1", 1));
        assert_eq!(records.failures(), ["work: it fell over"]);
    }
}
