//! How long the way there and back takes. RFC 9002, section 5.

use std::time::Duration;

/// First guess before anything was measured. RFC 9002, section 6.2.2.
pub(crate) const INITIAL_RTT: Duration = Duration::from_millis(333);
/// Least first guess where messages of the handshake were repeated: nobody knows which one was answered.
/// What was sent last may be this much younger than what was.
pub(crate) const AMBIGUOUS_RTT_MIN: Duration = Duration::from_millis(150);
/// Shortest pause, with its jitter, after which a client repeats a message of the handshake.
const HANDSHAKE_PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest that a receiver holds an ACK back.
pub(crate) const ACK_DELAY_MAX: Duration = Duration::from_millis(25);
/// Longest that the ACK and the COMMIT are held back of what is of low urgency, on a path without loss:
/// nobody waits for them, and they nearly always ride along with what the peer is sent next.
pub(crate) const LOW_DELAY_MAX: Duration = Duration::from_millis(150);
/// After the second packet with anything else an ACK is held back no longer than this: what the packet
/// causes, a COMMIT, mostly leaves by then.
pub(crate) const ACK_DELAY_SHORT: Duration = Duration::from_millis(2);
/// Bounds of the probe timeout: below, a busy peer would be probed for nothing; above, a link that
/// comes back would be noticed late. docs/PROTOCOL.md, "Timers".
const PTO_MIN: Duration = Duration::from_millis(50);
const PTO_MAX: Duration = Duration::from_secs(3);
/// Shortest early probe timeout, on a lossy path.
const EARLY_MIN: Duration = Duration::from_millis(20);
/// Bounds of the pause before a repeat, which else is a sixteenth of a round trip: below, the same burst
/// takes both; above, it is late.
const REPEAT_DELAY_MIN: Duration = Duration::from_millis(2);
const REPEAT_DELAY_MAX: Duration = Duration::from_millis(25);
/// Smallest step of the timers.
const GRANULARITY: Duration = Duration::from_millis(1);

/// Smoothed round trip and its variation, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RttEstimator {
    smoothed: u32,
    variation: u32,
    latest: u32,
    basis: Basis,
}

/// The estimate of a session where nothing is under way: after a pause, the last round trip says no more
/// than the smoothed one.
#[derive(Clone, Copy)]
pub(crate) struct DormantRtt {
    smoothed: u32,
    variation: u32,
    basis: Basis,
}

impl DormantRtt {
    pub(crate) fn awake(self) -> RttEstimator {
        let Self { smoothed, variation, basis } = self;
        RttEstimator { smoothed, variation, latest: smoothed, basis }
    }
}

/// What the estimate rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Guess,
    /// Messages of the handshake were repeated.
    AmbiguousGuess,
    Measured,
}

impl RttEstimator {
    pub(crate) fn new(hint: Option<Duration>) -> Self {
        let guess = micros(hint.unwrap_or(INITIAL_RTT));
        Self { smoothed: guess, variation: guess / 2, latest: guess, basis: Basis::Guess }
    }

    pub(crate) fn dormant(self) -> DormantRtt {
        DormantRtt { smoothed: self.smoothed, variation: self.variation, basis: self.basis }
    }

    /// A first guess: what the handshake took. A long one says more of losses, or of who had to think,
    /// than of the way.
    pub(crate) fn guess(&mut self, round_trip: Duration) {
        let least = match self.basis {
            Basis::Guess => Duration::ZERO,
            Basis::AmbiguousGuess => AMBIGUOUS_RTT_MIN,
            Basis::Measured => return,
        };
        let guess = Self::new(Some(round_trip.clamp(least, INITIAL_RTT)));
        *self = Self { basis: self.basis, ..guess };
    }

    /// A message of the handshake was repeated.
    pub(crate) fn handshake_repeated(&mut self) {
        if self.basis == Basis::Guess {
            self.basis = Basis::AmbiguousGuess;
        }
    }

