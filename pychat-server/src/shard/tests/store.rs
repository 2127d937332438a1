//! A store that fails when it is told to.

use crate::store::{
    Account, Answer, Ban, Command, Invite, InviteCode, MailboxSize, MailboxStore, Page, Quota,
    ReadLimit, StoreError, StoreSize, embedded::Embedded,
};
use pychat_proto::{Cursor, Seq, StreamId, UserName, chat::OwnKeys};
use std::sync::{
    Arc, Mutex, MutexGuard,
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

/// What stays when the server's process begins anew.
pub(super) struct Disk(Arc<Mutex<Option<Embedded>>>);

impl Disk {
    pub(super) fn new(quota: Quota) -> Self {
        Self(Arc::new(Mutex::new(Some(Embedded::in_memory(quota).unwrap()))))
    }

    /// The store as a new process finds it.
    pub(super) fn open(&self, quota: Quota, switch: Switch) -> FailingStore {
        let mut store = self.0.lock().unwrap();
        let connection = store.take().unwrap().into_connection();
        *store = Some(Embedded::from_connection(connection, quota).unwrap());
        FailingStore { inner: Arc::clone(&self.0), switch }
    }
}

pub(super) struct FailingStore {
    inner: Arc<Mutex<Option<Embedded>>>,
    switch: Switch,
}

/// The store that a disk has.
struct Opened<'a>(MutexGuard<'a, Option<Embedded>>);

impl Opened<'_> {
    fn store(&mut self) -> &mut Embedded {
        self.0.as_mut().unwrap()
    }
}

impl FailingStore {
    fn inner(&self) -> Opened<'_> {
        Opened(self.inner.lock().unwrap())
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
            Mood::Works => self.inner().store().commit(batch),
            Mood::WritesNothing | Mood::Dead => Err(StoreError::NotWritten("disk full".into())),
            Mood::WritesInSecret => {
                self.inner().store().commit(batch)?;
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
        self.inner().store().read(mailbox, after, limit)
    }

    fn account(&mut self, name: &UserName) -> Result<Option<Account>, StoreError> {
        self.readable()?;
        self.inner().store().account(name)
    }

    fn accounts(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.readable()?;
        self.inner().store().accounts(after, limit)
    }

    fn keys(&mut self, user: &UserName) -> Result<Option<OwnKeys>, StoreError> {
        self.readable()?;
        self.inner().store().keys(user)
    }

    fn ban(&mut self, user: &UserName) -> Result<Option<Ban>, StoreError> {
        self.readable()?;
        self.inner().store().ban(user)
    }

    fn bans(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<(UserName, Ban)>, StoreError> {
        self.readable()?;
        self.inner().store().bans(after, limit)
    }

    fn invites(&mut self) -> Result<Vec<Invite>, StoreError> {
        self.readable()?;
        self.inner().store().invites()
    }

    fn invite(&mut self, code: &InviteCode) -> Result<Option<Invite>, StoreError> {
        self.readable()?;
        self.inner().store().invite(code)
    }

    fn mailboxes(
        &mut self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<MailboxSize>, StoreError> {
        self.readable()?;
        self.inner().store().mailboxes(after, limit)
    }

    fn size(&mut self) -> Result<StoreSize, StoreError> {
        self.readable()?;
        self.inner().store().size()
    }

    fn set_quota(&mut self, quota: Quota) {
        self.inner().store().set_quota(quota);
    }

    fn position(&mut self, user: &UserName, stream: StreamId) -> Result<Seq, StoreError> {
        self.readable()?;
        self.inner().store().position(user, stream)
    }
}
