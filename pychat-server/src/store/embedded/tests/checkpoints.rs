//! The write-ahead log stays short, and what goes wrong with it is not hidden.

use super::{
    super::log_room::{LogRoom, STEP_BYTES},
    Embedded,
};
use crate::store::{
    MailboxStore, StoreError,
    contract::words::{ROOMY, claim, entries, receipt},
};
use std::{
    fs::{self, File},
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
    // The bound, the batch that exceeded it, and the room made ahead.
    let most = 80 * PAGE_BYTES + STEP_BYTES;
    assert!(log_bytes(&directory) < most, "{}", log_bytes(&directory));
    drop(store);
    assert_eq!(entries(&mut Embedded::open(&path, ROOMY).unwrap(), "bob").len(), 150);
}

#[test]
fn the_log_grows_ahead_of_the_commits_and_a_killed_store_comes_back_from_it() {
    let (directory, path, mut store) = store();
    store.commit(&[receipt("bob", &[7; 800])]).unwrap();
    let before = log_bytes(&directory);
    assert!(before >= STEP_BYTES, "{before}");
    for _ in 0..20 {
        store.commit(&[receipt("bob", &[7; 800])]).unwrap();
        assert_eq!(log_bytes(&directory), before);
    }
    let mut batches = 21;
    while log_bytes(&directory) == before {
        store.commit(&vec![receipt("bob", &[7; 8000]); 5]).unwrap();
        batches += 5;
        assert!(batches < 1000, "the log's end was reached, and it did not grow");
    }
    assert_eq!(log_bytes(&directory), before + STEP_BYTES);
    // As a crash leaves it.
    let killed = TempDir::new().unwrap();
    for name in ["mail.db", "mail.db-wal"] {
        fs::copy(directory.path().join(name), killed.path().join(name)).unwrap();
    }
    let mut again = Embedded::open(&killed.path().join("mail.db"), ROOMY).unwrap();
    assert_eq!(entries(&mut again, "bob").len(), batches);
    drop((store, path));
}

#[test]
fn a_log_that_does_not_grow_ahead_is_no_failure() {
    let (directory, _, mut store) = store();
    let (log, before) = (directory.path().join("mail.db-wal"), log_bytes(&directory));
    // Nothing can be written through it.
    store.log_room = Some(LogRoom::of(File::open(&log).unwrap()).unwrap());
    let most = STEP_BYTES / PAGE_BYTES;
    for _ in 0..most {
        store.commit(&[receipt("bob", &[7; 4000])]).unwrap();
    }
    let (after, length) = (log_bytes(&directory), most * PAGE_BYTES);
    assert!(after > before && after < before + 3 * length, "{before}, {after}");
    assert_eq!(entries(&mut store, "bob").len() as u64, most);
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
