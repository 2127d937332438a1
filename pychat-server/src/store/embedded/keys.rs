//! Users' end-to-end keys: one row for each, read when it is asked for and not kept.
//!
//! A batch changes copies of the rows, so that its later commands see the earlier ones. They are
//! written with it and dropped after it, whatever came of it: there is nothing to take back.

use super::{load::damaged, memory::UserId};
use crate::store::keys::{DeviceKey, PREKEY_NUMBER_MAX, Prekey};
use pychat_proto::chat::{OwnKeys, PREKEY_BYTES_MAX, PREKEYS_MAX, UserKeys};
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::collections::BTreeMap;

/// The length of a one-time key stands before it, in one byte.
const _: () = assert!(PREKEY_BYTES_MAX <= u8::MAX as usize);

/// The rows that a batch has read. Bounded by the batch, which is weighed with what each may take.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<UserId, Row>);

#[derive(Debug)]
struct Row {
    /// None before the user's first device.
    keys: Option<Keys>,
    changed: bool,
}

/// The keys of a user's device.
#[derive(Debug)]
struct Keys {
    device: DeviceKey,
    fallback: Prekey,
    /// The lowest number that a new one-time key may have.
    next: u64,
    unused: Packed,
}

/// One-time keys that nobody has taken, the oldest first, each behind its length.
#[derive(Debug, Default)]
struct Packed {
    bytes: Vec<u8>,
    count: usize,
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
        match row.keys.as_mut().filter(|keys| keys.device == *device) {
            Some(keys) => {
                row.changed |= keys.fallback != *fallback;
                keys.fallback = fallback.clone();
            }
            None => {
                let (device, fallback) = (device.clone(), fallback.clone());
                row.keys = Some(Keys { device, fallback, next: 0, unused: Packed::default() });
                row.changed = true;
            }
        }
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
            for (number, prekey) in (first..=PREKEY_NUMBER_MAX).zip(prekeys) {
                if keys.unused.count == PREKEYS_MAX {
                    break;
                }
                if number >= keys.next {
                    keys.unused.push(prekey);
                    keys.next = number + 1;
                    row.changed = true;
                }
            }
        }
        Ok(row.own())
    }

    /// Takes the oldest one-time key out; the fallback key stays.
    pub(super) fn claim(&mut self, connection: &Connection, user: UserId) -> Result<UserKeys> {
        let row = self.of(connection, user)?;
        let Some(keys) = &mut row.keys else {
            return Ok(UserKeys { device: Vec::new(), prekey: Vec::new() });
        };
        let taken = keys.unused.pop();
        row.changed |= taken.is_some() && !keeps_taken();
        let prekey = taken.unwrap_or_else(|| keys.fallback.as_bytes().into());
        Ok(UserKeys { device: keys.device.as_bytes().into(), prekey })
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
            let Some(keys) = &row.keys else {
                let mut delete = connection.prepare_cached("DELETE FROM keys WHERE user = ?1")?;
                delete.execute([user.0])?;
                continue;
            };
            connection
                .prepare_cached(
                    "INSERT INTO keys VALUES(?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT(user) DO UPDATE SET device = ?2, fallback = ?3, next = ?4,
                         prekeys = ?5",
                )?
                .execute(params![
                    user.0,
                    keys.device.as_bytes(),
                    keys.fallback.as_bytes(),
                    keys.next.cast_signed(),
                    keys.unused.bytes,
                ])?;
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

/// What the file has of a user's keys.
pub(super) fn read(connection: &Connection, user: UserId) -> Result<OwnKeys> {
    Ok(Row { keys: load(connection, user)?, changed: false }.own())
}

fn load(connection: &Connection, user: UserId) -> Result<Option<Keys>> {
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
        match &self.keys {
            None => OwnKeys { device: Vec::new(), fallback: Vec::new(), unused: 0, next: 0 },
            Some(keys) => OwnKeys {
                device: keys.device.as_bytes().into(),
                fallback: keys.fallback.as_bytes().into(),
                unused: keys.unused.count as u32,
                next: keys.next,
            },
        }
    }
}

impl Packed {
    /// Takes bytes if they are whole keys, and no more of them than are kept.
    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let (mut rest, mut count) = (&bytes[..], 0);
        while let Some((&length, tail)) = rest.split_first() {
            let (key, tail) = tail.split_at_checked(usize::from(length))?;
            Prekey::parse(key)?;
            (rest, count) = (tail, count + 1);
        }
        (count <= PREKEYS_MAX).then_some(Self { bytes, count })
    }

    fn push(&mut self, prekey: &Prekey) {
        // A key's bound fits a byte: asserted above.
        self.bytes.push(prekey.as_bytes().len() as u8);
        self.bytes.extend_from_slice(prekey.as_bytes());
        self.count += 1;
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(*self.bytes.first()?);
        self.count -= 1;
        Some(self.bytes.drain(..=length).skip(1).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8, length: usize) -> Prekey {
        Prekey::parse(vec![byte; length]).unwrap()
    }

    #[test]
    fn packed_keys_come_out_whole_and_the_oldest_first() {
        let mut packed = Packed::default();
        packed.push(&key(1, PREKEY_BYTES_MAX));
        packed.push(&key(2, 1));
        let mut packed = Packed::parse(packed.bytes).unwrap();
        assert_eq!(packed.count, 2);
        assert_eq!(packed.pop(), Some(vec![1; PREKEY_BYTES_MAX]));
        assert_eq!(packed.pop(), Some(vec![2]));
        assert_eq!((packed.pop(), packed.count), (None, 0));
    }

    #[test]
    fn bytes_that_are_no_whole_keys_are_not_taken() {
        let mut most = Packed::default();
        (0..PREKEYS_MAX).for_each(|_| most.push(&key(1, 2)));
        assert!(Packed::parse(most.bytes.clone()).is_some());
        most.push(&key(1, 2));
        let long = [&[PREKEY_BYTES_MAX as u8 + 1][..], &[7; PREKEY_BYTES_MAX + 1]].concat();
        for bytes in [vec![0], vec![2, 7], vec![1, 7, 9], long, most.bytes] {
            assert!(Packed::parse(bytes.clone()).is_none(), "{bytes:?}");
        }
    }
}
