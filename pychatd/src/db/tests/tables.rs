//! The tables: what is written is all or nothing, what is unique stays so.

use crate::db::{Database, Incoming, Outgoing, Queued, RowId, What};
use pychat_control::State;
use pychat_proto::{DisplayName, MessageId, Seq, UserName};

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

fn insert(database: &mut Database, id: u8, key: Option<&str>) -> Option<RowId> {
    let (sender, recipient) = (user("alice"), user("bob"));
    database
        .write(|tx| {
            tx.insert_outgoing(&Outgoing {
                id: MessageId::from_bytes([id; 16]),
                sender: &sender,
                sender_name: &DisplayName::parse("").unwrap(),
                recipient: &recipient,
                body: "hello",
                sent_at: 1,
                client_key: key,
            })
        })
        .ok()
}

fn enqueue(database: &mut Database, first: u64, last: u64, message: Option<RowId>) {
    let row = Queued {
        first: Seq(first),
        last: Seq(last),
        message,
        payload: vec![first as u8],
        tried: false,
        expires_at: Some(first * 10),
    };
    database.write(|tx| tx.enqueue(&row)).unwrap();
}

/// First record, last record and payload of each row.
fn rows(database: &Database) -> Vec<(u64, u64, Vec<u8>)> {
    let rows = database.read().outbox_after(Seq::NONE, 100).unwrap();
    rows.into_iter().map(|row| (row.first.0, row.last.0, row.payload)).collect()
}

#[test]
fn a_key_is_used_once() {
    let mut database = Database::in_memory().unwrap();
    assert!(insert(&mut database, 1, Some("k")).is_some());
    assert!(insert(&mut database, 2, Some("k")).is_none());
    assert!(insert(&mut database, 3, None).is_some());
    assert!(insert(&mut database, 4, None).is_some());
    let keyed = database.read().keyed("k").unwrap().unwrap();
    assert_eq!(keyed.id, MessageId::from_bytes([1; 16]));
}

#[test]
fn an_incoming_message_is_stored_once_for_each_sender() {
    let mut database = Database::in_memory().unwrap();
    let mut receive = |sender: &str| {
        let (sender, recipient) = (user(sender), user("bob"));
        let stored = database.write(|tx| {
            tx.insert_incoming(&Incoming {
                id: MessageId::from_bytes([1; 16]),
                sender: &sender,
                sender_name: &DisplayName::parse("").unwrap(),
                recipient: &recipient,
                body: "hello",
                sent_at: 1,
                received_at: 2,
                trust: None,
            })
        });
        stored.unwrap().is_some()
    };
    assert!(receive("alice"));
    assert!(!receive("alice"));
    assert!(receive("carol"), "ids are the sender's own");
    assert_eq!(database.read().unread_count().unwrap(), 2);
}

#[test]
fn a_transaction_that_fails_at_its_commit_left_no_trace() {
    let mut database = Database::in_memory().unwrap();
    database.on_commit(|| true);
    assert!(insert(&mut database, 1, None).is_none());
    database.on_commit(|| false);
    assert!(database.read().outgoing(MessageId::from_bytes([1; 16])).unwrap().is_none());
    assert!(insert(&mut database, 1, None).is_some(), "the next one succeeds");
}

#[test]
fn a_new_stream_numbers_densely_what_the_server_lacks() {
    let mut database = Database::in_memory().unwrap();
    for (first, last) in [(5, 5), (6, 9), (10, 12), (13, 13), (14, 14)] {
        enqueue(&mut database, first, last, None);
    }
    let next = database
        .write(|tx| {
            tx.mark_committed(Seq(5), 1)?;
            tx.give_up(Seq(13))?;
            tx.renumber()
        })
        .unwrap();
    assert_eq!(rows(&database), [(1, 4, vec![6]), (5, 7, vec![10]), (8, 8, vec![14])]);
    assert_eq!(next, Seq(9));
    let again = database.write(|tx| {
        let same = tx.renumber()?;
        tx.clear_outbox()?;
        Ok([same, tx.renumber()?])
    });
    assert_eq!(again.unwrap(), [Seq(9), Seq(1)]);
}

#[test]
fn only_what_was_not_tried_expires() {
    let mut database = Database::in_memory().unwrap();
    for first in 1..=3 {
        enqueue(&mut database, first, first, None);
    }
    database.write(|tx| tx.mark_tried(Seq(1))).unwrap();
    assert_eq!(database.read().next_expiry().unwrap(), Some(20));
    let expired = |at| database.read().expired(at, 10).unwrap().len();
    assert_eq!([expired(19), expired(20), expired(30)], [0, 1, 2]);
}

#[test]
fn a_record_is_found_in_the_row_that_holds_it() {
    let mut database = Database::in_memory().unwrap();
    enqueue(&mut database, 1, 3, None);
    enqueue(&mut database, 7, 8, None);
    let first = |record| database.read().outbox_at(Seq(record)).unwrap().map(|row| row.first.0);
    let found: Vec<Option<u64>> = [0, 1, 3, 4, 6, 7, 8, 9].map(first).to_vec();
    assert_eq!(found, [None, Some(1), Some(1), None, None, Some(7), Some(7), None]);
}

#[test]
fn queued_counts_texts_that_wait() {
    let mut database = Database::in_memory().unwrap();
    let messages = [1, 2, 3].map(|id| insert(&mut database, id, None));
    for (first, message) in (1..).zip(messages) {
        enqueue(&mut database, first, first, message);
    }
    enqueue(&mut database, 4, 4, None);
    assert_eq!(database.read().count_queued().unwrap(), 3);
    database
        .write(|tx| {
            tx.give_up(Seq(1))?;
            tx.mark_committed(Seq(2), 1)
        })
        .unwrap();
    assert_eq!(database.read().count_queued().unwrap(), 1);
    database.write(|tx| tx.uncommit_after(Seq(1))).unwrap();
    assert_eq!(database.read().count_queued().unwrap(), 2);
}

#[test]
fn event_cursors_are_never_used_again() {
    let mut database = Database::in_memory().unwrap();
    let message = insert(&mut database, 1, None).unwrap();
    assert_eq!(database.read().last_event().unwrap(), 0);
    assert_eq!(database.read().first_event().unwrap(), 1);
    let mut add = || {
        database.write(|tx| {
            let cursor = tx.add_event(1, message, What::Queued, None)?;
            tx.prune_events(0)?;
            Ok(cursor)
        })
    };
    assert_eq!([add().unwrap(), add().unwrap(), add().unwrap()], [1, 2, 3]);
    assert_eq!(database.read().last_event().unwrap(), 3);
    assert_eq!(database.read().first_event().unwrap(), 4);
}

#[test]
fn every_state_survives_its_text_form() {
    let mut database = Database::in_memory().unwrap();
    let row = insert(&mut database, 1, None).unwrap();
    for state in [
        State::Queued,
        State::Accepted,
        State::Delivered,
        State::Read,
        State::Refused,
        State::Cancelled,
        State::Expired,
        State::Unread,
    ] {
        database.write(|tx| tx.set_state(row, state)).unwrap();
        assert_eq!(database.read().message(row).unwrap().unwrap().state, state);
    }
}
