//! How things look: colours where they are wanted, and characters that the terminal has.

use crate::chat::model::{Colours, Glyphs, Look};
use pychat_control::{Presence, State};
use ratatui::{
    style::{Color, Modifier, Style},
    symbols::border,
};

/// What is drawn with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Styles {
    look: Look,
}

impl Styles {
    pub(super) const fn of(look: Look) -> Self {
        Self { look }
    }

    pub(super) fn bold() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn faint() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The chosen line of a list.
    pub(super) fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// As it should be.
    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green, Modifier::empty())
    }

    /// On the way, or partly so.
    pub(super) fn fair(self) -> Style {
        self.coloured(Color::Yellow, Modifier::empty())
    }

    /// Wrong.
    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD)
    }

    /// What must not be overlooked.
    pub(super) fn alarm(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD | Modifier::REVERSED)
    }

    /// Who wrote.
    pub(super) fn peer(self) -> Style {
        self.coloured(Color::Cyan, Modifier::BOLD)
    }

    /// A QR code: light on dark, whatever the terminal's own colours are.
    pub(super) fn code(self) -> Style {
        match self.look.colours {
            Colours::Some => Style::new().fg(Color::White).bg(Color::Black),
            Colours::None => Style::new(),
        }
    }

    fn coloured(self, colour: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        match self.look.colours {
            Colours::Some => style.fg(colour),
            Colours::None => style,
        }
    }

    pub(super) fn is_ascii(self) -> bool {
        self.look.glyphs == Glyphs::Ascii
    }

    fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.is_ascii() { ascii } else { unicode }
    }

    /// How far a message of ours is, in two columns.
    pub(super) fn tick(self, progress: Progress) -> (&'static str, Style) {
        match progress {
            Progress::Typed => (self.pick("…", "."), Self::faint()),
            Progress::Told(State::Queued) => (self.pick("·", "q"), Self::faint()),
            Progress::Told(State::Accepted) => (self.pick("✓", "a"), Self::faint()),
            Progress::Told(State::Delivered) => (self.pick("✓✓", "d"), Style::new()),
            Progress::Told(State::Read | State::Unread) => {
                (self.pick("◉", "r"), self.good().add_modifier(Modifier::BOLD))
            }
            Progress::Told(State::Refused | State::Cancelled | State::Expired) => {
                (self.pick("✗", "x"), self.bad())
            }
            Progress::Held => (self.pick("‖", "h"), self.bad()),
        }
    }

    /// Whether somebody is there, in one column.
    pub(super) fn presence(self, presence: Option<Presence>) -> (&'static str, Style) {
        match presence {
            Some(Presence::Online) => (self.pick("●", "*"), self.good()),
            Some(Presence::Away) => (self.pick("◐", "~"), self.fair()),
            Some(Presence::Offline) | None => (" ", Style::new()),
        }
    }

    pub(super) fn marker(self) -> &'static str {
        self.pick("▸", ">")
    }

    pub(super) fn divider(self) -> &'static str {
        self.pick("│", "|")
    }

    pub(super) fn rule(self) -> &'static str {
        self.pick("─", "-")
    }

    pub(super) fn dot(self) -> &'static str {
        self.pick(" · ", ", ")
    }

    pub(super) fn down(self) -> &'static str {
        self.pick("↓", "v")
    }

    pub(super) const fn border(self) -> border::Set<'static> {
        match self.look.glyphs {
            Glyphs::Unicode => border::PLAIN,
            Glyphs::Ascii => border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            },
        }
    }
}

/// How far a message of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not on the daemon's disk.
    Typed,
    /// As the daemon told.
    Told(State),
    /// Until a new key is trusted.
    Held,
}

impl Progress {
    /// As a word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Typed => "sending",
            Self::Told(State::Queued) => "queued",
            Self::Told(State::Accepted) => "at the server",
            Self::Told(State::Delivered) => "delivered",
            Self::Told(State::Read | State::Unread) => "read",
            Self::Told(State::Refused | State::Cancelled | State::Expired) => "not sent",
            Self::Held => "held",
        }
    }
}
