//! The contract on this engine, and what is its own.

mod bounds;
mod checkpoints;
mod crash;
mod failing;
mod keys;
mod opening;
mod users;
mod versions;

use super::{Bounds, Embedded};
use crate::store::{
    MailboxStore, Quota,
    contract::{Engine, contract},
};
use tempfile::TempDir;

/// In memory; a crash keeps the connection and loses the object around it.
struct InMemory(Option<Embedded>);

impl Engine for InMemory {
    fn new(quota: Quota) -> Self {
        Self(Some(Embedded::in_memory(quota).unwrap()))
    }
    fn store(&mut self) -> &mut dyn MailboxStore {
        self.0.as_mut().unwrap()
    }
    fn crash(&mut self) {
        let store = self.0.take().unwrap();
        let quota = store.quota;
        self.0 = Some(Embedded::from_connection(store.into_connection(), quota).unwrap());
    }
}

/// In a file.
struct OnFile {
    directory: TempDir,
    store: Option<Embedded>,
}

impl Engine for OnFile {
    fn new(quota: Quota) -> Self {
        let directory = TempDir::new().unwrap();
        let store = Embedded::open(&directory.path().join("mail.db"), quota).unwrap();
        Self { directory, store: Some(store) }
    }
    fn store(&mut self) -> &mut dyn MailboxStore {
        self.store.as_mut().unwrap()
    }
    fn crash(&mut self) {
        let quota = self.store.take().unwrap().quota;
        self.store = Some(Embedded::open(&self.directory.path().join("mail.db"), quota).unwrap());
    }
}

/// In memory, with every bound so small that everything is tidied and archived all the time.
struct Cramped(InMemory);

const CRAMPED: Bounds = Bounds {
    late_rows_due: 1,
    late_rows_max: 4,
    late_rows_per_portion: 2,
    late_archives_due: 1,
    dirty_streams_due: 1,
    recent_max: 0,
    entries_per_move: 1,
    clean_users_max: 1,
};

impl Engine for Cramped {
    fn new(quota: Quota) -> Self {
        let mut engine = Self(InMemory::new(quota));
        engine.0.0.as_mut().unwrap().bounds = CRAMPED;
        engine
    }
    fn store(&mut self) -> &mut dyn MailboxStore {
        self.0.store()
    }
    fn crash(&mut self) {
        self.0.crash();
        self.0.0.as_mut().unwrap().bounds = CRAMPED;
    }
}

mod in_memory {
    super::contract!(super::InMemory);
}
mod on_file {
    super::contract!(super::OnFile);
}
mod cramped {
    super::contract!(super::Cramped);
}
