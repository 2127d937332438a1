//! Keys: our device, whom we know, and the sessions with them.

use super::{DatabaseError, Reader, Tx, from_sql, to_sql};
use pychat_e2e::{Damaged, Device, DeviceKey, Prekey, Session, Vault};
use pychat_proto::{PublicKey, UserName, chat::UnixMillis};
use rusqlite::{OptionalExtension, Row, params};

/// Our device as it is stored.
#[derive(Debug)]
pub struct DeviceRow {
    /// The device; `None` if what is stored does not open.
    pub device: Result<Device, Damaged>,
    /// Whose name its signature holds for.
    pub user: UserName,
    /// The device key as it is published.
    pub signed: DeviceKey,
    /// The fallback key as it is published.
    pub fallback: Prekey,
    /// When it was made, in Unix milliseconds.
    pub fallback_at: UnixMillis,
    /// The number of the first one-time key that may not be at the server yet.
    pub batch_first: u64,
}

/// Somebody whom we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The user name.
    pub user: UserName,
    /// The pinned login key.
    pub login: PublicKey,
    /// Of the newest device key that the pinned key signed.
    pub since: UnixMillis,
    /// Another login key that presented itself and is not trusted.
    pub offered: Option<PublicKey>,
    /// When that one was seen first.
    pub changed_at: Option<UnixMillis>,
    /// When the safety number was compared.
    pub verified_at: Option<UnixMillis>,
    /// When the key was pinned.
    pub pinned_at: UnixMillis,
}

/// A session as it is stored.
#[derive(Debug)]
pub struct SessionRow {
    /// The session.
    pub session: Session,
    /// The login key that it was begun with.
    pub login: PublicKey,
}

/// Sessions kept of one contact: each side may begin one at the same time, and again after a loss. The one
/// that was used least lately goes.
pub const SESSIONS_PER_CONTACT_MAX: usize = 5;

pub(super) const CONTACT: &str = "user, login, since, offered, changed_at, verified_at, pinned_at";

impl Contact {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Result<Self, DatabaseError>> {
        let user: String = row.get(0)?;
        let (login, since) = (PublicKey(row.get(1)?), from_sql(row.get(2)?));
        let offered = row.get::<_, Option<[u8; 32]>>(3)?.map(PublicKey);
        let time =
            |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(from_sql));
        let (changed_at, verified_at) = (time(4)?, time(5)?);
        let pinned_at = from_sql(row.get(6)?);
        let user = user.parse().map_err(|_| DatabaseError::column("user"));
        Ok(user.map(|user| Self {
            user,
            login,
            since,
            offered,
            changed_at,
            verified_at,
            pinned_at,
        }))
    }
}

impl Reader<'_> {
    /// Our device, once there is one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn device(&self, vault: &Vault) -> Result<Option<DeviceRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT account, user, signed, fallback, fallback_at, batch_first FROM device",
        )?;
        let row = select.query_one((), |row| {
            let user: String = row.get(1)?;
            let (signed, fallback): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
            let account: Vec<u8> = row.get(0)?;
            let (fallback_at, batch_first) = (from_sql(row.get(4)?), from_sql(row.get(5)?));
            let parse = || {
                let user = user.parse().map_err(|_| DatabaseError::column("user"))?;
                let signed =
                    DeviceKey::from_disk(&signed).map_err(|_| DatabaseError::column("signed"))?;
                let fallback =
                    Prekey::from_disk(&fallback).map_err(|_| DatabaseError::column("fallback"))?;
                let device = Device::open(vault, &account);
                Ok(DeviceRow { device, user, signed, fallback, fallback_at, batch_first })
            };
            Ok(parse())
        });
        row.optional()?.transpose()
    }

    /// Our device key as it is published, and for which user name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn device_key(&self) -> Result<Option<(UserName, DeviceKey)>, DatabaseError> {
        let mut select = self.connection.prepare_cached("SELECT user, signed FROM device")?;
        let row = select
            .query_one((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .optional()?;
        let parse = |(user, signed): (String, Vec<u8>)| {
            let user = user.parse().map_err(|_| DatabaseError::column("user"))?;
            let signed = DeviceKey::from_disk(&signed);
            Ok((user, signed.map_err(|_| DatabaseError::column("signed"))?))
        };
        row.map(parse).transpose()
    }

    /// Somebody at a server.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn contact(
        &self,
        server: &PublicKey,
        user: &UserName,
    ) -> Result<Option<Contact>, DatabaseError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {CONTACT} FROM contacts WHERE server = ?1 AND user = ?2"
        ))?;
        select.query_one((server.0, user.as_str()), Contact::read).optional()?.transpose()
    }

    /// All whom we know at a server, in the order of their names, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn contacts(
        &self,
        server: &PublicKey,
        limit: usize,
    ) -> Result<Vec<Contact>, DatabaseError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {CONTACT} FROM contacts WHERE server = ?1 ORDER BY user LIMIT ?2"
        ))?;
        let rows = select.query_map((server.0, to_sql(limit as u64)), Contact::read)?;
        rows.map(|row| row?).collect()
    }

    /// Those of a server whose key changed and is not trusted, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn changed_contacts(
        &self,
        server: &PublicKey,
        limit: usize,
    ) -> Result<Vec<Contact>, DatabaseError> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {CONTACT} FROM contacts WHERE server = ?1 AND offered IS NOT NULL
             ORDER BY user LIMIT ?2"
        ))?;
        let rows = select.query_map((server.0, to_sql(limit as u64)), Contact::read)?;
        rows.map(|row| row?).collect()
    }

    /// Sessions with somebody, the one used last first. One that does not open any more is passed over:
    /// it is as good as lost, and a new one takes its place.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn sessions(
        &self,
        vault: &Vault,
        server: &PublicKey,
        user: &UserName,
    ) -> Result<Vec<SessionRow>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT login, state FROM sessions WHERE server = ?1 AND user = ?2 ORDER BY used DESC",
        )?;
        let rows = select.query_map((server.0, user.as_str()), |row| {
            Ok((PublicKey(row.get(0)?), row.get::<_, Vec<u8>>(1)?))
        })?;
        let mut sessions = Vec::new();
        for row in rows {
            let (login, state) = row?;
            match Session::from_disk(vault, &state) {
                Ok(session) => sessions.push(SessionRow { session, login }),
                Err(error) => {
                    tracing::error!(%error, "a session is damaged; a new one takes its place");
                }
            }
        }
        Ok(sessions)
    }

    /// The session to write to somebody with: the one used last of those begun with this login key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn session_for(
        &self,
        vault: &Vault,
        server: &PublicKey,
        contact: &Contact,
    ) -> Result<Option<Session>, DatabaseError> {
        let mut select = self.connection.prepare_cached(
            "SELECT state FROM sessions WHERE server = ?1 AND user = ?2 AND login = ?3
             ORDER BY used DESC LIMIT 1",
        )?;
        let params = (server.0, contact.user.as_str(), contact.login.0);
        let state = select.query_one(params, |row| row.get::<_, Vec<u8>>(0)).optional()?;
        Ok(state.and_then(|state| Session::from_disk(vault, &state).ok()))
    }
}

