//! The clocks of this machine.

use pychat_proto::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

/// The protocol's clock: on Linux the boot-time clock, which runs on while the machine sleeps, so
/// that a wake-up shows as a jump. Elsewhere the standard library's clock, since the first call.
#[must_use]
pub fn now() -> Instant {
    monotonic()
}

/// The wall clock: milliseconds since 1970-01-01 UTC; 0 if it is set to before that.
#[must_use]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(target_os = "linux")]
fn monotonic() -> Instant {
    use rustix::time::{ClockId, DynamicClockId, clock_gettime, clock_gettime_dynamic};
    // A kernel has the boot-time clock or it has not: the two origins never mix in one process.
    let time = clock_gettime_dynamic(DynamicClockId::Boottime)
        .unwrap_or_else(|_| clock_gettime(ClockId::Monotonic));
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_nsec / 1_000).unwrap_or(0);
    Instant::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

#[cfg(not(target_os = "linux"))]
fn monotonic() -> Instant {
    use std::sync::OnceLock;
    static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
    Instant::ZERO + ORIGIN.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_never_goes_backwards() {
        let mut last = now();
        for _ in 0..10_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
    }

    #[test]
    fn the_wall_clock_counts_milliseconds_since_1970() {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(unix_ms() / 1_000 - seconds <= 5);
    }
}
