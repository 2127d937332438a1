//! A profile goes into an archive and comes out as it was, but for what stays with its machine.

mod moving;
mod reading;

use super::{
    Content, Entry, FORMAT_VERSION, ImportError, Limits, Lines, ReadError, Step, WriteError,
    lines::LINE_BYTES_MAX, unpack, write,
};
use crate::{
    db::{
        Account, Contact, Database, Direction, Incoming, Kept, Outgoing, Queued, Slice,
        UnopenedRow, Waits, identity,
    },
    run::{DATABASE_FILE, IDENTITY_FILE},
};
use pychat_control::{Archived, State, Trust};
use pychat_proto::{
    Cursor, DisplayName, MessageId, PublicKey, SecretKey, Seq, StreamId, UserName,
    chat::TEXT_BYTES_MAX,
};
use std::{io, path::Path};

const NEW_STREAM: StreamId = StreamId([0xee; 16]);
const SERVER: PublicKey = PublicKey([9; 32]);

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn name(text: &str) -> DisplayName {
    DisplayName::parse(text).unwrap()
}

fn id(number: u8) -> MessageId {
    MessageId::from_bytes([number; 16])
}

fn identity_key() -> SecretKey {
    SecretKey::from_bytes([0x5a; 32])
}

fn out(
    database: &mut Database,
    number: u8,
    state: State,
    client_key: Option<&str>,
) -> crate::db::RowId {
    let written = database.write(|tx| {
        let row = tx.insert_outgoing(&Outgoing {
            id: id(number),
            sender: &user("alice"),
            sender_name: &name("Alice \"A\" Liddell"),
            recipient: &user("bob"),
            body: &format!("text {number}\n\u{1b}[31m \u{1f600}"),
            sent_at: 1000 + u64::from(number),
            client_key,
        })?;
        tx.set_state(row, state)?;
        Ok(row)
    });
    written.unwrap()
}

fn incoming(database: &mut Database, number: u8, trust: Option<Trust>) -> crate::db::RowId {
    let written = database.write(|tx| {
        tx.insert_incoming(&Incoming {
            id: id(number),
            sender: &user("bob"),
            sender_name: &name("Bob"),
            recipient: &user("alice"),
            body: "hello",
            sent_at: 5,
            received_at: 6,
            trust,
        })
    });
    written.unwrap().unwrap()
}

/// In the outbox, with the next record's number.
fn enqueue(database: &mut Database, message: crate::db::RowId, seq: u64, queued: Queued) {
    let row = Queued { first: Seq(seq), last: Seq(seq), message: Some(message), ..queued };
    database.write(|tx| tx.enqueue(&row)).unwrap();
}

fn sealed(tried: bool, expires_at: Option<u64>) -> Queued {
    Queued { first: Seq(0), last: Seq(0), message: None, payload: vec![1; 9], tried, expires_at }
}

fn contact(of: &str, login: u8) -> Contact {
    Contact {
        user: user(of),
        login: PublicKey([login; 32]),
        since: 7,
        offered: None,
        changed_at: None,
        verified_at: None,
        pinned_at: 8,
    }
}

