//! Texts of both directions: history, inbox, and where our own ones are.

use super::{DatabaseError, Reader, Tx, from_sql, to_sql};
use pychat_control::{State, Trust};
use pychat_proto::{DisplayName, MessageId, UserName};
use rusqlite::{OptionalExtension, Row, params};

/// A message's place in the database: ascending in the order of arrival here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub i64);

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To us.
    In,
    /// From us.
    Out,
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Its place.
    pub row: RowId,
    /// Which way it goes.
    pub direction: Direction,
    /// Unique among its sender's messages.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: UserName,
    /// For whom.
    pub recipient: UserName,
    /// The sender's display name.
    pub sender_name: String,
    /// The text.
    pub body: String,
    /// On the sender's clock, in Unix milliseconds.
    pub sent_at: u64,
    /// When it was stored here; none for our own.
    pub received_at: Option<u64>,
    /// Where it is.
    pub state: State,
    /// The server's code, if it refused it.
    pub refused_code: Option<u16>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What is to be known of its sender's key.
    pub trust: Option<Trust>,
}

/// A text of ours, to be stored.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// Its id.
    pub id: MessageId,
    /// Us.
    pub sender: &'a UserName,
    /// Our display name.
    pub sender_name: &'a DisplayName,
    /// For whom.
    pub recipient: &'a UserName,
    /// The text.
    pub body: &'a str,
    /// In Unix milliseconds.
    pub sent_at: u64,
    /// The key given to `send`.
    pub client_key: Option<&'a str>,
}

/// A text of somebody's, to be stored.
#[derive(Clone, Debug)]
pub struct Incoming<'a> {
    /// Its id.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: &'a UserName,
    /// The sender's display name.
    pub sender_name: &'a DisplayName,
    /// Us.
    pub recipient: &'a UserName,
    /// The text.
    pub body: &'a str,
    /// On the sender's clock, in Unix milliseconds.
    pub sent_at: u64,
    /// Now.
    pub received_at: u64,
    /// What is to be known of its sender's key.
    pub trust: Option<Trust>,
}

/// Which unread messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Only those with this user.
    pub peer: Option<UserName>,
    /// Only those received after this time, in Unix milliseconds.
    pub since: Option<u64>,
    /// Go on from this one, which is not in the answer.
    pub from: Option<RowId>,
    /// At most this many.
    pub limit: usize,
}

/// Which messages of the history. From `before` or the end back, newest first; with `after`, from there
/// on, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Only those with this user.
    pub peer: Option<UserName>,
    /// Only those of this user.
    pub sender: Option<UserName>,
    /// Only those that came here, or were written here, at this time or later, in Unix milliseconds.
    pub since: Option<u64>,
    /// Only those that did so earlier.
    pub until: Option<u64>,
    /// Only those at a place before this one.
    pub before: Option<RowId>,
    /// Only those at a place after this one.
    pub after: Option<RowId>,
    /// At most this many.
    pub limit: usize,
}

/// A conversation and its latest message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationRow {
    /// The latest message.
    pub last: MessageRow,
    /// With whom.
    pub peer: UserName,
    /// What the peer called itself last, if it wrote lately.
    pub name: Option<String>,
}

/// What is unread of one sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadOf {
    /// The sender.
    pub sender: String,
    /// How many.
    pub count: u64,
    /// The first one.
    pub first: RowId,
}

/// How far back a peer's name is looked for in a conversation.
const NAME_LOOK_BACK: usize = 200;

/// When message `m` came here, or was written here.
pub(super) const TIME: &str = "coalesce(m.received_at, m.sent_at)";

/// Whether message `m` is the second row of one to oneself: as our own it is there once, where we know
/// of it.
pub(super) const TWICE: &str =
    "m.direction = 'in' AND m.sender = m.recipient AND EXISTS (SELECT 1 FROM messages AS own
     WHERE own.message_id = m.message_id AND own.sender = m.sender AND own.direction = 'out')";

/// [`COLUMNS`] of a table that goes by another name.
pub(super) fn columns_of(table: &str) -> String {
    COLUMNS.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
}

pub(super) const COLUMNS: &str = "id, direction, message_id, sender, recipient, sender_name, body, sent_at, \
                       received_at, state, refused_code, reason, trust";

