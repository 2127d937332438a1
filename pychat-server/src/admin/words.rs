//! Times and names as the operator reads them.

use jiff::Timestamp;
use pychat_proto::chat::{Presence, UnixMillis};
use std::time::Duration;

/// RFC 3339, in UTC.
pub(super) fn time(at: UnixMillis) -> String {
    let at = i64::try_from(at).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    // Nothing that a clock says is out of its range; a database that was changed by hand may be.
    at.unwrap_or(Timestamp::MAX).to_string()
}

pub(super) const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Offline => "offline",
    }
}

/// In seconds or minutes.
pub(super) fn duration(time: Duration) -> String {
    match time.as_secs() {
        1 => "1 second".into(),
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_and_none_is_out_of_range() {
        assert_eq!(time(1_795_840_738_291), "2026-11-28T04:38:58.291Z");
        assert!(time(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn durations_are_round() {
        let told = [0, 1, 119, 121].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(told, ["0 seconds", "1 second", "119 seconds", "3 minutes"]);
    }
}
