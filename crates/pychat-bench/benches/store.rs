//! The embedded store: what a transaction takes, by how much is in it. Each one is synced to the disk
//! that holds the temporary directory.

use divan::{Bencher, counter::ItemsCount};
use pychat_proto::{DisplayName, PublicKey, Seq, StreamId, UserName};
use pychat_server::store::{
    Account, Answer, Append, Appended, Command, MailboxStore, Origin, Quota, embedded::Embedded,
};
use std::sync::Arc;
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// Who is written to, in turn.
const MAILBOXES: u64 = 1000;

/// What surrounds a text of 200 bytes makes it this long.
const ENTRY_BYTES: usize = 260;

/// Texts of one sender to many mailboxes, committed at once.
#[divan::bench(args = [1, 16, 256, 1024])]
fn commit(bencher: Bencher<'_, '_>, batch: u64) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut store, mut sender) = (open(&directory), Sender { written: 0 });
    bencher.counter(ItemsCount::new(batch)).with_inputs(|| sender.texts(batch)).bench_local_refs(
        |texts| {
            let answers = store.commit(texts).expect("the disk takes it");
            let stored =
                |answer: &Answer| matches!(answer, Answer::Append(Appended::Stored { .. }));
            assert!(answers.iter().all(stored));
        },
    );
}

/// A new store, with mailboxes.
fn open(directory: &TempDir) -> Embedded {
    let quota = Quota { entries: u64::MAX, bytes: u64::MAX };
    let store = Embedded::open(&directory.path().join("mailboxes"), quota);
    let mut store = store.expect("a new store opens");
    let claims: Vec<Command> = (0..MAILBOXES).map(|index| claim(user(index))).collect();
    store.commit(&claims).expect("the disk takes it");
    store
}

/// One outbox.
struct Sender {
    written: u64,
}

impl Sender {
    fn texts(&mut self, count: u64) -> Vec<Command> {
        let text = |number| {
            Command::Append(Append {
                mailbox: user(number % MAILBOXES),
                origin: Origin::Stream {
                    user: user(0),
                    stream: StreamId([1; 16]),
                    safe: Seq(number),
                    first: Seq(number + 1),
                    last: Seq(number + 1),
                },
                place: None,
                entry: Arc::from([7; ENTRY_BYTES]),
            })
        };
        let texts = (self.written..self.written + count).map(text).collect();
        self.written += count;
        texts
    }
}

fn user(index: u64) -> UserName {
    UserName::parse(&format!("user{index}")).expect("a plain name")
}

fn claim(user: UserName) -> Command {
    let name = DisplayName::parse("").expect("it may be empty");
    Command::Claim(Account { user, key: PublicKey([1; 32]), name, since: 0, name_is_set: false })
}
