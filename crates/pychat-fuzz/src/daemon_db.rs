//! Target `daemon_db`: the daemon's database after a failing disk had it.
//!
//! Found so far: a file that ends within its header was told as an I/O error (short read), and text
//! that is no UTF-8 as a failure to be tried again; to look whether an account can be salvaged made
//! SQLite delete the log of a database that was cut down to nothing
//! (`corpus/daemon_db/empty_database_keeps_its_log`); a table whose layout was damaged was told as a
//! failure to be tried again (`corpus/daemon_db/a_column_that_lost_its_name`).

use crate::{
    damage::{Files, Hit, scratch},
    source::Source,
};
use pychat_proto::{DisplayName, JoinLink, MessageId, PublicKey, Seq, StreamId, UserName};
use pychatd::db::{
    Account, Database, DatabaseError, Incoming, OpenError, Outgoing, Queued, Slice, Stretch, What,
};
use std::{path::Path, sync::OnceLock};

/// Messages in each direction; half of them are in the database's file, half in its log.
const MESSAGES: usize = 24;

/// What SQLite says of a broken page.
const MALFORMED: &str = "malformed";

/// More than there is.
const LIMIT: usize = 10_000;

/// It works, with nothing missing, or it says clearly that it is damaged; it is not written to then,
/// and it can be set aside and begun anew.
pub fn daemon_db(data: &[u8]) {
    let whole = template();
    let mut source = Source::new(data);
    let mut files = whole.files.clone();
    let hit = files.damage(&mut source);
    let directory = scratch();
    let path = directory.path().join("pychat.db");
    files.write(&path);
    let is_damaged = match Database::open(&path) {
        Ok(database) => {
            match content(&database) {
                Ok(content) => check(&content, whole, hit),
                // A column holds what it cannot hold. Broken pages were noticed at opening.
                Err(DatabaseError::Damaged(text)) => {
                    assert!(!text.contains(MALFORMED), "opening did not notice: {text}");
                }
                Err(error @ (DatabaseError::Full(_) | DatabaseError::Failed(_))) => {
                    panic!("damage is told as {error:?}")
                }
            }
            false
        }
        Err(OpenError::Damaged { .. }) => true,
        Err(OpenError::Newer { .. }) => {
            assert!(Files::read(&path) == files, "it was written to");
            return;
        }
        Err(error) => panic!("damage is told as {error:?}"),
    };
    if is_damaged {
        assert!(Files::read(&path) == files, "it was written to");
        begin_anew(&path, &files);
    }
}

fn begin_anew(path: &Path, files: &Files) {
    let stream = StreamId([0xab; 16]);
    let (database, aside) =
        Database::open_or_begin_anew(path, 1_700_000_000_000, stream).expect("it begins anew");
    let aside = aside.expect("it was damaged");
    assert!(Files::read(&aside.path) == *files, "what was set aside is not what was there");
    let stored = database.read().stored().expect("a new one is whole");
    assert_eq!(stored.queued, 0);
    assert_eq!(stored.settings.account.is_some(), aside.kept_account);
    if let Some(account) = stored.settings.account {
        assert_eq!(account.stream, stream, "an old stream's numbers are not used again");
    }
    assert!(content(&database).expect("a new one is whole").messages.is_empty());
}

/// What is in a database, as far as it must not get lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    messages: Vec<i64>,
    unread: usize,
    outbox: usize,
    events: usize,
}

/// Without checksums a disk can change a text and nobody notices; but nothing may be missing. From a
/// damaged log SQLite takes what comes before the damage: as after a power cut.
fn check(content: &Content, whole: &Template, hit: Hit) {
    if hit.log {
        assert!(whole.content.messages.starts_with(&content.messages), "{content:?}");
        assert!(content.messages.len() >= whole.in_file, "what is in the file is missing");
    } else {
        assert_eq!(content.messages, whole.content.messages, "messages are missing");
        assert_eq!(content.unread, whole.content.unread, "unread messages are missing");
        assert_eq!(content.outbox, whole.content.outbox, "the outbox lost something");
        assert_eq!(content.events, whole.content.events, "events are missing");
    }
}

fn content(database: &Database) -> Result<Content, DatabaseError> {
    let reader = database.read();
    let all = Slice { limit: LIMIT, ..Slice::default() };
    let stretch = Stretch { limit: LIMIT, ..Stretch::default() };
    let mut messages: Vec<i64> = reader.history(&stretch)?.iter().map(|row| row.row.0).collect();
    messages.sort_unstable();
    reader.stored()?;
    reader.unread_by_sender()?;
    Ok(Content {
        messages,
        unread: reader.unread(&all)?.len(),
        outbox: reader.outbox_after(Seq::NONE, LIMIT)?.len(),
        events: reader.events_after(0, LIMIT)?.len(),
    })
}

struct Template {
    files: Files,
    content: Content,
    /// How many messages are in the database's file.
    in_file: usize,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let directory = scratch();
        let path = directory.path().join("pychat.db");
        let mut database = Database::open(&path).expect("a new database");
        settle_in(&mut database);
        fill(&mut database, 0..MESSAGES / 2);
        // Closed, it has no log.
        drop(database);
        let mut database = Database::open(&path).expect("a good database");
        let in_file = content(&database).expect("a good database").messages.len();
        fill(&mut database, MESSAGES / 2..MESSAGES);
        let content = content(&database).expect("a good database");
        let files = Files::read(&path);
        assert!(!files.log.is_empty() && in_file < content.messages.len());
        Template { files, content, in_file }
    })
}

fn settle_in(database: &mut Database) {
    let mut settings = database.read().stored().expect("a good database").settings;
    settings.account = Some(Account {
        user: user("alice"),
        name: name(),
        server: JoinLink::to_place("h".parse().expect("a host"), Some(PublicKey([9; 32]))),
        stream: StreamId([1; 16]),
        logged_in: true,
    });
    database.write(|tx| tx.save_settings(&settings)).expect("a good disk");
}

fn fill(database: &mut Database, numbers: std::ops::Range<usize>) {
    for number in numbers {
        // One in four does not fit a page.
        let body = format!("{number} ").repeat(if number % 4 == 0 { 2000 } else { 20 });
        let id = MessageId::from_bytes([number as u8; 16]);
        let sent_at = number as u64;
        let filled = database.write(|tx| {
            let (sender, recipient) = (user("alice"), user("bob"));
            let row = tx.insert_outgoing(&Outgoing {
                id,
                sender: &sender,
                sender_name: &name(),
                recipient: &recipient,
                body: &body,
                sent_at,
                client_key: None,
            })?;
            let seq = Seq(number as u64 + 1);
            tx.enqueue(&Queued {
                first: seq,
                last: seq,
                message: Some(row),
                payload: vec![number as u8; 100],
                tried: number % 2 == 0,
                expires_at: (number % 3 == 0).then_some(1 << 40),
            })?;
            tx.add_event(sent_at, row, What::Queued, None)?;
            let row = tx.insert_incoming(&Incoming {
                id,
                sender: &recipient,
                sender_name: &name(),
                recipient: &sender,
                body: &body,
                sent_at,
                received_at: sent_at,
                trust: None,
            })?;
            let row = row.expect("each id is new");
            tx.add_event(sent_at, row, What::Received, None).map(drop)
        });
        filled.expect("a good disk");
    }
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

fn name() -> DisplayName {
    DisplayName::parse("Somebody").expect("a name")
}
