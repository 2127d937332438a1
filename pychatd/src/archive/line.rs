//! The form of a line. Times are Unix milliseconds; keys are texts as in a join link.

use crate::db::{Contact, Direction, Kept, MessageRow, RowId, UnopenedRow, Waits};
use pychat_control::{KEY_CHARS_MAX, State, Trust};
use pychat_proto::{
    DisplayName, JoinLink, PublicKey, UserName,
    chat::{TEXT_BYTES_MAX, UnixMillis},
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, str::FromStr};

/// What any version says in its first line.
#[derive(Debug, Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeaderLine<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
    /// For people: RFC 3339.
    pub(super) exported_at: Cow<'a, str>,
    /// Which version of PyChat made it, for people.
    pub(super) pychat: Cow<'a, str>,
    pub(super) user: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    /// As a join link, with its key where it is known.
    pub(super) server: Cow<'a, str>,
}

/// Each further line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<'a> {
    /// The second one.
    #[serde(borrow)]
    Identity(IdentityLine<'a>),
    Contact(ContactLine<'a>),
    Unopened(UnopenedLine<'a>),
    Message(MessageLine<'a>),
    /// The last one.
    End(EndLine),
}

/// Borrowed, so that no copy of the secret stays in memory.
#[derive(Serialize, Deserialize)]
pub(super) struct IdentityLine<'a> {
    pub(super) key: &'a str,
}

impl std::fmt::Debug for IdentityLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentityLine(..)")
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ContactLine<'a> {
    #[serde(borrow)]
    server: Cow<'a, str>,
    user: Cow<'a, str>,
    login: Cow<'a, str>,
    since: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offered: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_at: Option<UnixMillis>,
    pinned_at: UnixMillis,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UnopenedLine<'a> {
    #[serde(borrow)]
    from: Cow<'a, str>,
    id: Cow<'a, str>,
    tries: u32,
    at: UnixMillis,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessageLine<'a> {
    direction: Way,
    #[serde(borrow)]
    id: Cow<'a, str>,
    from: Cow<'a, str>,
    to: Cow<'a, str>,
    name: Cow<'a, str>,
    body: Cow<'a, str>,
    sent_at: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received_at: Option<UnixMillis>,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust: Option<Trust>,
    /// The key given to `send`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    /// It is to be sent (again).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits: Option<WaitsLine>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WaitsLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<UnixMillis>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    In,
    Out,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndLine {
    pub(super) contacts: u64,
    pub(super) unopened: u64,
    pub(super) messages: u64,
}

/// What is wrong with a line; completes "line 17".
pub(super) type Wrong = &'static str;

fn parse<T: FromStr>(text: &str, wrong: Wrong) -> Result<T, Wrong> {
    text.parse().map_err(|_| wrong)
}

impl HeaderLine<'_> {
    pub(super) fn account(&self) -> Result<(UserName, DisplayName, JoinLink), Wrong> {
        Ok((
            parse(&self.user, "names no user")?,
            parse(&self.name, "has no display name")?,
            parse(&self.server, "names no server")?,
        ))
    }
}

impl<'a> ContactLine<'a> {
    pub(super) fn new(server: &PublicKey, contact: &'a Contact) -> Self {
        Self {
            server: server.to_string().into(),
            user: contact.user.as_str().into(),
            login: contact.login.to_string().into(),
            since: contact.since,
            offered: contact.offered.map(|key| key.to_string().into()),
            changed_at: contact.changed_at,
            verified_at: contact.verified_at,
            pinned_at: contact.pinned_at,
        }
    }

    pub(super) fn parse(&self) -> Result<(PublicKey, Contact), Wrong> {
        const KEY: Wrong = "holds no key";
        let offered = self.offered.as_ref().map(|key| parse(key, KEY)).transpose()?;
        let contact = Contact {
            user: parse(&self.user, "names no user")?,
            login: parse(&self.login, KEY)?,
            since: self.since,
            offered,
            changed_at: self.changed_at,
            verified_at: self.verified_at,
            pinned_at: self.pinned_at,
        };
        Ok((parse(&self.server, KEY)?, contact))
    }
}

impl<'a> UnopenedLine<'a> {
    pub(super) fn new(row: &'a UnopenedRow) -> Self {
        let (from, id) = (row.sender.as_str().into(), row.id.to_string().into());
        Self { from, id, tries: row.tries, at: row.at }
    }

    pub(super) fn parse(&self) -> Result<UnopenedRow, Wrong> {
        Ok(UnopenedRow {
            sender: parse(&self.from, "names no user")?,
            id: parse(&self.id, "has no id")?,
            tries: self.tries,
            at: self.at,
        })
    }
}

impl<'a> MessageLine<'a> {
    pub(super) fn new(kept: &'a Kept) -> Self {
        let Kept { row, client_key, waits } = kept;
        Self {
            direction: match row.direction {
                Direction::In => Way::In,
                Direction::Out => Way::Out,
            },
            id: row.id.to_string().into(),
            from: row.sender.as_str().into(),
            to: row.recipient.as_str().into(),
            name: row.sender_name.as_str().into(),
            body: row.body.as_str().into(),
            sent_at: row.sent_at,
            received_at: row.received_at,
            state: row.state,
            refused_code: row.refused_code,
            reason: row.reason.as_deref().map(Into::into),
            trust: row.trust,
            key: client_key.as_deref().map(Into::into),
            waits: waits.map(|Waits { expires_at }| WaitsLine { expires_at }),
        }
    }

    pub(super) fn parse(self) -> Result<Kept, Wrong> {
        if self.body.len() > TEXT_BYTES_MAX {
            return Err("holds a text that is too long");
        }
        if self.key.as_ref().is_some_and(|key| key.chars().count() > KEY_CHARS_MAX) {
            return Err("holds a key that is too long");
        }
        let is_unread = self.state == State::Unread;
        let direction = match self.direction {
            Way::In if is_unread || self.state == State::Read => Direction::In,
            Way::Out if !is_unread => Direction::Out,
            Way::In | Way::Out => return Err("has a state that does not fit its direction"),
        };
        let fits = match direction {
            Direction::In => self.key.is_none() && self.waits.is_none(),
            Direction::Out => self.trust.is_none() && self.received_at.is_none(),
        };
        if !fits {
            return Err("says what there is only of the other direction");
        }
        // A queued one that does not wait would never be sent.
        let waits = match self.waits {
            Some(WaitsLine { expires_at }) => Some(Waits { expires_at }),
            None if self.state == State::Queued => Some(Waits { expires_at: None }),
            None => None,
        };
        let name: DisplayName = parse(&self.name, "has no display name")?;
        let row = MessageRow {
            row: RowId(0),
            direction,
            id: parse(&self.id, "has no id")?,
            sender: parse(&self.from, "names no sender")?,
            recipient: parse(&self.to, "names no recipient")?,
            sender_name: name.as_str().to_owned(),
            body: self.body.into_owned(),
            sent_at: self.sent_at,
            received_at: self.received_at,
            state: self.state,
            refused_code: self.refused_code,
            reason: self.reason.map(Cow::into_owned),
            trust: self.trust,
        };
        Ok(Kept { row, client_key: self.key.map(Cow::into_owned), waits })
    }
}
