//! Everything moves, whatever happens meanwhile.

mod kills;
mod places;
mod town;

use super::{
    MigrateError,
    course::{Course, Totals},
};
use crate::store::{
    MailboxStore, Quota,
    contract::words::{self, store_one, text},
    embedded::{Embedded, whole::WholeFile},
    jetstream::{JetStream, Model, whole::WholeLog},
    whole::{Begun, Start, Whole},
};
use std::path::Path;
use tempfile::TempDir;

/// Few, so that there are many pages.
const USERS_PER_PAGE: usize = 3;

/// Copies and compares.
fn course(from: &mut dyn Whole, to: &mut dyn Whole, begun: Begun) -> Result<Totals, MigrateError> {
    let mut course = Course { from, to, users_per_page: USERS_PER_PAGE, watch: &mut |_| Ok(()) };
    course.copy(begun)?;
    course.compare()
}

/// A server's engine on a file.
fn embedded(path: &Path) -> Embedded {
    Embedded::open(path, words::ROOMY).unwrap()
}

/// A node's engine on the model of a cluster.
fn node(model: &Model) -> JetStream<Model> {
    JetStream::new(model.connect(), 77, words::ROOMY)
}

fn filled(path: &Path, from: &str) -> (WholeFile, Begun) {
    WholeFile::fill(path, from, Start::Anew).unwrap()
}

#[test]
fn all_that_a_store_tells_is_the_same_at_the_other_end_and_back() {
    let directory = TempDir::new().unwrap();
    let [first, second] = ["first.db", "second.db"].map(|name| directory.path().join(name));
    town::build(&mut embedded(&first));
    let before = town::seen(&mut embedded(&first));

    let model = Model::default();
    let there = course(
        &mut WholeFile::open(&first).unwrap(),
        &mut WholeLog::new(model.connect(), Begun::Now),
        Begun::Now,
    );
    let there = there.unwrap();
    assert_eq!(town::seen(&mut node(&model)), before);

    let (mut file, begun) = filled(&second, "a cluster");
    let mut log = WholeLog::new(model.connect(), Begun::Before);
    let back = course(&mut log, &mut file, begun).unwrap();
    file.finish().unwrap();
    assert_eq!(back, there, "counts and digest");
    assert_eq!(town::seen(&mut embedded(&second)), before);
    // What was read is as it was.
    assert_eq!(town::seen(&mut embedded(&first)), before);

    // Now from what lies in the archive alone.
    let model = Model::default();
    let again = course(
        &mut WholeFile::open(&second).unwrap(),
        &mut WholeLog::new(model.connect(), Begun::Now),
        Begun::Now,
    );
    assert_eq!(again.unwrap(), there);
    assert_eq!(town::seen(&mut node(&model)), before);
}

#[test]
fn no_place_in_a_mailbox_is_handed_out_again() {
    let directory = TempDir::new().unwrap();
    let [first, second] = ["first.db", "second.db"].map(|name| directory.path().join(name));
    let mut store = embedded(&first);
    town::build(&mut store);
    // As far as the first server may have handed them out to one who is there.
    let reserved = words::stored(&mut store, text("zoe", 1, "bob", b"before")).1;
    drop(store);

    let model = Model::default();
    let mut log = WholeLog::new(model.connect(), Begun::Now);
    course(&mut WholeFile::open(&first).unwrap(), &mut log, Begun::Now).unwrap();
    let mut store = node(&model);
    let there = words::stored(&mut store, text("zoe", 2, "bob", b"there"));
    assert!(there.0 > reserved, "{there:?}, {reserved}");
    drop(store);

    let (mut file, begun) = filled(&second, "a cluster");
    course(&mut WholeLog::new(model.connect(), Begun::Before), &mut file, begun).unwrap();
    file.finish().unwrap();
    assert!(store_one(&mut embedded(&second), text("zoe", 3, "bob", b"back")) > there.1);
}

#[test]
fn an_empty_store_moves_too() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mail.db");
    drop(embedded(&path));
    let model = Model::default();
    let mut log = WholeLog::new(model.connect(), Begun::Now);
    let totals = course(&mut WholeFile::open(&path).unwrap(), &mut log, Begun::Now).unwrap();
    assert_eq!((totals.names, totals.entries, totals.bans), (0, 0, 0));
}

#[test]
fn a_quota_counts_on_at_the_other_end() {
    use crate::store::Appended::{Full, Stored};
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("mail.db");
    let mut store = embedded(&path);
    store.commit(&[words::claim("bob")]).unwrap();
    store_one(&mut store, words::receipt("bob", b"a receipt is free"));
    for seq in 1..=3 {
        store_one(&mut store, text("ann", seq, "bob", b"four"));
    }
    drop(store);
    let model = Model::default();
    let mut log = WholeLog::new(model.connect(), Begun::Now);
    course(&mut WholeFile::open(&path).unwrap(), &mut log, Begun::Now).unwrap();
    let mut store = JetStream::new(model.connect(), 5, Quota { entries: 4, bytes: 1000 });
    let more = [text("ann", 4, "bob", b"fits"), text("ann", 5, "bob", b"too many")];
    assert!(matches!(words::append(&mut store, &more)[..], [Stored { .. }, Full]));
}
