//! One message of the open conversation, with its text as rows of the screen.

use crate::screen::{clean_body, clean_line, rows_of};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use pychat_control::{Message, State, Trust};
use std::ops::Range;

/// A message and what it looks like.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As the daemon told it.
    pub(crate) message: Message,
    /// When it was written or came.
    pub(crate) at: Timestamp,
    /// The text, harmless.
    text: String,
    wrapped: Option<Wrapped>,
}

#[derive(Clone, Debug)]
struct Wrapped {
    columns: usize,
    rows: Vec<Range<usize>>,
}

/// Who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// We.
    Us,
    /// The other one.
    Peer,
}

impl Item {
    /// Of a message.
    pub(crate) fn new(message: Message) -> Self {
        let told = message.received_at.as_deref().unwrap_or(&message.sent_at);
        // A time that is none stands before all others.
        let at = told.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let text = match message.trust {
            Some(Trust::Unopened) => {
                let from = clean_line(&message.from);
                format!("[this text could not be opened; ask {from} to send it again]")
            }
            None | Some(Trust::FirstContact | Trust::KeyChanged) => clean_body(&message.body),
        };
        Self { message, at, text, wrapped: None }
    }

    /// Who wrote it.
    pub(crate) const fn author(&self) -> Author {
        if self.message.received_at.is_some() { Author::Peer } else { Author::Us }
    }

    /// Whether a person has yet to see it.
    pub(crate) fn is_unread(&self) -> bool {
        self.author() == Author::Peer && self.message.state == State::Unread
    }

    /// The day on which it stands.
    pub(crate) fn day(&self, zone: &TimeZone) -> Date {
        self.at.to_zoned(zone.clone()).date()
    }

    /// The bytes that it keeps.
    pub(crate) const fn bytes(&self) -> usize {
        self.text.len() + self.message.body.len()
    }

    /// The rows of its text at this width; broken once for each width.
    pub(crate) fn rows(&mut self, columns: usize) -> &[Range<usize>] {
        if self.wrapped.as_ref().is_none_or(|wrapped| wrapped.columns != columns) {
            self.wrapped = Some(Wrapped { columns, rows: rows_of(&self.text, columns) });
        }
        self.wrapped.as_ref().map_or(&[], |wrapped| &wrapped.rows)
    }

    /// A row of its text, as it was broken last.
    pub(crate) fn row(&self, row: usize) -> &str {
        let range = self.wrapped.as_ref().and_then(|wrapped| wrapped.rows.get(row));
        range.map_or("", |range| &self.text[range.clone()])
    }

    /// How many there are.
    pub(crate) fn row_count(&self) -> usize {
        self.wrapped.as_ref().map_or(0, |wrapped| wrapped.rows.len())
    }

    /// What is to be known of its sender's key.
    pub(crate) fn note(&self) -> Option<String> {
        let from = clean_line(&self.message.from);
        match self.message.trust {
            None | Some(Trust::Unopened) => None,
            Some(Trust::FirstContact) => Some(format!("first message of {from}; F4 compares keys")),
            Some(Trust::KeyChanged) => Some(format!(
                "warning: {from}'s key changed, so somebody else may have written this; F4 compares keys"
            )),
        }
    }

    /// Why it did not go out, where it did not.
    pub(crate) fn failure(&self) -> Option<String> {
        let reason = || self.message.reason.as_deref().map(clean_line);
        match (self.author(), self.message.state) {
            (Author::Us, State::Refused) => {
                Some(format!("not sent: {}", reason().unwrap_or_else(|| "refused".into())))
            }
            (Author::Us, State::Cancelled) => Some("not sent: taken back".into()),
            (Author::Us, State::Expired) => Some("not sent: it expired on this machine".into()),
            (Author::Us, State::Queued) => reason(),
            (Author::Us | Author::Peer, _) => None,
        }
    }
}
