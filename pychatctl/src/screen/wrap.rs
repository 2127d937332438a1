//! Width: how many columns there are, how many a text takes, and how it is cut and wrapped.

use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How wide the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// A terminal's columns.
    Columns(usize),
    /// A pipe or a file.
    Unlimited,
}

impl Width {
    /// The terminal's, or `COLUMNS`, or 80.
    pub(crate) fn detect() -> Self {
        let variable = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let columns = variable.or_else(terminal).unwrap_or(COLUMNS_DEFAULT);
        Self::Columns(columns.max(COLUMNS_MIN))
    }
}

/// Where a terminal does not say.
const COLUMNS_DEFAULT: usize = 80;

/// Narrower than this, lines are left to the terminal.
const COLUMNS_MIN: usize = 20;

/// The columns that `text` takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The beginning of `text` that fits, with a mark where something is missing.
pub(crate) fn cut(text: &str, columns_max: usize) -> Cow<'_, str> {
    if columns(text) <= columns_max {
        return text.into();
    }
    let (at, _) = split_at_column(text, columns_max.saturating_sub(1));
    format!("{at}…").into()
}

/// The same for a line of this width.
pub(crate) fn cut_to(text: &str, width: Width) -> String {
    match width {
        Width::Columns(columns_max) => cut(text, columns_max).into_owned(),
        Width::Unlimited => text.to_owned(),
    }
}

/// `text` behind `first`, later lines behind `indent` spaces: what somebody else wrote never begins
/// a line of ours. Long lines are broken at spaces where there are some.
pub(crate) fn wrap(
    first: &str,
    first_columns: usize,
    text: &str,
    indent: usize,
    width: Width,
) -> String {
    let mut out = first.to_owned();
    let mut used = first_columns;
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            begin_line(&mut out, indent);
            used = indent;
        }
        match width {
            Width::Unlimited => out.push_str(line),
            Width::Columns(columns_max) => wrap_line(&mut out, line, used, indent, columns_max),
        }
    }
    out.push('\n');
    out
}

fn wrap_line(out: &mut String, line: &str, used: usize, indent: usize, columns_max: usize) {
    let mut rest = line;
    let mut room = columns_max.saturating_sub(used);
    let full = columns_max.saturating_sub(indent).max(1);
    while columns(rest) > room {
        let (fits, _) = split_at_column(rest, room);
        // A space right behind what fits ends a word too.
        let to = rest.len().min(fits.len() + usize::from(rest[fits.len()..].starts_with(' ')));
        let piece = match rest[..to].rfind(' ') {
            Some(space) if space > 0 => &rest[..space],
            // The word may fit a line of its own.
            _ if room < full => "",
            _ => fits,
        };
        let piece = if piece.is_empty() && room >= full {
            // One character wider than the line.
            &rest[..rest.chars().next().map_or(0, char::len_utf8)]
        } else {
            piece
        };
        out.push_str(piece);
        rest = rest[piece.len()..].trim_start_matches(' ');
        if rest.is_empty() {
            return;
        }
        begin_line(out, indent);
        room = full;
    }
    out.push_str(rest);
}

fn begin_line(out: &mut String, indent: usize) {
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

fn split_at_column(text: &str, columns_max: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns_max {
            return text.split_at(at);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 2), "a…");
    }

    #[test]
    fn lines_break_at_spaces_and_stay_behind_the_indent() {
        let wrapped = wrap("bob: ", 5, "one two three four\nfive", 4, Width::Columns(16));
        insta::assert_snapshot!(wrapped, @r"
        bob: one two
            three four
            five
        ");
        let long = wrap("bob: ", 5, "abcdefghijklmnopqrstuvwxyz", 4, Width::Columns(16));
        insta::assert_snapshot!(long, @r"
        bob:
            abcdefghijkl
            mnopqrstuvwx
            yz
        ");
    }

    #[test]
    fn for_a_pipe_nothing_is_broken() {
        let text = "x ".repeat(100);
        assert_eq!(wrap("", 0, &text, 4, Width::Unlimited), format!("{text}\n"));
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal_and_no_word_is_lost(
            text in "[a-z日 \n]{0,200}", columns_max in 20_usize..60,
        ) {
            let wrapped = wrap("> ", 2, &text, 4, Width::Columns(columns_max));
            for line in wrapped.lines() {
                prop_assert!(columns(line) <= columns_max, "{line:?}");
            }
            let squeeze = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeeze(&wrapped), squeeze(&format!("> {text}")));
        }
    }
}
