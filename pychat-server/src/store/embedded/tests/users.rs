//! Only users with something recent stay in memory, and it makes no difference who does.

use super::Embedded;
use crate::store::{
    Command, Decision, MailboxStore, StoreError,
    contract::words::{
        ALL, LAPTOP, PHONE, ROOMY, advance, claim, claim_prekey, entries, own_keys, page, position,
        publish, publish_device, raise, receipt, records, reserve, text, trim, user,
    },
    embedded::memory::CLEAN_USERS_MAX,
};
use proptest::prelude::*;
use pychat_proto::DisplayName;
use rusqlite::Connection;

const NAMES: [&str; 5] = ["ann", "bob", "cyd", "dan", "eve"];

fn keeping(clean_users_max: usize) -> Embedded {
    let mut store = Embedded::in_memory(ROOMY).unwrap();
    store.set_clean_users_max(clean_users_max);
    store
}

fn reopened(store: Embedded) -> Embedded {
    let max = store.bounds.clean_users_max;
    let mut store = Embedded::from_connection(store.into_connection(), ROOMY).unwrap();
    store.set_clean_users_max(max);
    store
}

#[test]
fn clean_users_are_kept_up_to_a_bound() {
    let mut store = Embedded::in_memory(ROOMY).unwrap();
    let name = |n: usize| format!("user{n}");
    let claims: Vec<_> = (0..CLEAN_USERS_MAX).map(|n| claim(&name(n))).collect();
    store.commit(&claims).unwrap();
    assert_eq!(store.memory.users.len(), CLEAN_USERS_MAX);
    store.commit(&[claim(&name(CLEAN_USERS_MAX))]).unwrap();
    assert_eq!(store.memory.users.len(), CLEAN_USERS_MAX);
    assert_eq!(store.memory.names.len(), CLEAN_USERS_MAX);
    assert!(!store.memory.names.contains_key(&user("user0")), "who was clean first goes first");
    assert!(store.account(&user("user0")).unwrap().is_some());
    assert_eq!(store.memory.users.len(), CLEAN_USERS_MAX);
}

