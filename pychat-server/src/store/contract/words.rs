//! Commands in few words.

use crate::store::{
    Account, Answer, Append, Appended, Command, Entry, MailboxStore, Origin, Page, Quota, ReadLimit,
};
use pychat_proto::{Cursor, DisplayName, PublicKey, Seq, StreamId, UserName};

pub(in crate::store) const ALL: ReadLimit = ReadLimit { entries: usize::MAX, bytes: usize::MAX };
pub(in crate::store) const ROOMY: Quota = Quota { entries: 1000, bytes: 1_000_000 };
pub(in crate::store) const LAPTOP: StreamId = StreamId([1; 16]);
pub(in crate::store) const PHONE: StreamId = StreamId([2; 16]);

pub(in crate::store) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(in crate::store) fn account(name: &str, key: u8, display: &str, since: u64) -> Account {
    let name = user(name);
    let display = DisplayName::parse(display).unwrap();
    Account { user: name, key: PublicKey([key; 32]), name: display, since }
}

pub(in crate::store) fn claim(name: &str) -> Command {
    Command::Claim(account(name, 1, "", 0))
}

/// A text that takes one record of the sender's laptop.
pub(in crate::store) fn text(from: &str, seq: u64, to: &str, body: &[u8]) -> Command {
    records(from, LAPTOP, seq, seq, to, body)
}

pub(in crate::store) fn records(
    from: &str,
    stream: StreamId,
    first: u64,
    last: u64,
    to: &str,
    body: &[u8],
) -> Command {
    let (first, last) = (Seq(first), Seq(last));
    let origin = Origin::Stream { user: user(from), stream, first, last };
    Command::Append(Append { mailbox: user(to), origin, entry: body.into() })
}

pub(in crate::store) fn receipt(to: &str, body: &[u8]) -> Command {
    Command::Append(Append { mailbox: user(to), origin: Origin::Server, entry: body.into() })
}

pub(in crate::store) fn advance(name: &str, stream: StreamId, up_to: u64) -> Command {
    Command::Advance { user: user(name), stream, up_to: Seq(up_to) }
}

pub(in crate::store) fn trim(mailbox: &str, up_to: u64) -> Command {
    Command::Trim { mailbox: user(mailbox), up_to: Cursor(up_to) }
}

pub(in crate::store) fn raise(mailbox: &str, above: u64) -> Command {
    Command::Raise { mailbox: user(mailbox), above: Cursor(above) }
}

/// Executes a batch of appends.
pub(in crate::store) fn append(store: &mut dyn MailboxStore, batch: &[Command]) -> Vec<Appended> {
    let answers = store.commit(batch).unwrap();
    let appended = answers.into_iter().map(|answer| match answer {
        Answer::Append(appended) => appended,
        Answer::Claim(_) | Answer::Done => panic!("{answer:?} answers no append"),
    });
    appended.collect()
}

/// Executes one append, which is stored.
pub(in crate::store) fn store_one(store: &mut dyn MailboxStore, command: Command) -> u64 {
    match append(store, &[command])[..] {
        [Appended::Stored(cursor)] => cursor.0,
        ref other => panic!("not stored: {other:?}"),
    }
}

pub(in crate::store) fn page(
    store: &mut dyn MailboxStore,
    mailbox: &str,
    after: u64,
    limit: ReadLimit,
) -> Page {
    store.read(&user(mailbox), Cursor(after), limit).unwrap()
}

pub(in crate::store) fn bodies(page: &Page) -> Vec<&[u8]> {
    page.entries.iter().map(|entry| &*entry.entry).collect()
}

/// All of a mailbox.
pub(in crate::store) fn entries(store: &mut dyn MailboxStore, mailbox: &str) -> Vec<Entry> {
    page(store, mailbox, 0, ALL).entries
}

pub(in crate::store) fn position(
    store: &mut dyn MailboxStore,
    name: &str,
    stream: StreamId,
) -> u64 {
    store.position(&user(name), stream).unwrap().0
}
