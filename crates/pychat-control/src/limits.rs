//! What a person may type: checked before the daemon is asked, so that a slip costs nothing. The
//! daemon checks again.

/// The most characters in a user name.
pub const USER_NAME_CHARS_MAX: usize = 32;

/// The most characters in a display name.
pub const DISPLAY_NAME_CHARS_MAX: usize = 64;

/// Longest text of a message, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;

/// The most characters in a `send` key.
pub const KEY_CHARS_MAX: usize = 64;

/// The most characters in an invite code.
pub const INVITE_CHARS_MAX: usize = 64;

/// Digits of a safety number.
pub const SAFETY_DIGITS: usize = 60;

/// Longest code that can be compared, in bytes: more than any QR code's text of ours.
pub const CODE_BYTES_MAX: usize = 1024;

/// What is wrong with something that a person typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// An empty user name.
    #[error("a user name cannot be empty")]
    UserNameEmpty,
    /// More than [`USER_NAME_CHARS_MAX`] characters.
    #[error("a user name has at most {USER_NAME_CHARS_MAX} characters, this one has {0}")]
    UserNameTooLong(usize),
    /// A character outside `a-z 0-9 . _ -`.
    #[error("a user name is made of a-z, 0-9, '.', '_' and '-', not of {0:?}")]
    UserNameCharacter(char),
    /// More than [`DISPLAY_NAME_CHARS_MAX`] characters.
    #[error("a display name has at most {DISPLAY_NAME_CHARS_MAX} characters, this one has {0}")]
    DisplayNameTooLong(usize),
    /// A control character, or one that turns the direction of text.
    #[error("a display name cannot hold the control character U+{:04X}", u32::from(*.0))]
    DisplayNameControl(char),
    /// No text at all.
    #[error("there is no text to send")]
    TextEmpty,
    /// More than [`TEXT_BYTES_MAX`] bytes.
    #[error("the text has {0} bytes; a message holds at most {TEXT_BYTES_MAX} (32 KiB)")]
    TextTooLong(usize),
    /// An empty key, or more than [`KEY_CHARS_MAX`] characters.
    #[error("a message key has 1 to {KEY_CHARS_MAX} characters, this one has {0}")]
    KeyLength(usize),
    /// Empty, too long, or with a space or anything else that is not visible ASCII.
    #[error("an invite code has 1 to {INVITE_CHARS_MAX} letters, digits and signs, without spaces")]
    Invite,
    /// Nothing to compare.
    #[error("there is no safety number to compare")]
    CodeEmpty,
    /// Digits, and not [`SAFETY_DIGITS`] of them.
    #[error("a safety number has {SAFETY_DIGITS} digits, this one has {0}")]
    CodeDigits(usize),
    /// More than [`CODE_BYTES_MAX`] bytes.
    #[error("the text of a QR code has at most {CODE_BYTES_MAX} bytes, this one has {0}")]
    CodeTooLong(usize),
}

/// Checks a user name: 1 to 32 of `a-z 0-9 . _ -`.
///
/// # Errors
/// Says what is wrong, for a person.
pub fn check_user_name(text: &str) -> Result<(), InvalidInput> {
    if text.is_empty() {
        return Err(InvalidInput::UserNameEmpty);
    }
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
        return Err(InvalidInput::UserNameCharacter(bad));
    }
    if text.len() > USER_NAME_CHARS_MAX {
        return Err(InvalidInput::UserNameTooLong(text.len()));
    }
    Ok(())
}

/// Checks an invite code: 1 to 64 visible ASCII characters.
///
/// # Errors
/// Says what is wrong, for a person.
pub fn check_invite(text: &str) -> Result<(), InvalidInput> {
    let fits = (1..=INVITE_CHARS_MAX).contains(&text.len());
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits && visible { Ok(()) } else { Err(InvalidInput::Invite) }
}

/// Checks a display name: up to 64 characters, no controls.
///
/// # Errors
/// Says what is wrong, for a person.
pub fn check_display_name(text: &str) -> Result<(), InvalidInput> {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if let Some(bad) = text.chars().find(|c| c.is_control() || turns(*c)) {
        return Err(InvalidInput::DisplayNameControl(bad));
    }
    match text.chars().count() {
        count if count > DISPLAY_NAME_CHARS_MAX => Err(InvalidInput::DisplayNameTooLong(count)),
        _ => Ok(()),
    }
}