impl MessageRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Result<Self, DatabaseError>> {
        let text = |index: usize| row.get::<_, String>(index);
        let (direction, id, sender, recipient) = (text(1)?, text(2)?, text(3)?, text(4)?);
        let state = text(9)?;
        let (sender_name, body) = (text(5)?, text(6)?);
        let (row_id, sent_at, received_at) =
            (row.get(0)?, row.get(7)?, row.get::<_, Option<i64>>(8)?);
        let (refused_code, reason) = (row.get(10)?, row.get(11)?);
        let trust: Option<String> = row.get(12)?;
        let parse = || {
            Ok(Self {
                row: RowId(row_id),
                direction: if direction == "out" { Direction::Out } else { Direction::In },
                id: id.parse().map_err(|_| DatabaseError::column("message_id"))?,
                sender: sender.parse().map_err(|_| DatabaseError::column("sender"))?,
                recipient: recipient.parse().map_err(|_| DatabaseError::column("recipient"))?,
                sender_name,
                body,
                sent_at: from_sql(sent_at),
                received_at: received_at.map(from_sql),
                state: state_of(&state).ok_or_else(|| DatabaseError::column("state"))?,
                refused_code,
                reason,
                trust: match trust {
                    Some(word) => {
                        Some(trust_of(&word).ok_or_else(|| DatabaseError::column("trust"))?)
                    }
                    None => None,
                },
            })
        };
        Ok(parse())
    }
}

