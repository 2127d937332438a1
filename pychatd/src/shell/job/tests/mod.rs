//! A profile is moved whole or not at all, whatever happens on the way; nothing that is there is lost.

mod exporting;
mod importing;

use super::{export, import::import, passphrase, room::Room, target::Target};
use crate::{
    archive::{
        Content, Step,
        age::{self, Fresh, Passphrase, Work},
        write,
    },
    db::{Account, Database, Incoming, identity},
    run::{DATABASE_FILE, IDENTITY_FILE},
    shell::{Fault, lock, state_dir},
};
use pychat_control::{Archived, ErrorCode, Place, StateBase};
use pychat_proto::{DisplayName, JoinLink, MessageId, SecretKey, StreamId, UserName};
use std::{
    fs, io,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use zeroize::Zeroizing;

const STEPS: [Step; 6] =
    [Step::Begun, Step::Identity, Step::Database, Step::Synced, Step::MadeRoom, Step::Placed];

fn place(base: &TempDir) -> Place {
    Place::new(&StateBase::at(&base.path().join("state")), "alice".parse().unwrap())
}

fn secret(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.into())).unwrap()
}

fn alice() -> UserName {
    UserName::parse("alice").unwrap()
}

/// A database of alice's with this many texts of hers to herself.
fn alices(path: &Path, texts: u8) -> Database {
    let mut database = Database::open(path).unwrap();
    let mut settings = database.read().stored().unwrap().settings;
    let name = DisplayName::parse("Alice").unwrap();
    settings.account = Some(Account {
        user: alice(),
        name: name.clone(),
        server: JoinLink::to_place("h".parse().unwrap(), None),
        stream: StreamId([1; 16]),
        logged_in: true,
    });
    database.write(|tx| tx.save_settings(&settings)).unwrap();
    for number in 0..texts {
        let text = Incoming {
            id: MessageId::from_bytes([number; 16]),
            sender: &alice(),
            sender_name: &name,
            recipient: &alice(),
            body: "hello",
            sent_at: 1,
            received_at: 1,
            trust: None,
        };
        database.write(|tx| tx.insert_incoming(&text)).unwrap();
    }
    database
}

/// An archive with that many texts, which is opened with `x`.
fn archive(texts: u8) -> Vec<u8> {
    let temp = tempfile::tempdir().unwrap();
    let mut database = alices(&temp.path().join("d"), texts);
    let snapshot = database.snapshot().unwrap();
    let identity = SecretKey::from_bytes([7; 32]);
    let content = Content { reader: snapshot.read(), identity: &identity, exported_at: "" };
    let fresh = Fresh { file_key: Zeroizing::new([1; 16]), salt: [2; 16], nonce: [3; 16] };
    let mut sealer = age::encrypt(Vec::new(), &secret("x"), Work::LITTLE, &fresh).unwrap();
    write(&content, &mut sealer).unwrap();
    sealer.finish().unwrap()
}

fn import_at(
    place: &Place,
    archive: &[u8],
    reach: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<Archived, Fault> {
    import(place, Path::new("a.age"), archive, &secret("x"), Work::LITTLE, reach)
}

fn import_here(place: &Place, archive: &[u8]) -> Result<Archived, Fault> {
    import_at(place, archive, &mut |_| Ok(()))
}

/// All names below the base, but what every import leaves: nothing.
fn names(base: &TempDir) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(base.path().join("state")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn assert_whole(place: &Place, texts: u64) {
    let dir = place.state_dir();
    let identity = identity::load(&dir.join(IDENTITY_FILE)).unwrap();
    assert_eq!(identity.as_bytes(), &[7; 32]);
    let database = Database::open(&dir.join(DATABASE_FILE)).unwrap();
    assert_eq!(database.read().stored().unwrap().settings.account.unwrap().user, alice());
    assert_eq!(database.read().unread_count().unwrap(), texts);
}

/// A profile that a daemon began and nobody used.
fn unused(place: &Place) {
    state_dir::prepare(place).unwrap();
    let dir = place.state_dir();
    identity::load_or_create(&dir.join(IDENTITY_FILE), SecretKey::from_bytes([1; 32])).unwrap();
    drop(Database::open(&dir.join(DATABASE_FILE)).unwrap());
    drop(lock::acquire(place).unwrap());
    fs::write(place.daemon_file(), "{}").unwrap();
}
