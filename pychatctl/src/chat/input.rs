//! What comes into the model, and what it wants done.

use jiff::Timestamp;
use pychat_control::{
    Contact, Conversation, Event, Failure, Found, KnownName, Message, Sent, Status, Trusted, User,
    Verification,
};
use ratatui::crossterm::event::Event as TerminalEvent;
use std::time::Instant;

/// When something came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// For spans.
    pub(crate) at: Instant,
    /// For people.
    pub(crate) time: Timestamp,
}

impl Now {
    /// By the clocks.
    pub(crate) fn read() -> Self {
        Self { at: Instant::now(), time: Timestamp::now() }
    }
}

/// What comes in.
#[derive(Debug)]
pub(crate) enum Input {
    /// A key, the mouse, a paste, another size.
    Terminal(TerminalEvent),
    /// The terminal is gone.
    TerminalGone,
    /// An answer to what was asked.
    Answered(Ask, Result<Answer, NoAnswer>),
    /// Something happened.
    Event(Box<Event>),
    /// Events follow from now on.
    Subscribed(Following),
    /// The daemon ended.
    DaemonGone,
    /// The daemon cannot be used, for a reason that does not pass.
    Unusable(Box<Failure>),
    /// A signal asks us to end: its number.
    #[cfg_attr(windows, expect(dead_code, reason = "there are no signals"))]
    Ended(i32),
    /// A signal asks us to give the terminal away for a while.
    #[cfg_attr(windows, expect(dead_code, reason = "there are no signals"))]
    Suspended,
    /// We have the terminal again.
    #[cfg_attr(windows, expect(dead_code, reason = "there are no signals"))]
    Resumed,
    /// Time has passed.
    Tick,
}

/// From where events follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Following {
    /// From the last one that was told: nothing is missing.
    Seamlessly,
    /// From now on: what is shown has to be asked for anew.
    Anew,
}

/// What the model wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Ask the daemon.
    Ask(Ask),
    /// Give the terminal back for a while (Ctrl-Z).
    Suspend,
    /// End.
    Leave,
}

/// A question to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// How the link is.
    Status,
    /// Who is there.
    Users,
    /// Whose keys are known.
    Contacts,
    /// All conversations.
    Conversations,
    /// The latest messages.
    Latest {
        /// With whom.
        peer: String,
    },
    /// Messages before a place.
    Older {
        /// With whom.
        peer: String,
        /// The place.
        before: u64,
    },
    /// Messages after a place.
    Newer {
        /// With whom.
        peer: String,
        /// The place.
        after: u64,
    },
    /// Messages on both sides of a place, and the one there.
    Around {
        /// With whom.
        peer: String,
        /// The place.
        place: u64,
    },
    /// These were shown.
    MarkRead {
        /// From whom.
        peer: String,
        /// Which.
        ids: Vec<String>,
    },
    /// Send this.
    Send {
        /// Ours for this message.
        key: String,
        /// To whom.
        to: String,
        /// The text.
        body: String,
    },
    /// Look for words.
    Search {
        /// As they were typed.
        words: String,
        /// Only here.
        peer: Option<String>,
    },
    /// User names that begin so.
    Names {
        /// How.
        prefix: String,
    },
    /// What to compare with somebody, or the comparison.
    Verify {
        /// With whom.
        peer: String,
        /// What they see.
        code: Option<String>,
    },
    /// Take somebody's new key.
    Trust {
        /// Whose.
        peer: String,
        /// As it was shown.
        fingerprint: String,
    },
}

/// Who answers it: a question that waits for the server does not hold up the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The daemon by itself.
    Daemon,
    /// The server, by way of the daemon.
    Server,
}

impl Ask {
    /// Who answers.
    pub(crate) const fn lane(&self) -> Lane {
        match self {
            Self::Users | Self::Verify { .. } => Lane::Server,
            Self::Status
            | Self::Contacts
            | Self::Conversations
            | Self::Latest { .. }
            | Self::Older { .. }
            | Self::Newer { .. }
            | Self::Around { .. }
            | Self::MarkRead { .. }
            | Self::Send { .. }
            | Self::Search { .. }
            | Self::Names { .. }
            | Self::Trust { .. } => Lane::Daemon,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// To `Status`.
    Status(Box<Status>),
    /// To `Users`.
    Users(Vec<User>),
    /// To `Contacts`.
    Contacts(Vec<Contact>),
    /// To `Conversations`.
    Conversations(Vec<Conversation>),
    /// To the questions for messages.
    Page(Page),
    /// It is done.
    Done,
    /// To `Send`.
    Sent(Sent),
    /// To `Search`.
    Found(Found),
    /// To `Names`.
    Names(Vec<KnownName>),
    /// To `Verify`.
    Verified(Box<Verification>),
    /// To `Trust`.
    Trusted(Trusted),
}

/// Messages in their order, without a gap.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    /// The messages.
    pub(crate) items: Vec<Message>,
    /// What is before them.
    pub(crate) before: Beyond,
    /// What is after them.
    pub(crate) after: Beyond,
}

/// What lies beyond an edge of what is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// More messages.
    More,
    /// More messages, that were asked for.
    Loading,
    /// Nothing.
    Nothing,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NoAnswer {
    /// The daemon says no.
    Failed(Box<Failure>),
    /// The daemon ended, or does not answer: it may yet have done what was asked.
    Gone,
}