impl Reader<'_> {
    /// The message at a place.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn message(&self, row: RowId) -> Result<Option<MessageRow>, DatabaseError> {
        self.one(&format!("SELECT {COLUMNS} FROM messages WHERE id = ?1"), [row.0])
    }

    /// Our own message of that id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn outgoing(&self, id: MessageId) -> Result<Option<MessageRow>, DatabaseError> {
        self.one(
            &format!(
                "SELECT {COLUMNS} FROM messages WHERE message_id = ?1 AND direction = 'out'
                 ORDER BY id DESC LIMIT 1"
            ),
            [id.to_string()],
        )
    }

    /// Our own message that was sent with that key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn keyed(&self, client_key: &str) -> Result<Option<MessageRow>, DatabaseError> {
        self.one(&format!("SELECT {COLUMNS} FROM messages WHERE client_key = ?1"), [client_key])
    }

    /// Others' messages of that id: ids are unique only among one sender's.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn incoming(&self, id: MessageId) -> Result<Vec<MessageRow>, DatabaseError> {
        self.many(
            &format!(
                "SELECT {COLUMNS} FROM messages WHERE message_id = ?1 AND direction = 'in'
                 ORDER BY id"
            ),
            [id.to_string()],
        )
    }

    /// Unread messages, oldest first, those after `slice.from`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn unread(&self, slice: &Slice) -> Result<Vec<MessageRow>, DatabaseError> {
        self.many(
            &format!(
                "SELECT {COLUMNS} FROM messages WHERE state = 'unread' AND id > ?1
                 AND (?2 IS NULL OR peer = ?2) AND (?3 IS NULL OR received_at > ?3)
                 ORDER BY id LIMIT ?4"
            ),
            params![
                slice.from.map_or(0, |row| row.0),
                slice.peer.as_ref().map(UserName::as_str),
                slice.since.map(to_sql),
                to_sql(slice.limit as u64),
            ],
        )
    }

    /// Messages of both directions.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn history(&self, stretch: &Stretch) -> Result<Vec<MessageRow>, DatabaseError> {
        let of_peer = if stretch.peer.is_some() { "m.peer = ?1" } else { "?1 IS NULL" };
        let order = if stretch.after.is_some() { "ASC" } else { "DESC" };
        self.many(
            &format!(
                "SELECT {COLUMNS} FROM messages AS m
                 WHERE {of_peer} AND m.id > ?2 AND m.id < ?3 AND (?4 IS NULL OR m.sender = ?4)
                 AND (?5 IS NULL OR {TIME} >= ?5) AND (?6 IS NULL OR {TIME} < ?6) AND NOT ({TWICE})
                 ORDER BY m.id {order} LIMIT ?7"
            ),
            params![
                stretch.peer.as_ref().map(UserName::as_str),
                stretch.after.map_or(0, |row| row.0),
                stretch.before.map_or(i64::MAX, |row| row.0),
                stretch.sender.as_ref().map(UserName::as_str),
                stretch.since.map(to_sql),
                stretch.until.map(to_sql),
                to_sql(stretch.limit as u64),
            ],
        )
    }

    /// Conversations whose latest message stands before `before`, the latest first, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn conversations(
        &self,
        before: Option<RowId>,
        limit: usize,
    ) -> Result<Vec<ConversationRow>, DatabaseError> {
        // From peer to peer through the index; a `GROUP BY` would read all of it.
        let mut select = self.connection.prepare_cached(
            "WITH RECURSIVE peers (peer) AS (
                 SELECT min(peer) FROM messages
                 UNION ALL
                 SELECT (SELECT min(peer) FROM messages WHERE peer > peers.peer)
                 FROM peers WHERE peers.peer IS NOT NULL)
             SELECT peer, (SELECT max(id) FROM messages WHERE messages.peer = peers.peer) AS last
             FROM peers WHERE peer IS NOT NULL AND last < ?1 ORDER BY last DESC LIMIT ?2",
        )?;
        let before = before.map_or(i64::MAX, |row| row.0);
        let found = select
            .query_map((before, to_sql(limit as u64)), |row| {
                Ok((row.get::<_, String>(0)?, RowId(row.get(1)?)))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut conversations = Vec::with_capacity(found.len());
        for (peer, last) in found {
            let Some(last) = self.message(last)? else { continue };
            let name = self.name_of_peer(&peer)?;
            let peer = peer.parse().map_err(|_| DatabaseError::column("peer"))?;
            conversations.push(ConversationRow { last, peer, name });
        }
        Ok(conversations)
    }

    fn name_of_peer(&self, peer: &str) -> Result<Option<String>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT sender_name FROM
                 (SELECT sender_name, direction FROM messages WHERE peer = ?1 ORDER BY id DESC LIMIT ?2)
             WHERE direction = 'in' LIMIT 1",
        )?;
        let name = select.query_one((peer, to_sql(NAME_LOOK_BACK as u64)), |row| row.get(0));
        Ok(name.optional()?)
    }

    /// Names of conversations' peers that begin with `prefix`, in order, at most `limit`. Whom every
    /// message was refused to may not exist.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn peers(&self, prefix: &str, limit: usize) -> Result<Vec<String>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "WITH RECURSIVE peers (peer) AS (
                 SELECT min(peer) FROM messages WHERE peer >= ?1
                 UNION ALL
                 SELECT (SELECT min(peer) FROM messages WHERE peer > peers.peer)
                 FROM peers WHERE substr(peers.peer, 1, length(?1)) = ?1)
             SELECT peer FROM peers WHERE substr(peer, 1, length(?1)) = ?1
             AND EXISTS (SELECT 1 FROM messages
                         WHERE messages.peer = peers.peer AND state <> 'refused') LIMIT ?2",
        )?;
        let rows = select.query_map((prefix, to_sql(limit as u64)), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is unread, by sender, the most first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn unread_by_sender(&self) -> Result<Vec<UnreadOf>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT sender, count(*) AS n, min(id) FROM messages WHERE state = 'unread'
             GROUP BY sender ORDER BY n DESC, sender",
        )?;
        let rows = select.query_map((), |row| {
            let first = RowId(row.get(2)?);
            Ok(UnreadOf { sender: row.get(0)?, count: from_sql(row.get(1)?), first })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many messages are unread.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn unread_count(&self) -> Result<u64, DatabaseError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT count(*) FROM messages WHERE state = 'unread'")?;
        Ok(select.query_one((), |row| row.get(0)).map(from_sql)?)
    }

    fn one(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Option<MessageRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(sql)?;
        select.query_one(params, MessageRow::read).optional()?.transpose()
    }

    pub(super) fn many(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<MessageRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(sql)?;
        let rows = select.query_map(params, MessageRow::read)?;
        rows.map(|row| row?).collect()
    }
}