impl Tx<'_> {
    /// Stores our device in place of the one before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save_device(&self, vault: &Vault, row: &DeviceRow) -> Result<(), DatabaseError> {
        let Ok(device) = &row.device else { return Ok(()) };
        let mut upsert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO device
                 (id, account, user, signed, fallback, fallback_at, batch_first)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        upsert.execute(params![
            device.seal(vault),
            row.user.as_str(),
            row.signed.encode(),
            row.fallback.encode(),
            to_sql(row.fallback_at),
            to_sql(row.batch_first),
        ])?;
        Ok(())
    }

    /// Stores what is known of somebody.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save_contact(&self, server: &PublicKey, contact: &Contact) -> Result<(), DatabaseError> {
        let mut upsert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO contacts
                 (server, user, login, since, offered, changed_at, verified_at, pinned_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        upsert.execute(params![
            server.0,
            contact.user.as_str(),
            contact.login.0,
            to_sql(contact.since),
            contact.offered.map(|key| key.0),
            contact.changed_at.map(to_sql),
            contact.verified_at.map(to_sql),
            to_sql(contact.pinned_at),
        ])?;
        Ok(())
    }

    /// Stores a session that was just used, and drops what is beyond [`SESSIONS_PER_CONTACT_MAX`].
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save_session(
        &self,
        vault: &Vault,
        server: &PublicKey,
        user: &UserName,
        row: &SessionRow,
    ) -> Result<(), DatabaseError> {
        let mut upsert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO sessions (server, user, session, login, state, used)
             VALUES (?1, ?2, ?3, ?4, ?5,
                     (SELECT coalesce(max(used), 0) + 1 FROM sessions WHERE server = ?1 AND user = ?2))",
        )?;
        let SessionRow { session, login } = row;
        let state = session.to_disk(vault);
        upsert.execute(params![server.0, user.as_str(), session.id(), login.0, state])?;
        let mut drop = self.connection.prepare_cached(
            "DELETE FROM sessions WHERE server = ?1 AND user = ?2 AND session IN
                 (SELECT session FROM sessions WHERE server = ?1 AND user = ?2
                  ORDER BY used DESC LIMIT -1 OFFSET ?3)",
        )?;
        drop.execute((server.0, user.as_str(), to_sql(SESSIONS_PER_CONTACT_MAX as u64)))?;
        Ok(())
    }

    /// Stores a session that only sealed: which one is used to write stays as it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn update_session(
        &self,
        vault: &Vault,
        server: &PublicKey,
        user: &UserName,
        session: &Session,
    ) -> Result<(), DatabaseError> {
        self.connection
            .prepare_cached(
                "UPDATE sessions SET state = ?4 WHERE server = ?1 AND user = ?2 AND session = ?3",
            )?
            .execute((server.0, user.as_str(), session.id(), session.to_disk(vault)))?;
        Ok(())
    }

    /// Drops all sessions with somebody that were begun with another login key.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn drop_other_sessions(
        &self,
        server: &PublicKey,
        user: &UserName,
        login: &PublicKey,
    ) -> Result<(), DatabaseError> {
        self.connection.execute(
            "DELETE FROM sessions WHERE server = ?1 AND user = ?2 AND login <> ?3",
            (server.0, user.as_str(), login.0),
        )?;
        Ok(())
    }

    /// The server has another key now, which the user trusts: the people there are the same.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn move_contacts(&self, from: &PublicKey, to: &PublicKey) -> Result<(), DatabaseError> {
        for table in ["contacts", "sessions"] {
            self.connection.execute(
                &format!("UPDATE OR REPLACE {table} SET server = ?2 WHERE server = ?1"),
                (from.0, to.0),
            )?;
        }
        Ok(())
    }
}
