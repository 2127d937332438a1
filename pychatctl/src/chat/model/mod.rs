//! The state of the chat.

mod arrange;
mod asked;
mod item;
mod line;
mod overlay;
mod people;
mod recalled;
mod window;

pub(crate) use arrange::{GUTTER, Open, Position, Row, RowKind};
pub(crate) use asked::{Asked, Due};
pub(crate) use item::{Author, Item};
pub(crate) use line::{Line, Moved, TooMuch};
pub(crate) use overlay::{
    Choice, Comparison, HITS_MAX, NAMES_MAX, Overlay, Scope, Search, Switcher, TrustScreen,
    VerifyScreen,
};
pub(crate) use people::{CONVERSATIONS_MAX, People, is_peer};
pub(crate) use recalled::Recalled;
pub(crate) use window::{PAGE_LEN, Window};

#[cfg(test)]
pub(crate) use window::{WINDOW_BYTES_MAX, WINDOW_MESSAGES_MAX};

use super::{areas::Areas, input::Now};
use jiff::tz::TimeZone;
use pychat_control::{Failure, Link, Message, State, Status};
use ratatui::layout::Size;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};

/// Texts of ours that the daemon has not been heard about yet. More of them mean that it hangs.
pub(crate) const OUTGOING_MAX: usize = 64;

/// Conversations in which something is typed and not sent.
pub(crate) const DRAFTS_MAX: usize = 256;

/// The chat.
#[derive(Debug)]
pub(crate) struct Chat {
    /// How it is drawn.
    pub(crate) look: Look,
    /// The calendar's zone.
    pub(crate) zone: TimeZone,
    /// The clocks at the last input.
    pub(crate) now: Now,
    /// The terminal.
    pub(crate) size: Size,
    /// Whether the person looks here.
    pub(crate) focus: Focus,
    /// Who we are.
    pub(crate) us: Us,
    /// Whether the daemon is there.
    pub(crate) daemon: Daemon,
    /// The link to the server, as it was told last.
    pub(crate) link: Option<Link>,
    /// The daemon in one answer, as it was told last.
    pub(crate) status: Option<Status>,
    /// Everybody who is known.
    pub(crate) people: People,
    /// The conversation that is open.
    pub(crate) open: Option<Open>,
    /// What is typed, by conversation.
    pub(crate) drafts: HashMap<String, Line>,
    /// What was sent, to be typed again.
    pub(crate) recalled: Recalled,
    /// Texts of ours on their way to the daemon's disk.
    pub(crate) outgoing: VecDeque<Outgoing>,
    /// What is in front.
    pub(crate) overlay: Overlay,
    /// Something told for a moment.
    pub(crate) notice: Option<Notice>,
    /// What is asked, and what is to be asked.
    pub(crate) asked: Asked,
    /// Whether the next Ctrl-C ends.
    pub(crate) leaving: Option<Instant>,
    /// Why it ends.
    pub(crate) ended: Option<Ending>,
    /// Messages that are being marked read.
    pub(crate) marking: HashSet<String>,
    /// Keys of messages that were made here.
    pub(crate) keys_made: u64,
    /// What the keys of messages begin with, so that nobody else makes the same.
    pub(crate) key_prefix: String,
}

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Colours.
    pub(crate) colours: Colours,
    /// Characters for what is no text.
    pub(crate) glyphs: Glyphs,
}

/// Whether there are colours. Everything is readable without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// The terminal's sixteen.
    Some,
    /// Bold, faint and inverse only.
    None,
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glyphs {
    /// Everything.
    Unicode,
    /// Letters and signs.
    Ascii,
}

/// Whether the person looks here. A terminal that never says so has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Focus {
    /// As far as the terminal tells.
    Here,
    /// In another window.
    Elsewhere,
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Us {
    /// Not told yet.
    Unknown,
    /// There was no `connect` yet.
    Nobody,
    /// This user.
    User(String),
}

/// Whether the daemon is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Daemon {
    /// It answers.
    Here,
    /// It ended.
    Gone,
}

/// Something told for a moment, in place of the link line's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What.
    pub(crate) text: String,
    /// Until when.
    pub(crate) until: Instant,
}

/// How it ends.
#[derive(Debug)]
pub(crate) enum Ending {
    /// As the person wanted.
    Wanted,
    /// By a signal.
    Signal(i32),
    /// It cannot go on.
    Failed(Box<Failure>),
}

/// A text of ours that the daemon has not confirmed, or that is not in the window yet.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// Ours for it: sending it again sends nothing twice.
    pub(crate) key: String,
    /// To whom.
    pub(crate) to: String,
    /// The text as it was typed.
    pub(crate) body: String,
    /// As it is shown.
    pub(crate) item: Item,
    /// How far it is.
    pub(crate) stage: Stage,
}

/// How far a text is on its way to the daemon's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The daemon is to be asked, for the first time or again: one text after the other, in their order.
    Waiting,
    /// The daemon was asked.
    Asked,
    /// On its disk, with this id.
    Kept(String),
}

impl Chat {
    /// Before anything is known.
    pub(crate) fn new(look: Look, zone: TimeZone, size: Size, now: Now, key_prefix: &str) -> Self {
        Self {
            look,
            zone,
            now,
            size,
            focus: Focus::Here,
            us: Us::Unknown,
            daemon: Daemon::Here,
            link: None,
            status: None,
            people: People::default(),
            open: None,
            drafts: HashMap::new(),
            recalled: Recalled::default(),
            outgoing: VecDeque::new(),
            overlay: Overlay::None,
            notice: None,
            asked: Asked::default(),
            leaving: None,
            ended: None,
            marking: HashSet::new(),
            keys_made: 0,
            key_prefix: key_prefix.to_owned(),
        }
    }

    /// With whom the open conversation is.
    pub(crate) fn peer(&self) -> Option<&str> {
        self.open.as_ref().map(|open| open.peer.as_str())
    }

    /// What is typed in the open conversation.
    pub(crate) fn line(&self) -> Option<&Line> {
        self.drafts.get(self.peer()?)
    }

    /// The same, to be typed in.
    pub(crate) fn line_mut(&mut self) -> Option<&mut Line> {
        let peer = self.open.as_ref()?.peer.clone();
        Some(self.drafts.entry(peer).or_default())
    }

    /// Whether nothing is typed.
    pub(crate) fn is_line_empty(&self) -> bool {
        self.line().is_none_or(Line::is_empty)
    }

    /// Where everything is on the screen.
    pub(crate) fn areas(&self) -> Areas {
        Areas::of(self)
    }

    /// Texts on their way in the open conversation.
    pub(crate) fn outgoing_here(&self) -> impl Iterator<Item = &Outgoing> {
        let peer = self.peer().unwrap_or_default();
        self.outgoing.iter().filter(move |outgoing| outgoing.to == peer)
    }

    /// Tells something for a moment.
    pub(crate) fn tell(&mut self, text: impl Into<String>, until: Instant) {
        self.notice = Some(Notice { text: text.into(), until });
    }
}

impl Outgoing {
    /// One that was just typed.
    pub(crate) fn new(key: String, from: &str, to: &str, body: String, now: Now) -> Self {
        let message = Message {
            id: String::new(),
            from: from.to_owned(),
            to: to.to_owned(),
            name: String::new(),
            body: body.clone(),
            sent_at: format!("{:.3}", now.time),
            received_at: None,
            state: State::Queued,
            reason: None,
            trust: None,
            place: None,
        };
        Self { key, to: to.to_owned(), body, item: Item::new(message), stage: Stage::Waiting }
    }
}
