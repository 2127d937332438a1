//! Small statistics.

use std::time::Duration;

/// The value below which `percent` of the others lie; zero of nothing.
#[must_use]
pub fn percentile(samples: &[Duration], percent: f64) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The middle one.
#[must_use]
pub fn median(samples: &[Duration]) -> Duration {
    percentile(samples, 50.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&samples, 99.0), Duration::from_millis(198));
        assert_eq!(median(&samples), Duration::from_millis(100));
        assert_eq!(median(&samples[..1]), Duration::from_millis(200));
        assert_eq!(percentile(&[], 99.0), Duration::ZERO);
    }
}