#[test]
fn who_has_something_recent_stays() {
    let mut store = keeping(0);
    store.commit(&NAMES.map(claim)).unwrap();
    assert_eq!(store.memory.users.len(), 0);
    store
        .commit(&[text("ann", 1, "bob", b"1"), text("ann", 2, "bob", b"2"), receipt("cyd", b"")])
        .unwrap();
    let loaded = |store: &Embedded| {
        let mut names: Vec<_> = store.memory.names.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(loaded(&store), ["ann", "bob", "cyd"], "ann's position is told by a row alone");
    store.commit(&[trim("bob", u64::MAX)]).unwrap();
    assert_eq!(loaded(&store), ["ann", "cyd"]);
    store.flush().unwrap();
    assert_eq!(loaded(&store), ["cyd"]);
    assert_eq!(position(&mut store, "ann", LAPTOP), 2);
}

#[test]
fn a_start_loads_those_with_recent_entries_alone() {
    let mut store = keeping(0);
    store.commit(&NAMES.map(claim)).unwrap();
    store.commit(&[receipt("cyd", b"")]).unwrap();
    let mut store = reopened(store);
    assert_eq!(store.memory.users.len(), 1);
    assert_eq!(entries(&mut store, "cyd").len(), 1);
}

#[test]
fn a_damaged_row_is_noticed_when_its_user_is_asked_for() {
    for damage in [
        "UPDATE users SET key = x'00' WHERE name = 'bob'",
        "UPDATE users SET display = char(7) WHERE name = 'bob'",
        "UPDATE streams SET stream = x'00'",
    ] {
        let mut store = keeping(0);
        store.commit(&[claim("ann"), claim("bob"), advance("bob", LAPTOP, 1)]).unwrap();
        let connection = store.into_connection();
        connection.execute_batch(damage).unwrap();
        let mut store = Embedded::from_connection(connection, ROOMY).unwrap();
        store.set_clean_users_max(0);
        assert!(store.account(&user("ann")).unwrap().is_some());
        let refused = store.account(&user("bob"));
        assert!(matches!(refused, Err(StoreError::Fatal(_))), "{damage}: {refused:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_now_is_no_missing_user() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("mail.db");
    let mut store = Embedded::from_connection(Connection::open(&path).unwrap(), ROOMY).unwrap();
    store.set_clean_users_max(0);
    store.commit(&[claim("bob")]).unwrap();
    store.connection.progress_handler(1, Some(|| true)).unwrap();
    assert!(matches!(store.account(&user("bob")), Err(StoreError::NotWritten(_))));
    assert!(matches!(
        store.read(&user("bob"), pychat_proto::Cursor(0), ALL),
        Err(StoreError::NotWritten(_))
    ));
    assert!(matches!(store.commit(&[receipt("bob", b"")]), Err(StoreError::NotWritten(_))));
    store.connection.progress_handler(1, None::<fn() -> bool>).unwrap();
    store.commit(&[receipt("bob", b"")]).unwrap();
    assert_eq!(entries(&mut store, "bob").len(), 1);
}

/// What is done to both stores.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Command>),
    /// The disk vetoes it.
    Fail(Vec<Command>),
    Flush,
    Reopen,
}

fn decision(of: &str, what: u8) -> Command {
    let user = user(of);
    Command::Decide(match what {
        0 => Decision::Free { user },
        1 => Decision::Purge { mailbox: user },
        _ => Decision::Rename { user, name: DisplayName::parse("Set").ok() },
    })
}

fn command() -> impl Strategy<Value = Command> {
    let name = || prop::sample::select(&NAMES[..]);
    let stream = || prop::sample::select(&[LAPTOP, PHONE][..]);
    prop_oneof![
        name().prop_map(claim),
        (name(), stream(), 1..9u64, name())
            .prop_map(|(from, stream, seq, to)| records(from, stream, seq, seq, to, b"text")),
        name().prop_map(|to| receipt(to, b"receipt")),
        (name(), 0..9u64).prop_map(|(of, up_to)| trim(of, up_to)),
        name().prop_map(|of| trim(of, u64::MAX)),
        (name(), 0..5000u64).prop_map(|(of, above)| raise(of, above)),
        (name(), 0..5000u64).prop_map(|(of, up_to)| reserve(of, up_to)),
        (name(), stream(), 1..9u64).prop_map(|(of, stream, to)| advance(of, stream, to)),
        (name(), 1..3u8, 1..3u8).prop_map(|(of, device, other)| publish_device(of, device, other)),
        (name(), 0..9u64, 0..5u64).prop_map(|(of, first, count)| publish(of, first, count)),
        (name(), 0..3u8).prop_map(|(of, what)| decision(of, what)),
        name().prop_map(claim_prekey),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let batch = || prop::collection::vec(command(), 1..6);
    prop_oneof![
        8 => batch().prop_map(Step::Commit),
        2 => batch().prop_map(Step::Fail),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

/// Does a step, and says all that can be seen afterwards.
fn play(store: &mut Option<Embedded>, step: &Step) -> String {
    let mut it = store.take().unwrap();
    let answers = match step {
        Step::Commit(batch) => format!("{:?}", it.commit(batch)),
        Step::Fail(batch) => {
            it.connection.commit_hook(Some(|| true)).unwrap();
            let failed = it.commit(batch);
            it.connection.commit_hook(None::<fn() -> bool>).unwrap();
            format!("{failed:?}")
        }
        Step::Flush => format!("{:?}", it.flush()),
        Step::Reopen => {
            it = reopened(it);
            String::new()
        }
    };
    let seen = NAMES.map(|name| {
        let places = [LAPTOP, PHONE].map(|stream| position(&mut it, name, stream));
        let keys = own_keys(&mut it, name);
        (page(&mut it, name, 0, ALL), it.account(&user(name)).unwrap(), places, keys)
    });
    let accounts = it.accounts(None, 3).unwrap();
    *store = Some(it);
    format!("{answers} {seen:?} {accounts:?}")
}

proptest! {
    #[test]
    fn who_is_in_memory_changes_no_answer(steps in prop::collection::vec(step(), 1..30)) {
        let (mut few, mut all) = (Some(keeping(1)), Some(keeping(usize::MAX)));
        for step in &steps {
            prop_assert_eq!(play(&mut few, step), play(&mut all, step), "{:?}", step);
        }
    }
}
