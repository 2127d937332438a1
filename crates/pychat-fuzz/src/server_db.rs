//! Target `server_db`: the server's mailbox store after a failing disk had it.
//!
//! Found so far: opening a store that was cut down to nothing, or to one byte, which SQLite takes for
//! nothing, deleted its log (`corpus/server_db/one_byte_database_keeps_its_log`); a table whose layout
//! was damaged was told as an error of SQLite (`corpus/server_db/a_column_that_lost_its_name`).

use crate::{
    damage::{Files, Hit, scratch},
    source::Source,
};
use pychat_proto::{Cursor, DisplayName, PublicKey, Seq, StreamId, UserName};
use pychat_server::store::{
    Account, Append, Command, DeviceKey, MailboxStore, Origin, Prekey, Quota, ReadLimit,
    StoreError,
    embedded::{Embedded, OpenError},
};
use rusqlite::Connection;
use std::{path::Path, sync::OnceLock};

const USERS: usize = 4;

/// Entries of each mailbox; half of them are in the store's file, half in its log.
const ENTRIES: usize = 16;

/// What SQLite says of a broken page.
const MALFORMED: &str = "malformed";

/// More than there is.
const LIMIT: usize = 10_000;

/// It works, with nothing missing, or it says clearly that it is damaged; it is not written to then,
/// and no server begins anew by itself.
pub fn server_db(data: &[u8]) {
    let whole = template();
    let mut source = Source::new(data);
    let mut files = whole.files.clone();
    let hit = files.damage(&mut source);
    let directory = scratch();
    let path = directory.path().join("mail.db");
    files.write(&path);
    match Embedded::open(&path, Quota::default()) {
        Ok(mut store) => match content(&mut store) {
            Ok(content) => check(content, whole, hit),
            // A column holds what it cannot hold. Broken pages were noticed at opening.
            Err(StoreError::Fatal(text)) => {
                assert!(!text.contains(MALFORMED), "opening did not notice: {text}");
            }
            Err(error @ (StoreError::NotWritten(_) | StoreError::Unknown(_))) => {
                panic!("damage is told as {error:?}")
            }
        },
        Err(OpenError::Damaged(_) | OpenError::Newer { .. } | OpenError::Foreign) => {
            assert!(Files::read(&path) == files, "it was written to");
            // The next try finds the same.
            assert!(Embedded::open(&path, Quota::default()).is_err(), "it began anew");
        }
        Err(error) => panic!("damage is told as {error:?}"),
    }
}

/// What is in a store, as far as it must not get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Content {
    accounts: usize,
    entries: usize,
    prekeys: usize,
}

/// As for the daemon's: see `daemon_db`.
fn check(content: Content, whole: &Template, hit: Hit) {
    if hit.log {
        assert!(content.accounts >= whole.in_file.accounts, "{content:?}");
        assert!(content.entries >= whole.in_file.entries, "{content:?}");
        assert!(content.prekeys >= whole.in_file.prekeys, "{content:?}");
    } else {
        assert_eq!(content, whole.content, "something is missing");
    }
}

fn content(store: &mut Embedded) -> Result<Content, StoreError> {
    let accounts = store.accounts(None, LIMIT)?;
    let limit = ReadLimit { entries: LIMIT, bytes: usize::MAX };
    let mut content = Content { accounts: accounts.len(), entries: 0, prekeys: 0 };
    for account in &accounts {
        content.entries += store.read(&account.user, Cursor::NONE, limit)?.entries.len();
        store.position(&account.user, StreamId([1; 16]))?;
        content.prekeys += store.keys(&account.user)?.map_or(0, |keys| keys.unused as usize);
    }
    Ok(content)
}

struct Template {
    files: Files,
    content: Content,
    /// What is in the store's file alone.
    in_file: Content,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let directory = scratch();
        let path = directory.path().join("mail.db");
        let open = || Embedded::open(&path, Quota::default()).expect("a good store");
        let mut store = open();
        let claims: Vec<Command> =
            (0..USERS).flat_map(|user| [claim(user), device(user)]).collect();
        store.commit(&claims).expect("a good disk");
        fill(&mut store, 0..ENTRIES / 2);
        // Closed, it has no log.
        drop(store);
        archive(&path);
        let mut store = open();
        let in_file = content(&mut store).expect("a good store");
        fill(&mut store, ENTRIES / 2..ENTRIES);
        let content = content(&mut store).expect("a good store");
        let (entries, prekeys) = (USERS * ENTRIES, USERS * ENTRIES);
        assert_eq!(content, Content { accounts: USERS, entries, prekeys });
        let files = Files::read(&path);
        assert!(!files.log.is_empty());
        Template { files, content, in_file }
    })
}

/// The first user's entries so far are old ones.
fn archive(path: &Path) {
    let moved =
        "INSERT INTO archive SELECT mailbox, cursor, 1, entry FROM entries WHERE mailbox = 0;
         UPDATE users SET archived = (SELECT max(cursor) FROM archive),
                archived_entries = (SELECT count(*) FROM archive),
                archived_bytes = (SELECT sum(length(entry)) FROM archive) WHERE id = 0;
         UPDATE streams SET position = (SELECT max(last) FROM entries WHERE stream = streams.id);
         DELETE FROM entries WHERE mailbox = 0;";
    Connection::open(path).and_then(|file| file.execute_batch(moved)).expect("our own layout");
}

fn user(number: usize) -> UserName {
    UserName::parse(&format!("user{number}")).expect("a name")
}

fn claim(number: usize) -> Command {
    Command::Claim(Account {
        user: user(number),
        key: PublicKey([number as u8; 32]),
        name: DisplayName::parse("Somebody").expect("a name"),
        since: 1,
        name_is_set: false,
    })
}

fn device(number: usize) -> Command {
    let device = DeviceKey::parse(vec![number as u8; 200]).expect("a key's length");
    let fallback = Prekey::parse(vec![number as u8; 100]).expect("a key's length");
    Command::PublishDevice { user: user(number), device, fallback }
}

fn prekey(of: usize, number: usize) -> Command {
    let key = Prekey::parse(vec![number as u8; 100]).expect("a key's length");
    Command::PublishPrekeys { user: user(of), first: number as u64, keys: vec![key] }
}

fn fill(store: &mut Embedded, numbers: std::ops::Range<usize>) {
    for number in numbers {
        // One in four does not fit a page.
        let bytes = if number % 4 == 0 { 6000 } else { 200 };
        let append = |to: usize| {
            let record = Seq((number * USERS + to) as u64 + 1);
            Command::Append(Append {
                mailbox: user(to),
                origin: Origin::Stream {
                    user: user(0),
                    stream: StreamId([1; 16]),
                    safe: Seq::NONE,
                    first: record,
                    last: record,
                },
                place: None,
                entry: vec![number as u8; bytes].into(),
            })
        };
        let prekey = |of| prekey(of, number);
        let batch: Vec<Command> = (0..USERS).flat_map(|to| [append(to), prekey(to)]).collect();
        store.commit(&batch).expect("a good disk");
    }
}
