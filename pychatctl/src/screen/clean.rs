//! What others wrote, made harmless for a terminal: no control characters, no escape sequences,
//! nothing that turns the direction of what follows, and no more on a character than a terminal draws
//! within its line (`marks`).

use super::marks::tame;

/// A text of several lines: line feeds stay, tabs become spaces.
pub(crate) fn clean_text(text: &str) -> String {
    tame(&without_controls(text))
}

/// The same for what stands on one line.
pub(crate) fn clean_line(text: &str) -> String {
    clean_text(text).replace('\n', " ")
}

/// The text of a message: one that shows nothing says so, as an empty line would look like a fault.
pub(crate) fn clean_body(text: &str) -> String {
    let clean = clean_text(text);
    if clean.trim().is_empty() { NOTHING_VISIBLE.into() } else { clean }
}

/// In place of a text made of spaces and of what was left out.
const NOTHING_VISIBLE: &str = "[no visible text]";

fn without_controls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\u{1b}' => after_escape(after),
            '\u{9b}' => after_csi(after),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => after_string(after),
            '\n' | '\u{2028}' | '\u{2029}' => {
                clean.push('\n');
                after
            }
            '\t' => {
                clean.push_str("    ");
                after
            }
            _ if c.is_control() || is_invisible_control(c) => after,
            _ => {
                clean.push(c);
                after
            }
        };
    }
    clean
}

/// Turns the direction of text, or hides and annotates it.
fn is_invisible_control(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{feff}')
}

/// What follows the sequence that an escape character begins.
fn after_escape(rest: &str) -> &str {
    let mut chars = rest.chars();
    match chars.next() {
        Some('[') => after_csi(chars.as_str()),
        Some(']' | 'P' | 'X' | '^' | '_') => after_string(chars.as_str()),
        Some(' '..='/') => {
            let rest = rest.trim_start_matches(|c| matches!(c, ' '..='/'));
            rest.strip_prefix(|c| matches!(c, '0'..='~')).unwrap_or(rest)
        }
        Some('0'..='~') => chars.as_str(),
        _ => rest,
    }
}

/// What follows a control sequence: parameters and intermediates, then one final character.
fn after_csi(rest: &str) -> &str {
    let end = rest.trim_start_matches(|c| matches!(c, ' '..='?'));
    end.strip_prefix(|c| matches!(c, '@'..='~')).unwrap_or(rest)
}

/// What follows a control string. One without an end is a text whose writer wants it hidden: it is
/// shown.
fn after_string(rest: &str) -> &str {
    let end = rest.find(['\u{7}', '\u{9c}', '\u{1b}', '\n']);
    match end {
        Some(at) if rest[at..].starts_with("\u{1b}\\") => &rest[at + 2..],
        Some(at) if rest[at..].starts_with('\u{7}') => &rest[at + 1..],
        Some(at) if rest[at..].starts_with('\u{9c}') => &rest[at + '\u{9c}'.len_utf8()..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_leave_nothing_behind() {
        for (text, clean) in [
            ("a\u{1b}[2Jb", "ab"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}P+q544e\u{1b}\\x", "x"),
            ("\u{9b}31mx", "x"),
            ("\u{9d}52;c;aGk=\u{9c}x", "x"),
            ("\u{1b}cx", "x"),
            ("\u{1b}(0x", "x"),
            ("\u{1b}", ""),
            ("\u{1b}\u{1b}[31mx", "x"),
        ] {
            assert_eq!(clean_text(text), clean, "{text:?}");
        }
    }

    #[test]
    fn a_string_without_an_end_hides_nothing() {
        assert_eq!(clean_text("\u{1b}]0;all of this\nand this"), "0;all of this\nand this");
    }

    #[test]
    fn controls_and_turns_of_direction_go_and_text_stays() {
        assert_eq!(clean_text("a\rb\u{8}c\u{7f}d\u{202e}e\u{2066}f\u{200f}g"), "abcdefg");
        assert_eq!(clean_text("Zoë 👩‍👩‍👧 שלום\n\tx"), "Zoë 👩‍👩‍👧 שלום\n    x");
        assert_eq!(clean_line("a\nb\u{2028}c"), "a b c");
    }

    proptest! {
        #[test]
        fn nothing_is_left_that_a_terminal_obeys(
            text in "[\\x00-\\x20\\x7f-\\u{9f}\\[\\]P;0-9a-zA-Z\\\\\u{202e}é]{0,60}",
        ) {
            let clean = clean_text(&text);
            let obeyed = |c: char| (c.is_control() && c != '\n') || is_invisible_control(c);
            prop_assert!(!clean.contains(obeyed), "{clean:?}");
            prop_assert_eq!(clean_text(&clean), clean);
        }
    }
}