impl Tx<'_> {
    /// Stores a text of ours, as queued.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn insert_outgoing(&self, message: &Outgoing<'_>) -> Result<RowId, DatabaseError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO messages (direction, message_id, sender, recipient, peer, sender_name, body,
                                   sent_at, state, client_key)
             VALUES ('out', ?1, ?2, ?3, ?3, ?4, ?5, ?6, 'queued', ?7)",
        )?;
        let row = insert.insert(params![
            message.id.to_string(),
            message.sender.as_str(),
            message.recipient.as_str(),
            message.sender_name.as_str(),
            message.body,
            to_sql(message.sent_at),
            message.client_key,
        ])?;
        Ok(RowId(row))
    }

    /// Stores a text of somebody's, as unread. `None`: it was stored before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn insert_incoming(&self, message: &Incoming<'_>) -> Result<Option<RowId>, DatabaseError> {
        #[cfg(feature = "sabotage")]
        self.forget_incoming(message.id)?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO messages (direction, message_id, sender, recipient, peer, sender_name, body,
                                   sent_at, received_at, state, trust)
             VALUES ('in', ?1, ?2, ?3, ?2, ?4, ?5, ?6, ?7, 'unread', ?8)
             ON CONFLICT (message_id, sender, direction) DO NOTHING",
        )?;
        let inserted = insert.execute(params![
            message.id.to_string(),
            message.sender.as_str(),
            message.recipient.as_str(),
            message.sender_name.as_str(),
            message.body,
            to_sql(message.sent_at),
            to_sql(message.received_at),
            message.trust.map(trust_word),
        ])?;
        Ok((inserted == 1).then(|| RowId(self.connection.last_insert_rowid())))
    }

    /// Takes the id of a text away, so that another one may have it, if this thread breaks that
    /// promise.
    #[cfg(feature = "sabotage")]
    fn forget_incoming(&self, id: MessageId) -> Result<(), DatabaseError> {
        use pychat_proto::sabotage::{Sabotage, is_broken};
        if is_broken(Sabotage::DropDedup) {
            let other = MessageId::from_bytes([0; 16]).to_string();
            self.connection.execute(
                "UPDATE OR IGNORE messages SET message_id = ?2 WHERE message_id = ?1 AND direction = 'in'",
                params![id.to_string(), other],
            )?;
        }
        Ok(())
    }

    /// Moves a message to a state.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_state(&self, row: RowId, state: State) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("UPDATE messages SET state = ?2 WHERE id = ?1")?
            .execute((row.0, name_of(state)))?;
        Ok(())
    }

    /// Writes down why a message was refused.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_refusal(&self, row: RowId, code: u16, reason: &str) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached("UPDATE messages SET refused_code = ?2, reason = ?3 WHERE id = ?1")?
            .execute((row.0, code, reason))?;
        Ok(())
    }

    /// What is still in the outbox is to be sent under another name.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn rename_queued(&self, user: &UserName, name: &DisplayName) -> Result<(), DatabaseError> {
        self.connection.execute(
            "UPDATE messages SET sender = ?1, sender_name = ?2 WHERE id IN
                 (SELECT message FROM outbox WHERE message IS NOT NULL AND committed_at IS NULL
                  UNION SELECT message FROM waiting)",
            (user.as_str(), name.as_str()),
        )?;
        Ok(())
    }
}

const STATES: [(State, &str); 8] = [
    (State::Queued, "queued"),
    (State::Accepted, "accepted"),
    (State::Delivered, "delivered"),
    (State::Read, "read"),
    (State::Refused, "refused"),
    (State::Cancelled, "cancelled"),
    (State::Expired, "expired"),
    (State::Unread, "unread"),
];

pub(super) fn name_of(state: State) -> &'static str {
    STATES.iter().find(|(of, _)| *of == state).map_or("queued", |(_, name)| name)
}

pub(super) fn state_of(name: &str) -> Option<State> {
    STATES.iter().find(|(_, of)| *of == name).map(|(state, _)| *state)
}

const TRUST: [(Trust, &str); 3] = [
    (Trust::FirstContact, "first_contact"),
    (Trust::KeyChanged, "key_changed"),
    (Trust::Unopened, "unopened"),
];

pub(super) fn trust_word(trust: Trust) -> &'static str {
    TRUST.iter().find(|(of, _)| *of == trust).map_or("unopened", |(_, word)| word)
}

fn trust_of(word: &str) -> Option<Trust> {
    TRUST.iter().find(|(_, of)| *of == word).map(|(trust, _)| *trust)
}
