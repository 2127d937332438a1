//! A store that fails when it is told to.

use crate::store::{
    Account, Answer, Command, MailboxStore, Page, Quota, ReadLimit, StoreError, embedded::Embedded,
};
use pychat_proto::{Cursor, Seq, StreamId, UserName};
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// What a [`FailingStore`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mood {
    Works,
    /// Writes nothing and says so.
    WritesNothing,
    /// Writes, and then says that it may not have.
    WritesInSecret,
    /// Neither reads nor writes.
    Dead,
}

/// Sets the mood from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Switch(Arc<AtomicU8>);

impl Switch {
    pub(super) fn set(&self, mood: Mood) {
        self.0.store(mood as u8, Ordering::Relaxed);
    }

    fn mood(&self) -> Mood {
        let moods = [Mood::Works, Mood::WritesNothing, Mood::WritesInSecret, Mood::Dead];
        moods[usize::from(self.0.load(Ordering::Relaxed))]
    }
}

pub(super) struct FailingStore {
    inner: Embedded,
    switch: Switch,
}

impl FailingStore {
    pub(super) fn new(quota: Quota, switch: Switch) -> Self {
        Self { inner: Embedded::in_memory(quota).unwrap(), switch }
    }

    fn readable(&self) -> Result<(), StoreError> {
        match self.switch.mood() {
            Mood::Works | Mood::WritesNothing | Mood::WritesInSecret => Ok(()),
            Mood::Dead => Err(StoreError::NotWritten("dead".into())),
        }
    }
}

impl MailboxStore for FailingStore {
    fn commit(&mut self, batch: &[Command]) -> Result<Vec<Answer>, StoreError> {
        match self.switch.mood() {
            Mood::Works => self.inner.commit(batch),
            Mood::WritesNothing | Mood::Dead => Err(StoreError::NotWritten("disk full".into())),
            Mood::WritesInSecret => {
                self.inner.commit(batch)?;
                Err(StoreError::Unknown("who knows".into()))
            }
        }
    }

    fn read(
        &mut self,
        mailbox: &UserName,
        after: Cursor,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        self.readable()?;
        self.inner.read(mailbox, after, limit)
    }

    fn account(&mut self, name: &UserName) -> Result<Option<Account>, StoreError> {
        self.readable()?;
        self.inner.account(name)
    }

    fn accounts(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.readable()?;
        self.inner.accounts(after, limit)
    }

    fn position(&mut self, user: &UserName, stream: StreamId) -> Result<Seq, StoreError> {
        self.readable()?;
        self.inner.position(user, stream)
    }
}
