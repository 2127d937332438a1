//! Commands in few words.

use crate::store::{
    Account, Answer, Append, Appended, Command, DeviceKey, Entry, MailboxStore, Origin, Page,
    Prekey, Quota, ReadLimit,
};
use pychat_proto::{Cursor, DisplayName, PublicKey, Seq, StreamId, UserName, chat::OwnKeys};

pub(crate) const ALL: ReadLimit = ReadLimit { entries: usize::MAX, bytes: usize::MAX };
pub(crate) const ROOMY: Quota = Quota { entries: 1000, bytes: 1_000_000 };
pub(crate) const LAPTOP: StreamId = StreamId([1; 16]);
pub(crate) const PHONE: StreamId = StreamId([2; 16]);

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn account(name: &str, key: u8, display: &str, since: u64) -> Account {
    let name = user(name);
    let display = DisplayName::parse(display).unwrap();
    Account { user: name, key: PublicKey([key; 32]), name: display, since, name_is_set: false }
}

pub(crate) fn claim(name: &str) -> Command {
    Command::Claim(account(name, 1, "", 0))
}

/// A text that takes one record of the sender's laptop.
pub(crate) fn text(from: &str, seq: u64, to: &str, body: &[u8]) -> Command {
    records(from, LAPTOP, seq, seq, to, body)
}

pub(crate) fn records(
    from: &str,
    stream: StreamId,
    first: u64,
    last: u64,
    to: &str,
    body: &[u8],
) -> Command {
    let (safe, first, last) = (Seq::NONE, Seq(first), Seq(last));
    let origin = Origin::Stream { user: user(from), stream, safe, first, last };
    Command::Append(Append { mailbox: user(to), origin, place: None, entry: body.into() })
}

/// A text all before which is known to be safe up to `safe`.
pub(crate) fn safe_text(from: &str, safe: u64, seq: u64, to: &str, body: &[u8]) -> Command {
    let (safe, first, last) = (Seq(safe), Seq(seq), Seq(seq));
    let origin = Origin::Stream { user: user(from), stream: LAPTOP, safe, first, last };
    Command::Append(Append { mailbox: user(to), origin, place: None, entry: body.into() })
}

/// A text that has its place already.
pub(crate) fn placed(from: &str, seq: u64, to: &str, at: u64, body: &[u8]) -> Command {
    let (safe, first, last) = (Seq::NONE, Seq(seq), Seq(seq));
    let origin = Origin::Stream { user: user(from), stream: LAPTOP, safe, first, last };
    Command::Append(Append {
        mailbox: user(to),
        origin,
        place: Some(Cursor(at)),
        entry: body.into(),
    })
}

pub(crate) fn reserve(mailbox: &str, up_to: u64) -> Command {
    Command::Reserve { mailbox: user(mailbox), up_to: Cursor(up_to) }
}

pub(crate) fn receipt(to: &str, body: &[u8]) -> Command {
    let (mailbox, origin) = (user(to), Origin::Server);
    Command::Append(Append { mailbox, origin, place: None, entry: body.into() })
}

pub(crate) fn advance(name: &str, stream: StreamId, up_to: u64) -> Command {
    Command::Advance { user: user(name), stream, up_to: Seq(up_to) }
}

pub(crate) fn trim(mailbox: &str, up_to: u64) -> Command {
    Command::Trim { mailbox: user(mailbox), up_to: Cursor(up_to) }
}

pub(crate) fn raise(mailbox: &str, above: u64) -> Command {
    Command::Raise { mailbox: user(mailbox), above: Cursor(above) }
}

pub(crate) fn take(mailbox: &str, above: u64) -> Command {
    Command::Take { mailbox: user(mailbox), above: Cursor(above) }
}

/// Executes a batch of appends.
pub(crate) fn append(store: &mut dyn MailboxStore, batch: &[Command]) -> Vec<Appended> {
    let answers = store.commit(batch).unwrap();
    let appended = answers.into_iter().map(|answer| match answer {
        Answer::Append(appended) => appended,
        Answer::Claim(_)
        | Answer::Decided(_)
        | Answer::Reserved(_)
        | Answer::Taken(_)
        | Answer::Keys(_)
        | Answer::Prekey(_)
        | Answer::Done => panic!("{answer:?} answers no append"),
    });
    appended.collect()
}

/// Executes one append, which is stored: its place.
pub(crate) fn store_one(store: &mut dyn MailboxStore, command: Command) -> u64 {
    stored(store, command).0
}

/// Executes one append, which is stored: its place, and up to where places are set aside.
pub(crate) fn stored(store: &mut dyn MailboxStore, command: Command) -> (u64, u64) {
    match append(store, &[command])[..] {
        [Appended::Stored { cursor, reserved }] => (cursor.0, reserved.0),
        ref other => panic!("not stored: {other:?}"),
    }
}

pub(crate) fn page(
    store: &mut dyn MailboxStore,
    mailbox: &str,
    after: u64,
    limit: ReadLimit,
) -> Page {
    store.read(&user(mailbox), Cursor(after), limit).unwrap()
}

pub(crate) fn bodies(page: &Page) -> Vec<&[u8]> {
    page.entries.iter().map(|entry| &*entry.entry).collect()
}

/// All of a mailbox.
pub(crate) fn entries(store: &mut dyn MailboxStore, mailbox: &str) -> Vec<Entry> {
    page(store, mailbox, 0, ALL).entries
}

pub(crate) fn position(store: &mut dyn MailboxStore, name: &str, stream: StreamId) -> u64 {
    store.position(&user(name), stream).unwrap().0
}

/// A device's key of so many same bytes, and its fallback key.
pub(crate) fn publish_device(name: &str, device: u8, fallback: u8) -> Command {
    let device = DeviceKey::parse(vec![device; 32]).unwrap();
    let fallback = Prekey::parse(vec![fallback; 32]).unwrap();
    Command::PublishDevice { user: user(name), device, fallback }
}

/// So many one-time keys from `first` on.
pub(crate) fn publish(name: &str, first: u64, count: u64) -> Command {
    let keys = (first..first + count).map(publish_one).collect();
    Command::PublishPrekeys { user: user(name), first, keys }
}

/// The one-time key of this number.
pub(crate) fn publish_one(number: u64) -> Prekey {
    Prekey::parse(prekey(number)).unwrap()
}

/// Its bytes: as many as its number says, within reason.
pub(crate) fn prekey(number: u64) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(8 + number as usize % 90, 7);
    bytes
}

pub(crate) fn claim_prekey(name: &str) -> Command {
    Command::ClaimPrekey { user: user(name) }
}

/// The key that was handed out; none for any other answer.
pub(crate) fn claimed_prekey(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Prekey(Some(keys)) => keys.prekey,
        Answer::Append(_)
        | Answer::Claim(_)
        | Answer::Decided(_)
        | Answer::Reserved(_)
        | Answer::Taken(_)
        | Answer::Keys(_)
        | Answer::Prekey(None)
        | Answer::Done => Vec::new(),
    }
}

pub(crate) fn own_keys(store: &mut dyn MailboxStore, name: &str) -> Option<OwnKeys> {
    store.keys(&user(name)).unwrap()
}