    /// Whether the first round trip that is measured says that the handshake's messages were not late
    /// but lost.
    pub(crate) fn shows_lost_handshake(&self, round_trip: Duration) -> bool {
        self.basis == Basis::AmbiguousGuess && round_trip < HANDSHAKE_PAUSE_MIN
    }

    /// `ack_delay` is how long the peer says that it held the ACK back: all of it counts, as an ACK that was
    /// lost is made good by one that comes much later. The caller leaves out what was held for too long.
    pub(crate) fn measure(&mut self, sample: Duration, ack_delay: Duration) {
        let sample_micros = micros(sample);
        self.latest = sample_micros;
        if self.basis != Basis::Measured {
            *self = Self {
                smoothed: sample_micros,
                variation: sample_micros / 2,
                latest: sample_micros,
                basis: Basis::Measured,
            };
            return;
        }
        let delay = micros(ack_delay);
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
        (self.basis == Basis::Measured).then(|| self.smoothed())
    }

    /// After this long behind an acknowledged packet, an earlier one is lost: 9/8 of a round trip.
    pub(crate) fn loss_delay(&self) -> Duration {
        let rtt = Duration::from_micros(u64::from(self.smoothed.max(self.latest)));
        (rtt * 9 / 8).max(GRANULARITY)
    }

    /// How long after a packet its repeat leaves.
    pub(crate) fn repeat_delay(&self) -> Duration {
        (self.smoothed() / 16).clamp(REPEAT_DELAY_MIN, REPEAT_DELAY_MAX)
    }

    /// The probe timeout on a lossy path, where the peer does not hold ACKs of records back. A quarter of a
    /// round trip of patience is enough, however the variation begins.
    pub(crate) fn early_timeout(&self) -> Duration {
        (self.smoothed() + self.spread().min(self.smoothed() / 4)).clamp(EARLY_MIN, PTO_MAX)
    }

    fn spread(&self) -> Duration {
        Duration::from_micros(u64::from(self.variation) * 4).max(GRANULARITY)
    }

    /// The probe timeout after `backoff` probes in a row.
    pub(crate) fn probe_timeout(&self, backoff: u32) -> Duration {
        let base = (self.smoothed() + self.spread() + ACK_DELAY_MAX).max(PTO_MIN);
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
    fn what_the_handshake_took_is_a_guess_until_something_is_measured() {
        let mut rtt = RttEstimator::new(None);
        rtt.guess(Duration::from_millis(40));
        assert_eq!((rtt.smoothed().as_millis(), rtt.measured()), (40, None));
        rtt.guess(Duration::from_secs(10));
        assert_eq!(rtt.smoothed(), INITIAL_RTT, "no worse than none");
        rtt.handshake_repeated();
        rtt.guess(Duration::from_millis(40));
        assert_eq!(rtt.smoothed(), AMBIGUOUS_RTT_MIN);
        assert!(rtt.shows_lost_handshake(Duration::from_millis(199)));
        assert!(!rtt.shows_lost_handshake(HANDSHAKE_PAUSE_MIN), "it was only late");
        rtt.measure(Duration::from_millis(50), Duration::ZERO);
        rtt.guess(Duration::from_millis(40));
        assert_eq!(rtt.measured(), Some(Duration::from_millis(50)));
        assert!(!rtt.shows_lost_handshake(Duration::from_millis(50)));
    }

    #[test]
    fn an_early_probe_waits_no_longer_than_one_and_a_quarter_round_trips() {
        let mut rtt = RttEstimator::new(None);
        rtt.measure(Duration::from_millis(80), Duration::ZERO);
        assert_eq!(rtt.early_timeout(), Duration::from_millis(100));
        assert_eq!(rtt.repeat_delay(), Duration::from_millis(5));
        for _ in 0..100 {
            rtt.measure(Duration::from_millis(80), Duration::ZERO);
        }
        assert!(rtt.early_timeout() < Duration::from_millis(83));
        for _ in 0..100 {
            rtt.measure(Duration::from_micros(40), Duration::ZERO);
        }
        assert_eq!((rtt.early_timeout(), rtt.repeat_delay()), (EARLY_MIN, REPEAT_DELAY_MIN));
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
