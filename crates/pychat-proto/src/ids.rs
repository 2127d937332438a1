//! Names and numbers, each a type of its own and parsed once, at the edge.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A user's unique name: 1 to 32 of `a-z 0-9 . _ -`. Kept in place, as it is copied with every message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName {
    /// Padded with zeros, which are in no name: so names compare as their texts do.
    bytes: [u8; UserName::CHARS_MAX],
    len: u8,
}

/// Why a text is no [`UserName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserName {
    /// Nothing was given.
    #[error("a user name cannot be empty")]
    Empty,
    /// More than [`UserName::CHARS_MAX`] characters.
    #[error("a user name has at most 32 characters, this one has {0}")]
    TooLong(usize),
    /// A character outside `a-z 0-9 . _ -`.
    #[error("a user name is made of a-z, 0-9, '.', '_' and '-', not of {0:?}")]
    Character(char),
}

impl UserName {
    /// The most characters in a name.
    pub const CHARS_MAX: usize = 32;

    /// Checks `text` and takes it as a name.
    ///
    /// # Errors
    /// Says what is wrong with the text, for a person to read.
    pub fn parse(text: &str) -> Result<Self, InvalidUserName> {
        if text.is_empty() {
            return Err(InvalidUserName::Empty);
        }
        let allowed = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if let Some(at) = text.bytes().position(|c| !allowed(c)) {
            // All before it are of one byte: here a character begins.
            let bad = text[at..].chars().next().expect("something is there");
            return Err(InvalidUserName::Character(bad));
        }
        let mut bytes = [0; Self::CHARS_MAX];
        let Some(place) = bytes.get_mut(..text.len()) else {
            return Err(InvalidUserName::TooLong(text.len()));
        };
        place.copy_from_slice(text.as_bytes());
        Ok(Self { bytes, len: text.len() as u8 })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("a name is plain ASCII")
    }
}

/// What a user is called on screen: up to 64 characters, no controls; may be empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisplayName(Box<str>);

/// Why a text is no [`DisplayName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDisplayName {
    /// More than [`DisplayName::CHARS_MAX`] characters.
    #[error("a display name has at most 64 characters, this one has {0}")]
    TooLong(usize),
    /// A control character, or one that turns the direction of text.
    #[error("a display name cannot hold the control character U+{:04X}", u32::from(*.0))]
    Control(char),
}

impl DisplayName {
    /// The most characters in a display name.
    pub const CHARS_MAX: usize = 64;

    /// Checks `text` and takes it as a display name.
    ///
    /// # Errors
    /// Says what is wrong with the text, for a person to read.
    pub fn parse(text: &str) -> Result<Self, InvalidDisplayName> {
        let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if let Some(bad) = text.chars().find(|c| c.is_control() || turns(*c)) {
            return Err(InvalidDisplayName::Control(bad));
        }
        let count = text.chars().count();
        if count > Self::CHARS_MAX {
            return Err(InvalidDisplayName::TooLong(count));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_type {
    ($name:ident, $error:ident) => {
        impl FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                Self::parse(text)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a name")
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        <$name>::parse(text).map_err(E::custom)
                    }
                }
                from.deserialize_str(Text)
            }
        }
    };
}
text_type!(UserName, InvalidUserName);
text_type!(DisplayName, InvalidDisplayName);

/// A message's identity, minted by its sender: a ULID (time, then randomness), 26 characters.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId([u8; 16]);

/// Why a text is no [`MessageId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a message id: an id has 26 characters of 0-9 and A-Z")]
pub struct InvalidMessageId(String);

impl MessageId {
    /// Mints an id from the time in milliseconds since 1970 and ten random bytes.
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// Takes the sixteen bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = InvalidMessageId;
    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        ulid::Ulid::from_string(text)
            .map(|id| Self(id.to_bytes()))
            .map_err(|_| InvalidMessageId(text.chars().take(40).collect()))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; ulid::ULID_LEN];
        f.pad(ulid::Ulid::from_bytes(self.0).array_to_str(&mut buffer))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One outbox's durable stream of records, minted at random with a fresh database. A wiped or copied
