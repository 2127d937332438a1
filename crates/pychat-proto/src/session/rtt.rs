//! How long the way there and back takes. RFC 9002, section 5.

use std::time::Duration;

/// First guess before anything was measured. RFC 9002, section 6.2.2.
pub(crate) const INITIAL_RTT: Duration = Duration::from_millis(333);
/// Longest that a receiver holds an ACK back.
pub(crate) const ACK_DELAY_MAX: Duration = Duration::from_millis(25);
/// Bounds of the probe timeout: below, a busy peer would be probed for nothing; above, a link that
/// comes back would be noticed late. docs/PROTOCOL.md, "Timers".
const PTO_MIN: Duration = Duration::from_millis(50);
const PTO_MAX: Duration = Duration::from_secs(3);
/// Smallest step of the timers.
const GRANULARITY: Duration = Duration::from_millis(1);

/// Smoothed round trip and its variation, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RttEstimator {
    smoothed: u32,
    variation: u32,
    latest: u32,
    measured: bool,
}

impl RttEstimator {
    pub(crate) fn new(hint: Option<Duration>) -> Self {
        let guess = micros(hint.unwrap_or(INITIAL_RTT));
        Self { smoothed: guess, variation: guess / 2, latest: guess, measured: false }
    }

    pub(crate) fn measure(&mut self, sample: Duration, ack_delay: Duration) {
        let sample_micros = micros(sample);
        self.latest = sample_micros;
        if !self.measured {
            *self = Self {
                smoothed: sample_micros,
                variation: sample_micros / 2,
                latest: sample_micros,
                measured: true,
            };
            return;
        }
        let delay = micros(ack_delay.min(ACK_DELAY_MAX));
        let adjusted =
            sample_micros.checked_sub(delay).filter(|rest| *rest > 0).unwrap_or(sample_micros);
        let distance = self.smoothed.abs_diff(adjusted);
        self.variation = self.variation - self.variation / 4 + distance / 4;
        self.smoothed = self.smoothed - self.smoothed / 8 + adjusted / 8;
    }

    pub(crate) fn smoothed(&self) -> Duration {
        Duration::from_micros(u64::from(self.smoothed))
    }

    /// The smoothed round trip, once something was measured.
    pub(crate) fn measured(&self) -> Option<Duration> {
        self.measured.then(|| self.smoothed())
    }

    /// After this long behind an acknowledged packet, an earlier one is lost: 9/8 of a round trip.
    pub(crate) fn loss_delay(&self) -> Duration {
        let rtt = Duration::from_micros(u64::from(self.smoothed.max(self.latest)));
        (rtt * 9 / 8).max(GRANULARITY)
    }

    /// The probe timeout after `backoff` probes in a row.
    pub(crate) fn probe_timeout(&self, backoff: u32) -> Duration {
        let variation = Duration::from_micros(u64::from(self.variation) * 4).max(GRANULARITY);
        let base = (self.smoothed() + variation + ACK_DELAY_MAX).max(PTO_MIN);
        (base * 2_u32.pow(backoff.min(10))).min(PTO_MAX)
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX / 16).min(u32::MAX / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settles_on_a_steady_round_trip() {
        let mut rtt = RttEstimator::new(None);
        assert_eq!(rtt.measured(), None);
        for _ in 0..100 {
            rtt.measure(Duration::from_millis(80), Duration::ZERO);
        }
        assert_eq!(rtt.smoothed().as_millis(), 80);
        assert_eq!(rtt.loss_delay(), Duration::from_millis(80) * 9 / 8);
        assert!(rtt.probe_timeout(0) < Duration::from_millis(110));
    }

    #[test]
    fn the_probe_timeout_backs_off_within_its_bounds() {
        let mut rtt = RttEstimator::new(None);
        for _ in 0..100 {
            rtt.measure(Duration::from_micros(40), Duration::ZERO);
        }
        assert_eq!(rtt.probe_timeout(0), PTO_MIN);
        assert_eq!(rtt.probe_timeout(1), PTO_MIN * 2);
        assert_eq!(rtt.probe_timeout(u32::MAX), PTO_MAX);
    }
}
