//! Times: told to people as "5 min ago", to pipes as they are, and read from what people type.

use crate::duration;
use jiff::{Timestamp, Zoned, civil, tz::TimeZone};

/// How times are told.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// Before now, or by the calendar.
    Relative {
        /// Now.
        now: Timestamp,
        /// The zone of the calendar.
        zone: TimeZone,
    },
    /// RFC 3339 in UTC, to the second.
    Absolute,
}

impl Clock {
    /// For a person who reads this now.
    pub(crate) fn relative_to_now() -> Self {
        Self::Relative { now: Timestamp::now(), zone: TimeZone::system() }
    }

    /// Tells an RFC 3339 time; one that is none is told as it is.
    pub(crate) fn tell(&self, time: &str) -> String {
        let Ok(then) = time.parse::<Timestamp>() else { return super::clean_line(time) };
        match self {
            Self::Absolute => format!("{then:.0}"),
            Self::Relative { now, zone } => relative(then, *now, zone),
        }
    }

    /// The time by the clock, for lines that are written as something happens; with the date, where
    /// it is not of today.
    pub(crate) fn stamp(&self, time: &str) -> String {
        self.by_the_clock(time, "%H:%M:%S").unwrap_or_else(|| self.tell(time))
    }

    /// The same to the millisecond.
    pub(crate) fn stamp_exactly(&self, time: &str) -> String {
        self.by_the_clock(time, "%H:%M:%S.%3f").unwrap_or_else(|| super::clean_line(time))
    }

    fn by_the_clock(&self, time: &str, form: &str) -> Option<String> {
        let Self::Relative { now, zone } = self else { return None };
        let then = time.parse::<Timestamp>().ok()?.to_zoned(zone.clone());
        let is_today = then.date() == now.to_zoned(zone.clone()).date();
        let day = if is_today { "" } else { "%Y-%m-%d " };
        Some(then.strftime(&format!("{day}{form}")).to_string())
    }
}

fn relative(then: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    match now.as_second().saturating_sub(then.as_second()) {
        // A clock that is ahead by a little means now.
        -60..10 => "just now".into(),
        seconds @ 10..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => {
            let zoned: Zoned = then.to_zoned(zone.clone());
            zoned.strftime("%Y-%m-%d %H:%M").to_string()
        }
    }
}

/// Reads a time that is a span ago, a date, a date and time of the local zone, or RFC 3339; gives
/// RFC 3339.
pub(crate) fn parse_time(text: &str, now: Timestamp, zone: &TimeZone) -> Option<String> {
    let ago = || now.checked_sub(duration::parse(text).ok()?).ok();
    let local = || {
        let date_time: civil::DateTime = text.parse().ok()?;
        date_time.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
    };
    let time = text.parse::<Timestamp>().ok().or_else(ago).or_else(local)?;
    Some(format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-01-31T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn people_are_told_how_long_ago() {
        let clock = Clock::Relative { now: noon(), zone: TimeZone::UTC };
        for (time, told) in [
            ("2026-01-31T12:00:30Z", "just now"),
            ("2026-01-31T11:59:51.000Z", "just now"),
            ("2026-01-31T11:59:50Z", "10 s ago"),
            ("2026-01-31T11:59:00Z", "1 min ago"),
            ("2026-01-31T11:00:00Z", "1 h ago"),
            ("2026-01-30T12:00:01Z", "23 h ago"),
            ("2026-01-30T12:00:00Z", "2026-01-30 12:00"),
            ("2026-01-31T12:05:00Z", "2026-01-31 12:05"),
            ("nonsense\u{1b}[2J", "nonsense"),
        ] {
            assert_eq!(clock.tell(time), told, "{time}");
        }
    }

    #[test]
    fn a_pipe_is_told_the_time() {
        assert_eq!(Clock::Absolute.tell("2026-01-31T12:00:00.123Z"), "2026-01-31T12:00:00Z");
    }

    #[test]
    fn since_is_a_span_a_date_or_a_time() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let since = |text| parse_time(text, noon(), &zone);
        assert_eq!(since("2h").as_deref(), Some("2026-01-31T10:00:00.000Z"));
        assert_eq!(since("2026-01-31").as_deref(), Some("2026-01-30T23:00:00.000Z"));
        assert_eq!(since("2026-01-31 10:30").as_deref(), Some("2026-01-31T09:30:00.000Z"));
        assert_eq!(since("2026-01-31T10:30:00Z").as_deref(), Some("2026-01-31T10:30:00.000Z"));
        assert_eq!(since("soon"), None);
    }
}
