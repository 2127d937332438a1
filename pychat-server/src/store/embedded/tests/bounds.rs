//! What the engine holds in memory is bounded, and the same after a restart.

use super::{Bounds, CRAMPED, Embedded};
use crate::store::{
    Account, Appended, Command, MailboxStore, Quota,
    contract::words::{
        ALL, LAPTOP, ROOMY, advance, append, bodies, claim, entries, page, position, raise,
        receipt, records, store_one, text, trim, user,
    },
    embedded::memory::{CURSOR_MAX, Head, STREAMS_PER_USER_MAX, Slot, Stream},
};
use pychat_proto::StreamId;
use std::collections::VecDeque;

fn with(bounds: Bounds, quota: Quota) -> Embedded {
    let mut store = Embedded::in_memory(quota).unwrap();
    store.bounds = bounds;
    store.commit(&["ann", "bob"].map(claim)).unwrap();
    store
}

fn reopened(store: Embedded) -> Embedded {
    let (bounds, quota) = (store.bounds, store.quota);
    let mut store = Embedded::from_connection(store.into_connection(), quota).unwrap();
    store.bounds = bounds;
    store
}

fn count(store: &Embedded, sql: &str) -> i64 {
    store.connection.query_one(sql, [], |row| row.get(0)).unwrap()
}

fn texts(from: u64, to: u64) -> Vec<Command> {
    (from..=to).map(|seq| text("ann", seq, "bob", format!("{seq}").as_bytes())).collect()
}

#[test]
fn the_index_rebuilt_equals_the_one_before() {
    let mut store =
        with(Bounds { recent_max: 10, entries_per_move: 4, ..Bounds::default() }, ROOMY);
    store.commit(&texts(1, 20)).unwrap();
    store.commit(&[advance("bob", LAPTOP, 3), receipt("ann", b"receipt")]).unwrap();
    store.commit(&[trim("bob", 3), text("ann", 21, "bob", b"21")]).unwrap();
    store.flush().unwrap();
    let mailboxes = [entries(&mut store, "ann"), entries(&mut store, "bob")];
    let (before, recent) = (users(&mut store), store.memory.recent);

    let mut store = reopened(store);
    assert_eq!([entries(&mut store, "ann"), entries(&mut store, "bob")], mailboxes);
    assert_eq!(store.memory.recent, recent);
    for ((user, mut streams), (found, mut rebuilt)) in before.into_iter().zip(users(&mut store)) {
        // What was trimmed is gone from the disk, and cursors go on behind the reserved ones.
        let (mut head, slots, account) = user;
        head.trimmed = 0;
        head.next = head.reserved + 1;
        assert_eq!(found, (head, slots, account));
        // Rows tell it again.
        rebuilt.iter_mut().chain(&mut streams).for_each(|stream| stream.dirty = false);
        assert_eq!(rebuilt, streams);
    }
}

type Known = ((Head, VecDeque<Slot>, Option<Account>), Vec<Stream>);

/// What memory says of ann and bob.
fn users(store: &mut Embedded) -> Vec<Known> {
    let known = |name| {
        let id = store.memory.named(&store.connection, &user(name)).unwrap().unwrap();
        let user = store.memory.user(id);
        ((user.head, user.slots.clone(), user.account()), user.streams.clone())
    };
    ["ann", "bob"].map(known).into()
}

#[test]
fn the_index_holds_only_what_is_recent() {
    let mut store =
        with(Bounds { recent_max: 10, entries_per_move: 1, ..Bounds::default() }, ROOMY);
    for seq in 1..=50 {
        store.commit(&texts(seq, seq)).unwrap();
        assert!(store.memory.recent <= 11, "{} after {seq}", store.memory.recent);
    }
    store.commit(&texts(51, 51)).unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM archive"), 40);
    let all = page(&mut store, "bob", 0, ALL);
    assert_eq!(all.entries.len(), 51);
    assert!(all.entries.is_sorted_by_key(|entry| entry.cursor));
    let mut store = reopened(store);
    assert_eq!(page(&mut store, "bob", 0, ALL), all);
}

#[test]
fn a_trim_reaches_into_the_archive_and_makes_room_there() {
    let quota = Quota { entries: 6, bytes: 1000 };
    let mut store = with(CRAMPED, quota);
    for seq in 1..=6 {
        store.commit(&texts(seq, seq)).unwrap();
    }
    assert_eq!(append(&mut store, &texts(7, 7)), [Appended::Full]);
    let cursors: Vec<_> = entries(&mut store, "bob").iter().map(|entry| entry.cursor.0).collect();
    assert_eq!(count(&store, "SELECT count(*) FROM archive"), 6);
    store.commit(&[trim("bob", cursors[1])]).unwrap();
    assert_eq!(bodies(&page(&mut store, "bob", 0, ALL)), [b"3", b"4", b"5", b"6"]);
    let appended = append(&mut store, &texts(7, 9));
    assert!(matches!(
        appended[..],
        [Appended::Stored { .. }, Appended::Stored { .. }, Appended::Full]
    ));
    store.flush().unwrap();
    let mut store = reopened(store);
    assert_eq!(append(&mut store, &texts(9, 9)), [Appended::Full]);
    store.commit(&[trim("bob", u64::MAX)]).unwrap();
    store.flush().unwrap();
    assert_eq!(
        count(&store, "SELECT (SELECT count(*) FROM archive) + (SELECT count(*) FROM entries)"),
        0
    );
}