/// Alice's, who did all that one can do.
fn alices(path: &Path) -> Database {
    let mut database = Database::open(path).unwrap();
    let mut settings = database.read().stored().unwrap().settings;
    settings.account = Some(Account {
        user: user("alice"),
        name: name("Alice \"A\" Liddell"),
        server: pychat_proto::JoinLink::to_place("h".parse().unwrap(), Some(SERVER)),
        stream: StreamId([1; 16]),
        logged_in: true,
    });
    settings.wants_link = true;
    settings.cursor = Cursor(99);
    settings.next_seq = Seq(50);
    settings.committed = Seq(40);
    settings.other_machine_at = Some(3);
    database.write(|tx| tx.save_settings(&settings)).unwrap();
    let changed = Contact {
        offered: Some(PublicKey([4; 32])),
        changed_at: Some(11),
        verified_at: Some(12),
        ..contact("mallory", 3)
    };
    database
        .write(|tx| {
            tx.save_contact(&SERVER, &contact("bob", 2))?;
            tx.save_contact(&SERVER, &changed)?;
            tx.save_contact(&PublicKey([8; 32]), &contact("bob", 5))?;
            tx.note_unopened(&user("carol"), id(200), 77)?;
            tx.note_unopened(&user("carol"), id(200), 78)?;
            tx.ask_unopened(&user("carol"), 10)
        })
        .unwrap();

    out(&mut database, 1, State::Read, Some("key-1"));
    let refused = out(&mut database, 2, State::Refused, None);
    database.write(|tx| tx.set_refusal(refused, 3, "nobody of that name")).unwrap();
    let read = incoming(&mut database, 3, Some(Trust::FirstContact));
    database.write(|tx| tx.set_state(read, State::Read)).unwrap();
    incoming(&mut database, 4, Some(Trust::KeyChanged));
    incoming(&mut database, 5, None);
    let waits = out(&mut database, 6, State::Queued, None);
    database.write(|tx| tx.wait_for_keys(waits, &user("bob"), Some(1 << 40))).unwrap();
    let untried = out(&mut database, 7, State::Queued, None);
    enqueue(&mut database, untried, 41, sealed(false, Some(1 << 41)));
    let tried = out(&mut database, 8, State::Queued, None);
    enqueue(&mut database, tried, 42, sealed(true, Some(1 << 42)));
    let resealed = out(&mut database, 9, State::Delivered, None);
    enqueue(&mut database, resealed, 43, sealed(false, None));
    let taken = out(&mut database, 10, State::Accepted, None);
    enqueue(&mut database, taken, 44, sealed(true, None));
    database.write(|tx| tx.mark_committed(Seq(44), 9)).unwrap();
    let cancelled = out(&mut database, 11, State::Cancelled, None);
    enqueue(&mut database, cancelled, 45, sealed(false, None));
    database.write(|tx| tx.give_up(Seq(45))).unwrap();
    database
}

fn export(database: &mut Database) -> (Vec<u8>, Archived) {
    let snapshot = database.snapshot().unwrap();
    let identity = identity_key();
    let exported_at = "2026-01-31T12:00:00.000Z";
    let content = Content { reader: snapshot.read(), identity: &identity, exported_at };
    let mut lines = Vec::new();
    let told = write(&content, &mut lines).unwrap();
    (lines, told)
}

fn import(lines: &[u8], dir: &Path) -> Result<Archived, ImportError> {
    unpack(dir, Lines::open(lines, Limits::default())?, NEW_STREAM, &mut |_| Ok(()))
}

fn kept(database: &Database) -> Vec<Kept> {
    let mut all = Vec::new();
    let each = |mut kept: Kept| {
        kept.row.row.0 = 0;
        all.push(kept);
        Ok::<_, WriteError>(())
    };
    database.read().each_message(each).unwrap();
    all
}

fn contacts(database: &Database) -> Vec<(PublicKey, Contact)> {
    let mut all = Vec::new();
    let each = |server, contact| {
        all.push((server, contact));
        Ok::<_, WriteError>(())
    };
    database.read().each_contact(each).unwrap();
    all
}

/// All lines of an archive, read.
fn entries(lines: &[u8], limits: Limits) -> Result<Vec<Entry>, ReadError> {
    let mut lines = Lines::open(lines, limits)?;
    let mut all = Vec::new();
    while let Some(entry) = lines.next_entry()? {
        all.push(entry);
    }
    assert!(lines.next_entry()?.is_none(), "the end stays the end");
    Ok(all)
}

fn read_error(lines: &[u8]) -> String {
    entries(lines, Limits::default()).unwrap_err().to_string()
}

/// Lines of an archive of alice's, to be altered.
fn lines() -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let (lines, _) = export(&mut alices(&directory.path().join("d")));
    String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect()
}

fn joined(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}
