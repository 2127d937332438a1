//! Colours, where they are wanted.

use std::{env, ffi::OsStr};

/// Colours on or off. Everything is readable without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// No colours.
    pub(crate) const PLAIN: Self = Self { on: false };

    /// Colours.
    pub(crate) const COLOURED: Self = Self { on: true };

    /// Colours on a terminal, unless `NO_COLOR` is set or the terminal is a dumb one.
    pub(crate) fn detect(terminal: bool) -> Self {
        let variable = |name| env::var_os(name);
        Self {
            on: terminal && wanted(variable("NO_COLOR").as_deref(), variable("TERM").as_deref()),
        }
    }

    /// Whether there are any.
    pub(crate) const fn is_on(self) -> bool {
        self.on
    }

    /// A heading, a name.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Beside the point.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What was looked for.
    pub(crate) fn found(self, text: &str) -> String {
        self.with("1;4", text)
    }

    /// As it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// On the way, or partly so.
    pub(crate) fn fair(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn wanted(no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && term != Some(OsStr::new("dumb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_dumb_terminals_are_respected() {
        let os = |text| Some(OsStr::new(text));
        assert!(wanted(None, os("xterm")));
        assert!(wanted(os(""), None));
        assert!(!wanted(os("1"), os("xterm")));
        assert!(!wanted(None, os("dumb")));
    }

    #[test]
    fn a_colour_ends_where_its_text_ends() {
        assert_eq!(Paint::COLOURED.good("x"), "\u{1b}[32mx\u{1b}[0m");
        assert_eq!(Paint::PLAIN.good("x"), "x");
    }
}
