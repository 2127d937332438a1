//! The write-ahead log stays short, and what goes wrong with it is not hidden.

use super::Embedded;
use crate::store::{
    MailboxStore, StoreError,
    contract::words::{ROOMY, claim, entries, receipt},
};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PAGE_BYTES: u64 = 4096 + 24;

fn store() -> (TempDir, PathBuf, Embedded) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mail.db");
    let mut store = Embedded::open(&path, ROOMY).unwrap();
    store.commit(&[claim("bob")]).unwrap();
    (directory, path, store)
}

fn log_bytes(directory: &TempDir) -> u64 {
    fs::metadata(directory.path().join("mail.db-wal")).unwrap().len()
}

#[test]
fn a_log_at_its_bound_is_emptied_by_the_commit_itself() {
    let (directory, path, mut store) = store();
    let checkpointer = store.checkpointer.as_mut().unwrap();
    (checkpointer.pages_due, checkpointer.pages_max) = (u32::MAX, 50);
    let batch = vec![receipt("bob", &[7; 8000]); 5];
    for _ in 0..30 {
        store.commit(&batch).unwrap();
    }
    // The bound, and the batch that exceeded it.
    assert!(log_bytes(&directory) < 80 * PAGE_BYTES, "{}", log_bytes(&directory));
    drop(store);
    assert_eq!(entries(&mut Embedded::open(&path, ROOMY).unwrap(), "bob").len(), 150);
}

#[test]
fn the_thread_empties_the_log_beside_commits() {
    let (directory, path, mut store) = store();
    store.checkpointer.as_mut().unwrap().pages_due = 1;
    let before = fs::metadata(&path).unwrap().len();
    let deadline = Instant::now() + Duration::from_secs(30);
    // Pages reach the file itself only by a checkpoint.
    while fs::metadata(&path).unwrap().len() == before {
        assert!(Instant::now() < deadline, "no checkpoint");
        store.commit(&[receipt("bob", &[7; 8000])]).unwrap();
    }
    drop((store, directory));
}

#[test]
fn a_checkpoint_that_failed_for_good_stops_the_store() {
    let (_directory, _, mut store) = store();
    store.checkpointer.as_ref().unwrap().failed.set("fsync".into()).unwrap();
    let refused = store.commit(&[receipt("bob", b"")]);
    assert_eq!(refused, Err(StoreError::Fatal("fsync".into())));
}