/// database mints a new one.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId(pub [u8; 16]);

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// Before the first.
            pub const NONE: Self = Self(0);
            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
number_type! {
    /// A record's number on its lane: dense, from 1. Zero is "none yet".
    Seq
}
number_type! {
    /// A place in a user's mailbox: ascending, never reused; zero is before the first entry.
    Cursor
}

/// A lane: one ordered sequence of records within a session. Lane 0 is chat.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Lane(pub u8);

impl Lane {
    /// Messages and receipts.
    pub const CHAT: Self = Self(0);
}

/// Whether somebody waits for a message to arrive.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Urgency {
    /// A person may wait for it, and for the word that it is safe.
    Normal,
    /// Nobody waits: that it arrived, and that it is safe, is told in company.
    Low,
}

/// Names a session to its receiver. On the server the first byte is the shard.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

macro_rules! code_type {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A code of a later version.
            Unknown(u16),
        }
        impl $name {
            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$variant => $number,)* Self::Unknown(code) => code }
            }
            /// The meaning of a number on the wire.
            #[must_use]
            pub const fn from_code(code: u16) -> Self {
                match code { $($number => Self::$variant,)* other => Self::Unknown(other) }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$variant => f.pad($text),)* Self::Unknown(code) => write!(f, "code {code}") }
            }
        }
    };
}
code_type! {
    /// Why a session was closed or a login refused. docs/PROTOCOL.md, "Codes".
    CloseCode {
        /// An orderly goodbye.
        Bye = 0 => "closed",
        /// The server restarts: come back after the given time.
        Restarting = 1 => "the server restarts",
        /// Silence for longer than the idle timeout.
        Idle = 2 => "no sign of life",
        /// A newer session of the same device took over.
        Replaced = 3 => "replaced by a newer session",
        /// The peer broke the protocol.
        Protocol = 4 => "protocol violation",
        /// The user name belongs to another key.
        NameTaken = 5 => "the name belongs to another key",
        /// Registration is closed, or an invite is missing.
        NotPermitted = 6 => "not permitted",
        /// Too many logins or too much load: come back after the given time.
        Busy = 7 => "the server is busy",
        /// The server failed, a full disk for example: come back after the given time.
        ServerFault = 8 => "the server has a fault",
        /// Login parameters that make no sense, such as an absurd cursor.
        BadLogin = 9 => "bad login",
    }
}
code_type! {
    /// Why the server refuses one message. docs/PROTOCOL.md, "Codes".
    RefuseCode {
        /// Nobody has claimed the recipient's name.
        NoSuchUser = 1 => "no such user",
        /// The recipient's mailbox is full.
        MailboxFull = 2 => "the mailbox is full",
        /// The message cannot be read.
        Malformed = 3 => "the message is malformed",
        /// The sender may not write to this recipient.
        NotPermitted = 4 => "not permitted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_checked() {
        assert!(UserName::parse("a.b_c-9").is_ok());
        assert_eq!(UserName::parse(""), Err(InvalidUserName::Empty));
        assert_eq!(UserName::parse("Alice"), Err(InvalidUserName::Character('A')));
        assert_eq!(UserName::parse("a\n"), Err(InvalidUserName::Character('\n')));
        assert!(UserName::parse(&"x".repeat(32)).is_ok());
        assert_eq!(UserName::parse(&"x".repeat(33)), Err(InvalidUserName::TooLong(33)));
    }

    #[test]
    fn display_names_hold_no_controls() {
        assert!(DisplayName::parse("Zoë 🚢").is_ok());
        assert_eq!(DisplayName::parse("a\u{1b}[2J"), Err(InvalidDisplayName::Control('\u{1b}')));
        assert_eq!(DisplayName::parse("a\u{202e}b"), Err(InvalidDisplayName::Control('\u{202e}')));
        assert_eq!(DisplayName::parse(&"é".repeat(65)), Err(InvalidDisplayName::TooLong(65)));
    }

    #[test]
    fn message_ids_survive_their_text_form() {
        let id = MessageId::new(1_700_000_000_000, [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("nonsense".parse::<MessageId>().is_err());
    }
}
