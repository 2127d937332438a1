//! What a scenario found, as one record: medians of its repetitions.

use serde::Serialize;
use std::collections::BTreeMap;

/// Named figures; a name ends in its unit.
pub type Metrics = BTreeMap<&'static str, f64>;

/// One line of JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Always `pychat`: so that records of several servers can stand in one file.
    pub server: &'static str,
    /// The server's version.
    pub version: String,
    /// What was done, with what changes it.
    pub scenario: String,
    /// What moves a sender's window: the server's COMMIT.
    pub confirm: &'static str,
    /// What `accepted` promises.
    pub durability: &'static str,
    /// How many runs the figures are medians of.
    pub reps: usize,
    /// The figures.
    pub metrics: Metrics,
}

/// The median of each figure that any of the runs has.
#[must_use]
pub fn medians(runs: &[Metrics]) -> Metrics {
    let names = runs.iter().flat_map(Metrics::keys).copied();
    let median_of = |name| median(runs.iter().filter_map(|run| run.get(name).copied()).collect());
    names.map(|name| (name, median_of(name))).collect()
}

/// The middle one, or what lies halfway between the middle two; of nothing, NaN.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => f64::NAN,
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(values[middle - 1], *upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_each_figure_by_itself() {
        let runs = [
            Metrics::from([("a", 3.0), ("b", 1.0)]),
            Metrics::from([("a", 1.0)]),
            Metrics::from([("a", 2.0), ("b", 4.0)]),
        ];
        assert_eq!(medians(&runs), Metrics::from([("a", 2.0), ("b", 2.5)]));
        assert_eq!(medians(&[]), Metrics::new());
    }
}