/// Checks a message's text: something, and not too much of it.
///
/// # Errors
/// Says what is wrong, for a person.
pub const fn check_text(text: &str) -> Result<(), InvalidInput> {
    match text.len() {
        0 => Err(InvalidInput::TextEmpty),
        length if length > TEXT_BYTES_MAX => Err(InvalidInput::TextTooLong(length)),
        _ => Ok(()),
    }
}

/// Checks a sender's own key for a message: 1 to 64 characters.
///
/// # Errors
/// Says what is wrong, for a person.
pub fn check_key(text: &str) -> Result<(), InvalidInput> {
    match text.chars().count() {
        1..=KEY_CHARS_MAX => Ok(()),
        count => Err(InvalidInput::KeyLength(count)),
    }
}

/// Checks what is to be compared: a safety number, with or without spaces, or the text of a QR code,
/// of which only the length is known here.
///
/// # Errors
/// Says what is wrong, for a person.
pub fn check_code(text: &str) -> Result<(), InvalidInput> {
    if text.len() > CODE_BYTES_MAX {
        return Err(InvalidInput::CodeTooLong(text.len()));
    }
    let mut digits = 0;
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        if !c.is_ascii_digit() {
            return Ok(());
        }
        digits += 1;
    }
    match digits {
        0 => Err(InvalidInput::CodeEmpty),
        SAFETY_DIGITS => Ok(()),
        count => Err(InvalidInput::CodeDigits(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_checked_up_to_their_bound() {
        assert_eq!(check_user_name("a.b_c-9"), Ok(()));
        assert_eq!(check_user_name(&"x".repeat(32)), Ok(()));
        assert_eq!(check_user_name(&"x".repeat(33)), Err(InvalidInput::UserNameTooLong(33)));
        assert_eq!(check_user_name(""), Err(InvalidInput::UserNameEmpty));
        assert_eq!(check_user_name("Bob"), Err(InvalidInput::UserNameCharacter('B')));
    }

    #[test]
    fn display_names_are_checked_up_to_their_bound() {
        assert_eq!(check_display_name("Zoë 🚢"), Ok(()));
        assert_eq!(check_display_name(&"é".repeat(64)), Ok(()));
        assert_eq!(check_display_name(&"é".repeat(65)), Err(InvalidInput::DisplayNameTooLong(65)));
        let escape = check_display_name("a\u{1b}[2J");
        assert_eq!(escape, Err(InvalidInput::DisplayNameControl('\u{1b}')));
    }

    #[test]
    fn texts_are_checked_up_to_their_bound() {
        assert_eq!(check_text("x"), Ok(()));
        assert_eq!(check_text(""), Err(InvalidInput::TextEmpty));
        assert_eq!(check_text(&"x".repeat(32 * 1024)), Ok(()));
        assert_eq!(check_text(&"x".repeat(32 * 1024 + 1)), Err(InvalidInput::TextTooLong(32_769)));
    }

    #[test]
    fn keys_are_checked_up_to_their_bound() {
        assert_eq!(check_key("x"), Ok(()));
        assert_eq!(check_key(&"x".repeat(64)), Ok(()));
        assert_eq!(check_key(&"x".repeat(65)), Err(InvalidInput::KeyLength(65)));
        assert_eq!(check_key(""), Err(InvalidInput::KeyLength(0)));
    }

    #[test]
    fn a_safety_number_has_all_its_digits_and_other_codes_a_bound() {
        let number = "02866 37825 ".repeat(6);
        assert_eq!(check_code(&number), Ok(()));
        assert_eq!(check_code(&number.replace(' ', "\n")), Ok(()));
        assert_eq!(check_code(&number[1..]), Err(InvalidInput::CodeDigits(59)));
        assert_eq!(check_code(&format!("{number}1")), Err(InvalidInput::CodeDigits(61)));
        assert_eq!(check_code(" \n"), Err(InvalidInput::CodeEmpty));
        assert_eq!(check_code("pychat:1234"), Ok(()));
        assert_eq!(check_code(&"x".repeat(1024)), Ok(()));
        assert_eq!(check_code(&"x".repeat(1025)), Err(InvalidInput::CodeTooLong(1025)));
    }
}
