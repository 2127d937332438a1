//! How much may be on the way at once: NewReno, counted in packets, with pacing above a burst.
//! RFC 9002, section 7.

use crate::Instant;
use std::time::Duration;

/// Packets that may ever be in flight: half the ACK bitmap, so that no packet leaves it unanswered.
pub(crate) const IN_FLIGHT_MAX: u32 = 64;
const WINDOW_INITIAL: u32 = 10;
/// Chat on a link that loses at random keeps at least this much going.
const WINDOW_MIN: u32 = 8;
/// Packets that may leave in one go.
const BURST: u32 = 10;
/// Credit is counted in thousandths of a packet.
const PACKET_CREDIT: u32 = 1000;

/// The congestion window and the pacer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Congestion {
    window: u32,
    threshold: u32,
    acked_since_growth: u32,
    recovery_since: Option<Instant>,
    credit: u32,
    refilled: Instant,
}

impl Congestion {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            window: WINDOW_INITIAL,
            threshold: IN_FLIGHT_MAX,
            acked_since_growth: 0,
            recovery_since: None,
            credit: BURST * PACKET_CREDIT,
            refilled: now,
        }
    }

    /// As it was before a pause: the window and the threshold, which both fit a byte.
    pub(crate) fn paused(&self) -> (u8, u8) {
        let byte = |packets: u32| u8::try_from(packets).unwrap_or(IN_FLIGHT_MAX as u8);
        (byte(self.window), byte(self.threshold))
    }

    /// Goes on after a pause that let everything arrive that was under way.
    pub(crate) fn resumed((window, threshold): (u8, u8), now: Instant) -> Self {
        Self { window: window.into(), threshold: threshold.into(), ..Self::new(now) }
    }

    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    /// A packet sent at `sent` was acknowledged while the window was in full use, or not.
    pub(crate) fn acked(&mut self, sent: Instant, full: bool) {
        if !full || self.recovery_since.is_some_and(|since| sent <= since) {
            return;
        }
        if self.window < self.threshold {
            self.window += 1;
        } else {
            self.acked_since_growth += 1;
            if self.acked_since_growth >= self.window {
                self.acked_since_growth = 0;
                self.window += 1;
            }
        }
        self.window = self.window.min(IN_FLIGHT_MAX);
    }

    /// A packet sent at `sent` was lost or marked: halve, once per round trip.
    pub(crate) fn congested(&mut self, now: Instant, sent: Instant) {
        if self.recovery_since.is_some_and(|since| sent <= since) {
            return;
        }
        self.recovery_since = Some(now);
        self.window = (self.window / 2).max(WINDOW_MIN);
        self.threshold = self.window;
        self.acked_since_growth = 0;
    }

    fn refill(&self, now: Instant, rtt: Duration) -> u32 {
        let elapsed = now.since(self.refilled).as_micros();
        // Five quarters of a window per round trip.
        let per_rtt = u128::from(self.window) * u128::from(PACKET_CREDIT) * 5 / 4;
        let gained = elapsed * per_rtt / rtt.as_micros().max(1);
        let full = BURST * PACKET_CREDIT;
        u32::try_from(gained).unwrap_or(full).saturating_add(self.credit).min(full)
    }

    /// When the next packet may leave; a moment that has passed means at once.
    pub(crate) fn next_send(&self, rtt: Duration) -> Instant {
        if self.credit >= PACKET_CREDIT {
            return self.refilled;
        }
        let missing = u128::from(PACKET_CREDIT - self.credit) * rtt.as_micros();
        let per_rtt = u128::from(self.window) * u128::from(PACKET_CREDIT) * 5 / 4;
        let wait = u64::try_from(missing / per_rtt.max(1)).unwrap_or(0) + 1;
        self.refilled + Duration::from_micros(wait)
    }

    pub(crate) fn sent(&mut self, now: Instant, rtt: Duration) {
        self.credit = self.refill(now, rtt).saturating_sub(PACKET_CREDIT);
        self.refilled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    #[test]
    fn grows_to_its_bound_and_halves_once_per_round_trip() {
        let mut congestion = Congestion::new(Instant::ZERO);
        for at in 1..200 {
            congestion.acked(Instant::from_micros(at), true);
        }
        assert_eq!(congestion.window(), IN_FLIGHT_MAX);
        congestion.congested(Instant::from_micros(300), Instant::from_micros(250));
        congestion.congested(Instant::from_micros(301), Instant::from_micros(260));
        assert_eq!(congestion.window(), IN_FLIGHT_MAX / 2);
        for at in 400..500 {
            congestion.congested(Instant::from_micros(at), Instant::from_micros(at));
        }
        assert_eq!(congestion.window(), WINDOW_MIN);
    }

    #[test]
    fn does_not_grow_while_the_window_is_not_used() {
        let mut congestion = Congestion::new(Instant::ZERO);
        congestion.acked(Instant::from_micros(1), false);
        assert_eq!(congestion.window(), WINDOW_INITIAL);
    }

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_is_spread() {
        let mut now = Instant::ZERO;
        let mut congestion = Congestion::new(now);
        for _ in 0..BURST {
            assert!(congestion.next_send(RTT) <= now);
            congestion.sent(now, RTT);
        }
        for _ in 0..50 {
            let next = congestion.next_send(RTT);
            assert!(next > now);
            let gap = next.since(now);
            assert!(gap >= RTT / 20 && gap <= RTT / 10, "{gap:?}");
            now = next;
            congestion.sent(now, RTT);
        }
    }
}
