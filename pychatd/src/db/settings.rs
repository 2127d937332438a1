//! Who we are, where the server is, and how far both directions have come.

use super::{DatabaseError, Reader, Tx, from_sql, to_sql};
use pychat_e2e::DeviceKey;
use pychat_proto::{Cursor, DisplayName, JoinLink, Place, PublicKey, Seq, StreamId, UserName};
use rusqlite::{Row, params};
use std::time::Duration;

/// The one row of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Set by the first `connect`.
    pub account: Option<Account>,
    /// The outbox's next free record number.
    pub next_seq: Seq,
    /// The last record of ours that the server holds.
    pub committed: Seq,
    /// The last mailbox entry that is stored here.
    pub cursor: Cursor,
    /// Connect, now and after each restart.
    pub wants_link: bool,
    /// The round trip measured last.
    pub rtt_hint: Option<Duration>,
    /// When another machine was seen to have published keys for this identity, in Unix milliseconds.
    pub other_machine_at: Option<u64>,
    /// Where the server's nodes are, as it told last; at most [`pychat_proto::chat::NODES_MAX`].
    pub nodes: Vec<Place>,
}

/// A user at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user name.
    pub user: UserName,
    /// The display name.
    pub name: DisplayName,
    /// The server; its key, once there is one, is pinned.
    pub server: JoinLink,
    /// The outbox's stream.
    pub stream: StreamId,
    /// Whether this user ever logged in at this server.
    pub logged_in: bool,
}

/// What the daemon keeps in memory of what is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The settings.
    pub settings: Settings,
    /// Texts that the server does not hold yet and that were not given up, those that wait for keys too.
    pub queued: u64,
    /// Our device key as it is published, and for which user name; none before the first account.
    pub device: Option<(UserName, DeviceKey)>,
}

impl Reader<'_> {
    /// What is to be kept in memory.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn stored(&self) -> Result<Stored, DatabaseError> {
        let settings = self.settings()?;
        let queued = self.count_queued()? + self.count_waiting()?;
        let device = self.device_key()?;
        Ok(Stored { settings, queued, device })
    }

    /// The settings alone.
    pub(super) fn settings(&self) -> Result<Settings, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT user, name, host, port, more_hosts, nodes, server_key, stream, logged_in, next_seq, committed_seq,
                    cursor, wants_link, rtt_hint_us, other_machine_at FROM settings WHERE id = 1",
        )?;
        select.query_one((), |row| {
            Ok(Self::account(row).and_then(|account| {
                Ok(Settings {
                    nodes: places(row, "nodes")?,
                    account,
                    next_seq: Seq(from_sql(row.get("next_seq")?)),
                    committed: Seq(from_sql(row.get("committed_seq")?)),
                    cursor: Cursor(from_sql(row.get("cursor")?)),
                    wants_link: row.get("wants_link")?,
                    rtt_hint: row
                        .get::<_, Option<i64>>("rtt_hint_us")?
                        .map(|micros| Duration::from_micros(from_sql(micros))),
                    other_machine_at: row.get::<_, Option<i64>>("other_machine_at")?.map(from_sql),
                })
            }))
        })?
    }

    fn account(row: &Row<'_>) -> Result<Option<Account>, DatabaseError> {
        let Some(user) = row.get::<_, Option<String>>("user")? else {
            return Ok(None);
        };
        Ok(Some(Account {
            user: user.parse().map_err(|_| DatabaseError::column("user"))?,
            name: row
                .get::<_, String>("name")?
                .parse()
                .map_err(|_| DatabaseError::column("name"))?,
            server: server(row)?,
            stream: StreamId(row.get("stream")?),
            logged_in: row.get("logged_in")?,
        }))
    }
}

fn server(row: &Row<'_>) -> Result<JoinLink, DatabaseError> {
    let host: String = row.get("host")?;
    let first = Place::new(&host, row.get("port")?).map_err(|_| DatabaseError::column("host"))?;
    let mut all = vec![first];
    all.append(&mut places(row, "more_hosts")?);
    let key = row.get::<_, Option<[u8; 32]>>("server_key")?.map(PublicKey);
    JoinLink::to_places(all, key).map_err(|_| DatabaseError::column("more_hosts"))
}

fn places(row: &Row<'_>, column: &'static str) -> Result<Vec<Place>, DatabaseError> {
    let text: String = row.get(column)?;
    let named = text.split(',').filter(|place| !place.is_empty());
    named.map(|place| place.parse().map_err(|_| DatabaseError::column(column))).collect()
}

fn listed<'a>(places: impl IntoIterator<Item = &'a Place>) -> String {
    places.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl Tx<'_> {
    /// Writes all settings.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn save_settings(&self, settings: &Settings) -> Result<(), DatabaseError> {
        let account = settings.account.as_ref();
        let mut update = self.connection.prepare_cached(
            "UPDATE settings SET user = ?1, name = ?2, host = ?3, port = ?4, server_key = ?5,
                    stream = ?6, logged_in = ?7, next_seq = ?8, committed_seq = ?9, cursor = ?10,
                    wants_link = ?11, rtt_hint_us = ?12, other_machine_at = ?13,
                    more_hosts = ?14, nodes = ?15
             WHERE id = 1",
        )?;
        update.execute(params![
            account.map(|account| account.user.as_str()),
            account.map(|account| account.name.as_str()),
            account.map(|account| account.server.first().host()),
            account.map(|account| account.server.first().port()),
            account.and_then(|account| account.server.key).map(|key| key.0),
            account.map(|account| account.stream.0),
            account.is_some_and(|account| account.logged_in),
            to_sql(settings.next_seq.0),
            to_sql(settings.committed.0),
            to_sql(settings.cursor.0),
            settings.wants_link,
            settings.rtt_hint.map(|rtt| i64::try_from(rtt.as_micros()).unwrap_or(i64::MAX)),
            settings.other_machine_at.map(to_sql),
            account.map_or_else(String::new, |account| listed(account.server.others())),
            listed(&settings.nodes),
        ])?;
        Ok(())
    }
}
