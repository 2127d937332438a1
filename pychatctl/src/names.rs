//! What was typed as a name or a time, checked before the daemon is asked, with a hint where one is obvious.

use crate::screen::parse_time;
use jiff::{Timestamp, tz::TimeZone};
use pychat_control::{ErrorCode, Failure, InvalidInput, check_user_name};

/// A failure of the command line.
pub(crate) fn usage(message: impl Into<String>, hint: Option<String>) -> Failure {
    Failure { code: ErrorCode::Usage, message: message.into(), hint, sent: None }
}

/// Checks the user name `text`.
pub(crate) fn check_user(text: &str) -> Result<(), Failure> {
    let Err(error) = check_user_name(text) else { return Ok(()) };
    let lower = text.to_lowercase();
    let meant = check_user_name(&lower).is_ok().then(|| format!("did you mean {lower}?"));
    Err(usage(error.to_string(), meant))
}

/// Checks something else that was typed.
pub(crate) fn check(checked: Result<(), InvalidInput>, hint: &str) -> Result<(), Failure> {
    checked.map_err(|error| {
        usage(error.to_string(), Some(hint.to_owned()).filter(|hint| !hint.is_empty()))
    })
}

/// Reads the time `text`, and gives RFC 3339.
pub(crate) fn time(text: &str) -> Result<String, Failure> {
    parse_time(text, Timestamp::now(), &TimeZone::system()).ok_or_else(|| {
        let hint = "type 2h (ago), 2026-01-31, '2026-01-31 12:00' or RFC 3339";
        usage(format!("{text:?} is no time"), Some(hint.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capital_letter_is_pointed_out() {
        let failure = check_user("Bob").unwrap_err();
        assert_eq!(failure.code, ErrorCode::Usage);
        assert_eq!(failure.hint.as_deref(), Some("did you mean bob?"));
        assert_eq!(check_user("b b").unwrap_err().hint, None);
        assert_eq!(check_user("bob"), Ok(()));
    }
}