#[test]
fn a_recent_entry_takes_24_bytes() {
    assert_eq!(size_of::<Slot>(), 24);
}

#[test]
fn a_cursor_is_raised_to_a_bound_at_most() {
    let mut store = with(Bounds::default(), ROOMY);
    store.commit(&[raise("bob", u64::MAX)]).unwrap();
    assert_eq!(store_one(&mut store, receipt("bob", b"")), CURSOR_MAX + 1);
    assert!(store_one(&mut reopened(store), receipt("bob", b"")) > CURSOR_MAX + 1);
}

#[test]
fn trimmed_rows_go_in_portions() {
    let mut store =
        with(Bounds { late_rows_due: 8, late_rows_per_portion: 4, ..Bounds::default() }, ROOMY);
    store.commit(&texts(1, 20)).unwrap();
    store.commit(&[trim("bob", 7)]).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM entries"), 20);
    store.commit(&[trim("bob", 8)]).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM entries"), 16);
    assert_eq!(store.late.rows, [5, 6, 7, 8]);
}

#[test]
fn no_more_trimmed_rows_wait_than_entries_are_held() {
    let mut store =
        with(Bounds { late_rows_due: 100, late_rows_per_portion: 4, ..Bounds::default() }, ROOMY);
    store.commit(&texts(1, 20)).unwrap();
    // As few as these wait for others.
    store.commit(&[trim("bob", 9)]).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!((store.memory.recent, store.late.rows.len()), (11, 9));
    store.commit(&[trim("bob", 10)]).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!((store.memory.recent, store.late.rows.len()), (10, 6));
    store.commit(&[trim("bob", 17)]).unwrap();
    for left in [9, 5, 1, 1] {
        store.commit(&[]).unwrap();
        assert_eq!(store.late.rows.len(), left);
    }
    // Never fewer than a portion, however few entries there are.
    store.commit(&[trim("bob", 19)]).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!((store.memory.recent, store.late.rows.len()), (1, 3));
}

#[test]
fn trimmed_rows_beyond_the_bound_are_trimmed_again_after_a_restart() {
    let mut store = with(Bounds { late_rows_max: 3, ..Bounds::default() }, ROOMY);
    store.commit(&texts(1, 5)).unwrap();
    store.commit(&[trim("bob", 5)]).unwrap();
    assert_eq!(store.late.rows.len(), 3);
    assert_eq!(entries(&mut store, "bob"), []);
    store.flush().unwrap();
    let mut store = reopened(store);
    assert_eq!(bodies(&page(&mut store, "bob", 0, ALL)), [b"4", b"5"]);
    assert_eq!(position(&mut store, "ann", LAPTOP), 5);
}

#[test]
fn positions_that_only_rows_tell_are_written_down_in_time() {
    let mut store = with(Bounds { dirty_streams_due: 2, ..Bounds::default() }, ROOMY);
    store.commit(&texts(1, 1)).unwrap();
    store.commit(&[text("bob", 1, "bob", b"")]).unwrap();
    store.commit(&[text("ann", 2, "bob", b""), text("bob", 2, "bob", b"")]).unwrap();
    assert_eq!(store.memory.dirty.len(), 2);
    store.commit(&[]).unwrap();
    assert!(store.memory.dirty.is_empty());
    assert_eq!(count(&store, "SELECT sum(position) FROM streams"), 4);
}

#[test]
fn the_stream_not_used_for_the_longest_time_is_forgotten() {
    let mut store = with(Bounds::default(), ROOMY);
    let stream = |n: usize| StreamId([n as u8; 16]);
    for n in 0..STREAMS_PER_USER_MAX {
        store_one(&mut store, records("ann", stream(n), 1, 1, "bob", b""));
    }
    store_one(&mut store, records("ann", stream(0), 2, 2, "bob", b""));
    store_one(&mut store, records("ann", stream(100), 1, 1, "bob", b""));
    let mut store = reopened(store);
    assert_eq!(position(&mut store, "ann", stream(0)), 2);
    assert_eq!(position(&mut store, "ann", stream(1)), 0);
    assert_eq!(position(&mut store, "ann", stream(100)), 1);
    assert_eq!(count(&store, "SELECT count(*) FROM streams"), STREAMS_PER_USER_MAX as i64);
}

#[test]
fn a_forgotten_stream_is_not_taken_for_a_new_one() {
    let mut store = with(Bounds::default(), ROOMY);
    // More new streams in one batch than are kept: the first are forgotten before they are written.
    let batch: Vec<_> =
        (0..20).map(|n| records("ann", StreamId([n; 16]), 1, 9, "bob", b"")).collect();
    store.commit(&batch).unwrap();
    let mut store = reopened(store);
    store_one(&mut store, records("bob", LAPTOP, 1, 1, "bob", b""));
    let mut store = reopened(store);
    assert_eq!(position(&mut store, "bob", LAPTOP), 1);
    assert_eq!(position(&mut store, "ann", StreamId([19; 16])), 9);
    assert_eq!(position(&mut store, "ann", StreamId([0; 16])), 0);
}
