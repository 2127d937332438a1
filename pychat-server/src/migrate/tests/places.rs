//! Real places: directories, and a cluster of NATS. What is marked there, and what is refused.

use super::{embedded, town};
use crate::{
    identity::{DataDirectory, STORE_FILE},
    migrate::{MigrateError, Place, compare, migrate, place::End, reopen},
    store::{
        MailboxStore,
        contract::words::{ROOMY, claim, store_one, text},
        embedded::{Embedded, OpenError},
        jetstream::{self, JetStream, Nats, Options},
        whole::Start,
    },
};
use pychat_testkit::harness::nats::{NatsCluster, Sync};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

fn directory(path: &Path) -> Place {
    Place::Directory(path.to_owned())
}

/// A data directory with a town in it.
fn server(path: &Path) -> Place {
    fs::create_dir(path).unwrap();
    town::build(&mut embedded(&path.join(STORE_FILE)));
    directory(path)
}

fn seen_in(path: &Path) -> town::Seen {
    town::seen(&mut embedded(&path.join(STORE_FILE)))
}

/// A place on a cluster of one.
fn cluster(nats: &NatsCluster, more: &str) -> (Place, Options) {
    let options = Options::parse(&format!("{}?replicas=1&streams=2{more}", nats.link())).unwrap();
    (Place::Cluster(Box::new(options.clone())), options)
}

fn node(options: &Options) -> Result<JetStream<Nats>, jetstream::OpenError> {
    Ok(JetStream::new(Nats::open(options)?, 99, ROOMY))
}

/// Nothing was moved, for this reason, and the operator is told what to do.
fn refused(from: &Place, to: &Place, words: &str) {
    let error = migrate(from, to).unwrap_err();
    let hint = error.hint().unwrap_or_default();
    let told = format!("{error}\nhint: {hint}");
    assert!(told.contains(words) && told.matches("hint: ").count() >= 1, "{told}");
}

#[test]
fn a_server_moves_to_nats_and_back_and_each_place_says_so() {
    let nats = NatsCluster::start(1, Sync::Sometimes);
    let root = TempDir::new().unwrap();
    let [first, second] = ["first", "second"].map(|name| root.path().join(name));
    let from = server(&first);
    let before = seen_in(&first);
    let (there, options) = cluster(&nats, "");
    let report = migrate(&from, &there).unwrap();
    assert_eq!((report.totals.bans, report.totals.invites, report.resumed), (2, 3, false));
    assert_eq!(town::seen(&mut node(&options).unwrap()), before);
    assert_eq!(compare(&from, &there).unwrap().totals, report.totals);

    // A server that is started there by mistake does not serve what is past.
    let refused_there = Embedded::open(&first.join(STORE_FILE), ROOMY).unwrap_err();
    assert!(matches!(&refused_there, OpenError::Moved { to, .. } if *to == there.to_string()));
    refused(&from, &there, "were moved to nats://");
    refused(&from, &directory(&second), "move from there");

    // Life goes on there, and comes back.
    let mut store = node(&options).unwrap();
    store_one(&mut store, text("newcomer", 1, "bob", b"written there"));
    drop(store);
    let error = compare(&from, &there).unwrap_err();
    assert!(matches!(error, MigrateError::Differ { .. }), "{error}");
    let after = town::seen(&mut node(&options).unwrap());
    let back = migrate(&there, &directory(&second)).unwrap();
    assert_eq!(back.totals.entries, report.totals.entries + 1);
    assert_eq!(seen_in(&second), after);
    let refused_there = node(&options).err().unwrap();
    assert!(matches!(refused_there, jetstream::OpenError::Moved { .. }), "{refused_there}");

    // Whoever wants it nevertheless has it as it was.
    let moved = reopen(&from).unwrap();
    assert_eq!(moved, Some(there.to_string()));
    assert_eq!(seen_in(&first), before);
    assert!(reopen(&there).unwrap().is_some());
    assert_eq!(town::seen(&mut node(&options).unwrap()), after);
    assert_eq!(reopen(&there).unwrap(), None);
}

#[test]
fn what_is_half_filled_is_no_servers_and_no_other_migrations() {
    let nats = NatsCluster::start(1, Sync::Sometimes);
    let root = TempDir::new().unwrap();
    let [first, second, other] = ["first", "second", "other"].map(|name| root.path().join(name));
    let (from, other) = (server(&first), server(&other));
    let before = seen_in(&first);
    let (cluster, options) = cluster(&nats, "");
    let to_directory = directory(&second);
    for to in [&cluster, &to_directory] {
        drop(End::fill(to, &from, Start::Anew).unwrap());
        refused(&other, to, "hint: ");
        refused(&other, to, &format!("from {from}"));
    }
    let refused_there = node(&options).err().unwrap();
    assert!(matches!(&refused_there, jetstream::OpenError::Unfinished { .. }), "{refused_there}");
    let refused_there = Embedded::open(&second.join(STORE_FILE), ROOMY).unwrap_err();
    assert!(matches!(&refused_there, OpenError::Unfinished(_)), "{refused_there}");
    for told in [refused_there.to_string(), node(&options).err().unwrap().to_string()] {
        assert!(told.contains("hint: run the same `pychat-server migrate` again"), "{told}");
    }
    // The same again goes on, also when it was killed after the source had been marked.
    let (source, _) = End::read(&from).unwrap();
    source.set_moved(Some(&cluster.to_string())).unwrap();
    drop(source);
    assert!(migrate(&from, &cluster).unwrap().resumed);
    assert_eq!(town::seen(&mut node(&options).unwrap()), before);
    reopen(&from).unwrap();
    assert!(migrate(&from, &to_directory).unwrap().resumed);
    assert_eq!(seen_in(&second), before);
}

