//! What happens, as subscribers are told.

use super::{Contact, Link, Message, State, User};
use serde::{Deserialize, Serialize};

/// Parameters of `subscribe`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeParams {
    /// First everything after this event; without, from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// From where events follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// The last event before those that follow.
    pub cursor: u64,
}

/// The last notification of a subscription, of method `cut_off`: the client read too slowly.
/// `subscribe` with `after` set to this cursor goes on without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// The last event before those that were not sent.
    pub cursor: u64,
    /// Why, for a person.
    pub message: String,
}

/// Something that happened, pushed to subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Ascending over restarts; absent for events that are not kept (`connection`, `presence`,
    /// `contact`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    /// When.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub what: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A message arrived.
    Message {
        /// The message.
        message: Message,
    },
    /// A message of ours changed its state.
    State {
        /// Which.
        id: String,
        /// The new state.
        state: State,
        /// Why it was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A message to us was shown, here or in another program.
    Shown {
        /// The sender.
        from: String,
        /// The message id.
        id: String,
    },
    /// The link to the server changed.
    Connection {
        /// The new state.
        state: Link,
    },
    /// A user came, went or fell silent.
    Presence {
        /// Who.
        user: User,
    },
    /// The server's operator tells all who are there something.
    ServerNotice {
        /// What.
        text: String,
    },
    /// Somebody's key was pinned, verified or trusted, or another one presents itself.
    Contact {
        /// As it is now.
        contact: Contact,
    },
}
