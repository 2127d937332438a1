//! The keys, and the signs.

use super::style::{Progress, Styles};
use pychat_control::{Presence, State};

/// Rows of the help: scrolling ends there.
pub(crate) const ROWS: usize = 34;

/// A row of the help.
#[derive(Clone, Copy, Debug)]
pub(super) enum HelpRow {
    /// What the following ones are about.
    Heading(&'static str),
    /// A key or a sign, and its meaning.
    Meaning(&'static str, &'static str),
}

pub(super) fn rows(styles: &Styles) -> Vec<HelpRow> {
    let tick = |progress, meaning| HelpRow::Meaning(styles.tick(progress).0, meaning);
    let presence = |presence, meaning| HelpRow::Meaning(styles.presence(Some(presence)).0, meaning);
    let mut rows = KEYS.to_vec();
    rows.extend([
        HelpRow::Heading("Before what you sent"),
        tick(Progress::Told(State::Queued), "queued on this machine; goes out by itself"),
        tick(Progress::Told(State::Accepted), "safe at the server"),
        tick(Progress::Told(State::Delivered), "safe on their machine"),
        tick(Progress::Told(State::Read), "shown to them"),
        tick(Progress::Held, "held, as their key changed"),
        tick(Progress::Told(State::Refused), "not sent; why stands below it"),
        HelpRow::Heading("In the list"),
        presence(Presence::Online, "there"),
        presence(Presence::Away, "not heard of for a while"),
        HelpRow::Meaning("!", "their key changed"),
    ]);
    rows
}

const KEYS: [HelpRow; 23] = [
    HelpRow::Heading("Writing"),
    HelpRow::Meaning("Enter", "send"),
    HelpRow::Meaning("Alt-Enter, Ctrl-J", "a new line"),
    HelpRow::Meaning("Up, Down", "earlier texts, at the ends of what is typed"),
    HelpRow::Meaning("Ctrl-W, Ctrl-U", "delete a word, the line's beginning"),
    HelpRow::Heading("Reading"),
    HelpRow::Meaning("PageUp, PageDown", "scroll; the wheel does too"),
    HelpRow::Meaning("Home, End", "first and newest message, while nothing is typed"),
    HelpRow::Meaning("Ctrl-Home, Ctrl-End", "the same at any time"),
    HelpRow::Meaning("Ctrl-N", "go to what is unread, here or elsewhere"),
    HelpRow::Meaning("Ctrl-F, /", "search; / while nothing is typed"),
    HelpRow::Heading("People"),
    HelpRow::Meaning("Ctrl-K", "go to somebody, or write to somebody new"),
    HelpRow::Meaning("Alt-Up, Alt-Down", "the conversation above, below; a click too"),
    HelpRow::Meaning("F4", "compare keys: is it really them?"),
    HelpRow::Meaning("F5", "accept a key that changed"),
    HelpRow::Heading("Besides"),
    HelpRow::Meaning("F2, Ctrl-L", "how the link is, and what its numbers mean"),
    HelpRow::Meaning("F1, ?", "this help; ? while nothing is typed"),
    HelpRow::Meaning("Esc", "close what is in front; go to the newest message"),
    HelpRow::Meaning("Ctrl-Z", "give the terminal to the shell; fg comes back"),
    HelpRow::Meaning("Ctrl-Q", "leave; what was sent goes out all the same"),
    HelpRow::Meaning("Ctrl-C, Ctrl-C", "the same"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::model::{Colours, Glyphs, Look};

    #[test]
    fn scrolling_ends_where_the_help_does() {
        let look = Look { colours: Colours::None, glyphs: Glyphs::Unicode };
        assert_eq!(rows(&Styles::of(look)).len(), ROWS);
    }
}
