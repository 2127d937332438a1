//! Users' end-to-end keys: one row for each, read when it is asked for and not kept.
//!
//! A batch changes copies of the rows, so that its later commands see the earlier ones. They are
//! written with it and dropped after it, whatever came of it: there is nothing to take back.

use super::{load::damaged, memory::UserId};
use crate::store::keys::{DeviceKey, Keys, PREKEY_NUMBER_MAX, Packed, Prekey, no_device};
use pychat_proto::chat::{OwnKeys, UserKeys};
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::collections::BTreeMap;

/// The rows that a batch has read. Bounded by the batch, which is weighed with what each may take.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<UserId, Row>);

#[derive(Debug)]
struct Row {
    /// None before the user's first device.
    keys: Option<Keys>,
    changed: bool,
}

impl Rows {
    /// Nothing of them has to be written.
    pub(super) fn are_unchanged(&self) -> bool {
        !self.0.values().any(|row| row.changed)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Sets a user's device and its fallback key; another device than before begins anew.
    pub(super) fn publish_device(
        &mut self,
        connection: &Connection,
        user: UserId,
        device: &DeviceKey,
        fallback: &Prekey,
    ) -> Result<OwnKeys> {
        let row = self.of(connection, user)?;
        row.changed |= Keys::publish_device(&mut row.keys, device, fallback);
        Ok(row.own())
    }

    /// Adds those of the keys whose number is new and for which there is room.
    pub(super) fn publish_prekeys(
        &mut self,
        connection: &Connection,
        user: UserId,
        first: u64,
        prekeys: &[Prekey],
    ) -> Result<OwnKeys> {
        let row = self.of(connection, user)?;
        if let Some(keys) = &mut row.keys {
            row.changed |= keys.publish_prekeys(first, prekeys);
        }
        Ok(row.own())
    }

    /// Takes the oldest one-time key out; the fallback key stays.
    pub(super) fn claim(&mut self, connection: &Connection, user: UserId) -> Result<UserKeys> {
        let row = self.of(connection, user)?;
        let Some(keys) = &mut row.keys else { return Ok(no_device()) };
        let (claimed, changed) = keys.claim();
        row.changed |= changed && !keeps_taken();
        Ok(claimed)
    }

    /// Removes what somebody left under a name that has a new owner.
    pub(super) fn remove(&mut self, connection: &Connection, user: UserId) -> Result<()> {
        let row = self.of(connection, user)?;
        row.changed |= row.keys.take().is_some();
        Ok(())
    }

    /// Writes the rows that changed.
    pub(super) fn write(&self, connection: &Connection) -> Result<()> {
        for (user, row) in self.0.iter().filter(|(_, row)| row.changed) {
            put(connection, *user, row.keys.as_ref())?;
        }
        Ok(())
    }

    fn of(&mut self, connection: &Connection, user: UserId) -> Result<&mut Row> {
        use std::collections::btree_map::Entry;
        match self.0.entry(user) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                Ok(entry.insert(Row { keys: load(connection, user)?, changed: false }))
            }
        }
    }
}

#[cfg(not(feature = "sabotage"))]
const fn keeps_taken() -> bool {
    false
}

/// Whether this thread breaks the promise that what was taken is gone.
#[cfg(feature = "sabotage")]
fn keeps_taken() -> bool {
    use pychat_proto::sabotage::{Sabotage, is_broken};
    is_broken(Sabotage::KeepPrekeys)
}

/// Writes a user's row, or removes it.
pub(super) fn put(connection: &Connection, user: UserId, keys: Option<&Keys>) -> Result<()> {
    let Some(keys) = keys else {
        connection.prepare_cached("DELETE FROM keys WHERE user = ?1")?.execute([user.0])?;
        return Ok(());
    };
    connection
        .prepare_cached(
            "INSERT INTO keys VALUES(?1, ?2, ?3, ?4, ?5)
             ON CONFLICT(user) DO UPDATE SET device = ?2, fallback = ?3, next = ?4, prekeys = ?5",
        )?
        .execute(params![
            user.0,
            keys.device.as_bytes(),
            keys.fallback.as_bytes(),
            keys.next.cast_signed(),
            keys.unused.bytes,
        ])?;
    Ok(())
}

/// What the file has of a user's keys, for their owner.
pub(super) fn read(connection: &Connection, user: UserId) -> Result<OwnKeys> {
    Ok(Row { keys: load(connection, user)?, changed: false }.own())
}

/// What the file has of a user's keys.
pub(super) fn load(connection: &Connection, user: UserId) -> Result<Option<Keys>> {
    let mut select = connection
        .prepare_cached("SELECT device, fallback, next, prekeys FROM keys WHERE user = ?1")?;
    let row = select.query_row([user.0], |row| {
        let keys = Keys {
            device: DeviceKey::parse(row.get_ref(0)?.as_blob()?).ok_or_else(|| senseless(user))?,
            fallback: Prekey::parse(row.get_ref(1)?.as_blob()?).ok_or_else(|| senseless(user))?,
            next: row.get::<_, i64>(2)?.cast_unsigned(),
            unused: Packed::parse(row.get(3)?).ok_or_else(|| senseless(user))?,
        };
        if keys.next > PREKEY_NUMBER_MAX + 1 { Err(senseless(user)) } else { Ok(keys) }
    });
    row.optional()
}

fn senseless(user: UserId) -> rusqlite::Error {
    damaged("keys", u64::from(user.0))
}

impl Row {
    fn own(&self) -> OwnKeys {
        Keys::own(self.keys.as_ref())
    }
}
