//! Spans of time as people type them: `10`, `500ms`, `10s`, `5m`, `2h`, `7d`.

use std::time::Duration;

/// A text that is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no span of time: type 30s, 5m, 2h or 7d")]
pub struct InvalidSpan(String);

/// Reads a span; a number alone is seconds.
///
/// # Errors
/// It is none, or longer than ten years.
pub fn parse_span(text: &str) -> Result<Duration, InvalidSpan> {
    let invalid = || InvalidSpan(text.chars().take(40).collect());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(invalid()),
    };
    match number.checked_mul(unit_ms) {
        Some(ms) if ms <= MILLIS_MAX => Ok(Duration::from_millis(ms)),
        _ => Err(invalid()),
    }
}

/// Ten years: longer than anybody waits, and far from where sums of times overflow.
const MILLIS_MAX: u64 = 10 * 365 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_nonsense_is_not() {
        for (text, ms) in [
            ("10", 10_000),
            ("0", 0),
            ("500ms", 500),
            ("3s", 3000),
            ("5m", 300_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse_span(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "s", "-1", "1.5s", "1y", "10 s", "99999999999999999999", "99999999d"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
        assert!(parse_span("3650d").is_ok());
        assert!(parse_span("3651d").is_err());
    }
}