#[test]
fn a_place_that_is_not_empty_is_left_alone() {
    let nats = NatsCluster::start(1, Sync::Sometimes);
    let root = TempDir::new().unwrap();
    let [first, second] = ["first", "second"].map(|name| root.path().join(name));
    let (from, to) = (server(&first), server(&second));
    refused(&from, &to, "mailboxes are moved to an empty place only");
    refused(&from, &from, "both where mailboxes are and where they go");
    let (there, options) = cluster(&nats, "");
    node(&options).unwrap().commit(&[claim("ann")]).unwrap();
    refused(&from, &there, "is in use: a migration fills new streams only");
    // Streams that a node made and nobody used are as good as none; of another number they are not.
    let (unused, options) = cluster(&nats, "&prefix=unused");
    drop(node(&options).unwrap());
    let (other, _) = cluster(&nats, "&prefix=unused&streams=3");
    refused(&from, &other, "streams beside it");
    migrate(&from, &unused).unwrap();
    // What is only read is not made.
    let (nowhere, _) = cluster(&nats, "&prefix=nowhere");
    refused(&nowhere, &directory(&root.path().join("new")), "is it the right cluster");
    refused(&directory(&root.path().join("none")), &there, "holds no mailboxes");
    assert!(!root.path().join("none").exists());
}

#[test]
fn what_is_in_use_damaged_or_of_another_version_does_not_move() {
    let root = TempDir::new().unwrap();
    let [first, second] = ["first", "second"].map(|name| root.path().join(name));
    let (from, to) = (server(&first), directory(&second));
    for used in [&first, &second] {
        let held = DataDirectory::take(used).unwrap();
        let error = migrate(&from, &to).unwrap_err();
        assert!(error.is_in_use(), "{error}");
        drop(held);
    }
    let store = first.join(STORE_FILE);
    let whole = fs::read(&store).unwrap();
    fs::write(&store, &whole[..whole.len() - 4096]).unwrap();
    refused(&from, &to, "nothing was moved; restore a backup");
    fs::write(&store, &whole).unwrap();
    for (version, words) in [(3_u8, "has schema 3"), (99, "install the newer version again")] {
        let mut other = whole.clone();
        other[63] = version;
        fs::write(&store, other).unwrap();
        let error = migrate(&from, &to).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    fs::write(&store, &whole).unwrap();
    assert_eq!(files(&second), ["server.lock"]);
    migrate(&from, &to).unwrap();
    assert_eq!(fs::read(&store).unwrap(), whole, "what was read is as it was");
}

#[test]
fn who_comes_back_to_a_directory_serves_from_there_again() {
    let root = TempDir::new().unwrap();
    let [first, second] = ["first", "second"].map(|name| root.path().join(name));
    let (from, to) = (server(&first), directory(&second));
    migrate(&from, &to).unwrap();
    store_one(
        &mut embedded(&second.join(STORE_FILE)),
        text("newcomer", 1, "bob", b"written there"),
    );
    let after = seen_in(&second);
    refused(&to, &from, "move ");
    fs::rename(first.join(STORE_FILE), root.path().join("old")).unwrap();
    migrate(&to, &from).unwrap();
    assert_eq!(seen_in(&first), after);
}

#[test]
fn what_a_killed_server_left_in_its_log_moves_too() {
    let root = TempDir::new().unwrap();
    let [first, killed, second] = ["first", "killed", "second"].map(|name| root.path().join(name));
    server(&first);
    let mut store = embedded(&first.join(STORE_FILE));
    let place = store_one(&mut store, text("newcomer", 1, "bob", b"in the log alone"));
    // As the disk is at this moment.
    fs::create_dir(&killed).unwrap();
    for end in ["", "-wal"] {
        let name = format!("{STORE_FILE}{end}");
        fs::copy(first.join(&name), killed.join(&name)).unwrap();
    }
    drop(store);
    assert!(fs::metadata(killed.join(format!("{STORE_FILE}-wal"))).unwrap().len() > 0);
    migrate(&directory(&killed), &directory(&second)).unwrap();
    assert_eq!(seen_in(&second), seen_in(&first));
    let mut store = embedded(&second.join(STORE_FILE));
    assert!(store_one(&mut store, text("newcomer", 2, "bob", b"next")) > place);
}

fn files(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path).unwrap().map(|it| it.unwrap().file_name());
    let mut names: Vec<String> = names.map(|it| it.into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| !name.ends_with(".sqlite3.lock"));
    names
}

#[test]
fn a_path_is_a_place_however_it_is_written() {
    let root = TempDir::new().unwrap();
    let path: PathBuf = root.path().join("first");
    let from = server(&path);
    let round: PathBuf = path.join("../first");
    refused(&from, &directory(&round), "both where mailboxes are and where they go");
}
