use super::*;
use crate::shard::message::{Kind, Message};
use pychat_proto::Cursor;

const STREAM: StreamId = StreamId([7; 16]);

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn message(kind: Kind) -> Message {
    Message { to: user("bob"), kind, entry: b"entry".as_slice().into() }
}

/// An uplink with texts of one record each, numbered from 1.
fn with_texts(count: u64) -> Uplink {
    let mut uplink = Uplink::default();
    for seq in 1..=count {
        uplink.push(Seq(seq), Seq(seq), message(Kind::Text)).unwrap();
    }
    uplink
}

/// The records up to which things were submitted.
fn submitted(uplink: &mut Uplink) -> Vec<u64> {
    std::iter::from_fn(|| uplink.submit(&user("alice"), STREAM)).map(|(last, _)| last.0).collect()
}

fn committed(up_to: u64) -> Verdict {
    Verdict::Commit { up_to: Seq(up_to), unannounced: None }
}

const STORED: Appended = Appended::Stored(Cursor(1));

fn gap(position: u64) -> Appended {
    Appended::Gap { position: Seq(position) }
}

fn not_written() -> StoreError {
    StoreError::NotWritten("disk full".into())
}

#[test]
fn all_that_waits_is_submitted_at_once_and_in_order() {
    let mut uplink = with_texts(3);
    assert_eq!(submitted(&mut uplink), [1, 2, 3]);
    assert!(submitted(&mut uplink).is_empty());
    assert_eq!(uplink.appended(Seq(1), STORED), committed(1));
    assert_eq!(uplink.appended(Seq(2), Appended::Duplicate), committed(2));
    assert_eq!(uplink.appended(Seq(3), STORED), committed(3));
    assert!(uplink.is_empty());
}

#[test]
fn an_append_names_its_records_and_its_stream() {
    let mut uplink = Uplink::default();
    uplink.push(Seq(5), Seq(9), message(Kind::Text)).unwrap();
    let origin =
        Origin::Stream { user: user("alice"), stream: STREAM, first: Seq(5), last: Seq(9) };
    let entry = b"entry".as_slice().into();
    let append = Command::Append(Append { mailbox: user("bob"), origin, entry });
    assert_eq!(uplink.submit(&user("alice"), STREAM), Some((Seq(9), append)));
}

#[test]
fn what_failed_and_the_gaps_behind_it_are_submitted_again_in_order() {
    let mut uplink = with_texts(3);
    submitted(&mut uplink);
    uplink.failed(Seq(1), &not_written());
    // The second was refused as a gap before the first was tried again: it goes behind it.
    assert_eq!(uplink.appended(Seq(2), gap(0)), Verdict::Resubmit);
    assert_eq!(submitted(&mut uplink), [1, 2]);
    assert_eq!(uplink.appended(Seq(3), gap(0)), Verdict::Resubmit);
    assert_eq!(submitted(&mut uplink), [3]);
    for seq in 1..=3 {
        assert_eq!(uplink.appended(Seq(seq), STORED), committed(seq));
    }
}

#[test]
fn a_gap_with_nothing_before_it_is_out_of_step() {
    let mut uplink = with_texts(1);
    submitted(&mut uplink);
    assert_eq!(uplink.appended(Seq(1), gap(7)), Verdict::OutOfStep);
}

#[test]
fn a_refused_text_holds_up_what_follows_until_it_is_skipped() {
    for (appended, code) in
        [(Appended::Full, RefuseCode::MailboxFull), (Appended::NoSuchUser, RefuseCode::NoSuchUser)]
    {
        let mut uplink = with_texts(3);
        submitted(&mut uplink);
        assert_eq!(uplink.appended(Seq(1), appended), Verdict::Refuse { last: Seq(1), code });
        assert_eq!(uplink.appended(Seq(2), gap(0)), Verdict::Resubmit);
        assert_eq!(uplink.appended(Seq(3), gap(0)), Verdict::Resubmit);
        assert!(submitted(&mut uplink).is_empty());
        uplink.skip(Seq(1));
        let advance = Command::Advance { user: user("alice"), stream: STREAM, up_to: Seq(1) };
        assert_eq!(uplink.submit(&user("alice"), STREAM), Some((Seq(1), advance)));
        assert_eq!(submitted(&mut uplink), [2, 3]);
        assert_eq!(uplink.advanced(Seq(1)), committed(1));
        assert_eq!(uplink.appended(Seq(2), STORED), committed(2));
    }
}

#[test]
fn a_skip_that_failed_is_submitted_again_before_what_follows() {
    let mut uplink = with_texts(2);
    uplink.skip(Seq(1));
    assert_eq!(submitted(&mut uplink), [1, 2]);
    uplink.failed(Seq(1), &not_written());
    assert_eq!(uplink.appended(Seq(2), gap(0)), Verdict::Resubmit);
    assert_eq!(submitted(&mut uplink), [1, 2]);
}

#[test]
fn a_malformed_message_is_refused_once_and_in_its_turn() {
    let mut uplink = with_texts(1);
    uplink.push_malformed(Seq(2), Seq(2)).unwrap();
    uplink.push(Seq(3), Seq(3), message(Kind::Text)).unwrap();
    assert_eq!(submitted(&mut uplink), [1]);
    assert_eq!(uplink.refuse_malformed(), None);
    uplink.appended(Seq(1), STORED);
    assert_eq!(uplink.refuse_malformed(), Some(Seq(2)));
    assert_eq!(uplink.refuse_malformed(), None);
    assert!(submitted(&mut uplink).is_empty());
    uplink.skip(Seq(2));
    assert_eq!(submitted(&mut uplink), [2, 3]);
}

#[test]
fn a_read_receipt_that_cannot_be_written_is_passed_over() {
    for appended in [Appended::Full, Appended::NoSuchUser] {
        let mut uplink = Uplink::default();
        uplink.push(Seq(1), Seq(2), message(Kind::Read)).unwrap();
        submitted(&mut uplink);
        assert_eq!(uplink.appended(Seq(2), appended), Verdict::Resubmit);
        let advance = Command::Advance { user: user("alice"), stream: STREAM, up_to: Seq(2) };
        assert_eq!(uplink.submit(&user("alice"), STREAM), Some((Seq(2), advance)));
        assert_eq!(uplink.appended(Seq(2), Appended::Duplicate), committed(2));
    }
}

#[test]
fn an_append_that_was_maybe_written_and_then_was_may_be_unannounced() {
    let mut uplink = with_texts(1);
    submitted(&mut uplink);
    uplink.failed(Seq(1), &StoreError::Unknown("power".into()));
    submitted(&mut uplink);
    let unannounced = Some(user("bob"));
    let verdict = Verdict::Commit { up_to: Seq(1), unannounced };
    assert_eq!(uplink.appended(Seq(1), Appended::Duplicate), verdict);
}

#[test]
fn outcomes_of_what_was_skipped_mean_nothing() {
    let mut uplink = with_texts(2);
    submitted(&mut uplink);
    uplink.skip(Seq(2));
    assert_eq!(uplink.appended(Seq(1), STORED), Verdict::Resubmit);
    assert_eq!(submitted(&mut uplink), [2]);
}

#[test]
fn no_more_is_pending_than_the_window_allows() {
    let mut uplink = with_texts(PENDING_MAX as u64);
    let next = Seq(PENDING_MAX as u64 + 1);
    assert_eq!(uplink.push(next, next, message(Kind::Text)), Err(Overrun));
}
