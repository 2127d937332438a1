use super::*;
use pychat_proto::UserName;

fn message(kind: Kind) -> Message {
    let to = UserName::parse("bob").unwrap();
    Message { to, kind, id: None, entry: b"entry".as_slice().into() }
}

/// An uplink with texts of one record each, numbered from 1.
fn with_texts(count: u64) -> Uplink {
    let mut uplink = Uplink::default();
    for seq in 1..=count {
        uplink.push(Seq(seq), Seq(seq), message(Kind::Text)).unwrap();
    }
    uplink
}

/// The records up to which there is something to do: messages, and skips as negative numbers.
fn steps(uplink: &mut Uplink) -> Vec<i64> {
    let mut steps = Vec::new();
    while let Some(step) = uplink.step() {
        steps.push(match step {
            Step::Send { last, .. } => last.0.cast_signed(),
            Step::Skip { up_to } => -up_to.0.cast_signed(),
        });
    }
    steps
}

fn progress(accepted: u64, settled: Option<u64>) -> Progress {
    let settled = settled.map(Seq);
    Progress { accepted: Some(Seq(accepted)), settled, unwritten: false }
}

#[test]
fn all_that_waits_is_handed_on_at_once_and_in_order() {
    let mut uplink = with_texts(3);
    assert_eq!(steps(&mut uplink), [1, 2, 3]);
    assert!(steps(&mut uplink).is_empty());
    uplink.settle(Seq(2));
    assert_eq!(uplink.progress(), Progress::default(), "the first is not safe");
    uplink.settle(Seq(1));
    assert_eq!(uplink.progress(), progress(2, Some(2)));
    uplink.settle(Seq(3));
    assert_eq!(uplink.progress(), progress(3, Some(3)));
    assert!(uplink.is_empty());
}

#[test]
fn what_is_accepted_is_told_and_kept_until_it_is_settled() {
    let mut uplink = with_texts(2);
    steps(&mut uplink);
    uplink.accept(Seq(1));
    assert_eq!(uplink.progress(), progress(1, None));
    uplink.settle(Seq(1));
    let skipped = Progress { unwritten: true, ..progress(1, Some(1)) };
    assert_eq!(uplink.progress(), skipped, "nothing on our disks tells the position");
    uplink.settle(Seq(2));
    assert_eq!(uplink.progress(), progress(2, Some(2)));
}

#[test]
fn what_failed_is_handed_on_again_in_order() {
    let mut uplink = with_texts(4);
    steps(&mut uplink);
    uplink.accept(Seq(1));
    (1..=3).for_each(|last| uplink.fail(Seq(last)));
    uplink.settle(Seq(4));
    assert_eq!(steps(&mut uplink), [1, 2, 3], "one that was accepted may have to go again too");
}

fn sent(uplink: &mut Uplink) -> Vec<(u64, Option<u64>)> {
    let mut sent = Vec::new();
    while let Some(Step::Send { last, after, .. }) = uplink.step() {
        sent.push((last.0, after.map(|after| after.0)));
    }
    sent
}

#[test]
fn each_text_says_which_one_before_it_is_under_way_to_the_same_mailbox() {
    let mut uplink = Uplink::default();
    for (seq, to) in [(1, "bob"), (2, "carol"), (3, "bob"), (4, "carol"), (5, "bob")] {
        let to = UserName::parse(to).unwrap();
        uplink.push(Seq(seq), Seq(seq), Message { to, ..message(Kind::Text) }).unwrap();
    }
    let first = [(1, None), (2, None), (3, Some(1)), (4, Some(2)), (5, Some(3))];
    assert_eq!(sent(&mut uplink), first);
    uplink.accept(Seq(1));
    [3, 5].into_iter().for_each(|last| uplink.fail(Seq(last)));
    assert_eq!(sent(&mut uplink), [(3, None), (5, Some(3))]);
    // One that was accepted is under way again, before what never came back.
    uplink.fail(Seq(1));
    assert_eq!(sent(&mut uplink), [(1, None)]);
    uplink.fail(Seq(5));
    assert_eq!(sent(&mut uplink), [(5, Some(3))]);
}

#[test]
fn what_came_out_of_its_turn_waits_for_the_fate_of_the_one_before_it_and_those_behind_it_too() {
    let bob = message(Kind::Text).to;
    let carol = UserName::parse("carol").unwrap();
    let mut uplink = Uplink::default();
    for (seq, to) in [(1, bob), (2, bob), (3, bob), (4, carol)] {
        uplink.push(Seq(seq), Seq(seq), Message { to, ..message(Kind::Text) }).unwrap();
    }
    assert_eq!(sent(&mut uplink).len(), 4);
    [2, 3, 4].into_iter().for_each(|last| uplink.put_back(Seq(last)));
    assert_eq!(sent(&mut uplink), [(4, None)], "nothing before it is missing any more");
    uplink.push(Seq(5), Seq(5), message(Kind::Text)).unwrap();
    uplink.push(Seq(6), Seq(6), Message { to: carol, ..message(Kind::Text) }).unwrap();
    assert_eq!(sent(&mut uplink), [(6, Some(4))]);
    // Failing is a fate: all go again, one behind the other.
    uplink.fail(Seq(1));
    assert_eq!(sent(&mut uplink), [(1, None), (2, Some(1)), (3, Some(2)), (5, Some(3))]);
    [2, 3, 5].into_iter().for_each(|last| uplink.put_back(Seq(last)));
    assert_eq!(sent(&mut uplink), []);
    uplink.accept(Seq(1));
    assert_eq!(sent(&mut uplink), [(2, None), (3, Some(2)), (5, Some(3))]);
}

#[test]
fn a_refused_text_holds_up_what_follows_until_it_is_skipped() {
    let mut uplink = with_texts(2);
    steps(&mut uplink);
    uplink.push(Seq(3), Seq(3), message(Kind::Text)).unwrap();
    uplink.refuse(Seq(2), RefuseCode::MailboxFull);
    assert!(steps(&mut uplink).is_empty());
    assert_eq!(uplink.refusal(), None, "the one before is not safe");
    uplink.settle(Seq(1));
    assert_eq!(uplink.refusal(), Some((Seq(2), RefuseCode::MailboxFull)));
    assert_eq!(uplink.refusal(), None, "once");
    assert_eq!(uplink.progress(), progress(1, Some(1)));
    uplink.skip(Seq(2));
    assert_eq!(steps(&mut uplink), [-2, 3]);
    uplink.settle(Seq(2));
    assert_eq!(uplink.progress(), progress(2, Some(2)));
}

#[test]
fn a_skip_waits_until_all_before_it_is_settled() {
    let mut uplink = with_texts(2);
    steps(&mut uplink);
    uplink.accept(Seq(1));
    uplink.refuse(Seq(2), RefuseCode::NoSuchUser);
    assert!(uplink.refusal().is_some());
    uplink.skip(Seq(2));
    assert!(steps(&mut uplink).is_empty());
    uplink.settle(Seq(1));
    uplink.progress();
    assert_eq!(steps(&mut uplink), [-2]);
    uplink.fail(Seq(2));
    assert_eq!(steps(&mut uplink), [-2]);
}

#[test]
fn a_malformed_message_is_refused_once_and_in_its_turn() {
    let mut uplink = with_texts(1);
    uplink.push_malformed(Seq(2), Seq(2)).unwrap();
    uplink.push(Seq(3), Seq(3), message(Kind::Text)).unwrap();
    assert_eq!(steps(&mut uplink), [1]);
    assert_eq!(uplink.refusal(), None);
    uplink.settle(Seq(1));
    assert_eq!(uplink.refusal(), Some((Seq(2), RefuseCode::Malformed)));
    assert!(steps(&mut uplink).is_empty());
    uplink.progress();
    uplink.skip(Seq(2));
    assert_eq!(steps(&mut uplink), [-2, 3]);
}

#[test]
fn a_read_receipt_that_cannot_be_written_is_passed_over() {
    let mut uplink = Uplink::default();
    uplink.push(Seq(1), Seq(2), message(Kind::Read)).unwrap();
    steps(&mut uplink);
    uplink.refuse(Seq(2), RefuseCode::NoSuchUser);
    assert_eq!(uplink.refusal(), None);
    assert_eq!(steps(&mut uplink), [-2]);
}

#[test]
fn what_becomes_of_something_that_was_skipped_means_nothing() {
    let mut uplink = with_texts(2);
    steps(&mut uplink);
    uplink.skip(Seq(2));
    uplink.settle(Seq(1));
    assert_eq!(uplink.progress(), Progress::default());
    assert_eq!(steps(&mut uplink), [-2]);
}

#[test]
fn only_so_much_is_accepted_and_not_settled() {
    let count = UNSETTLED_MAX as u64 + 5;
    let mut uplink = with_texts(count);
    steps(&mut uplink);
    (1..=count).for_each(|last| uplink.accept(Seq(last)));
    assert_eq!(uplink.progress(), progress(UNSETTLED_MAX as u64, None));
    uplink.settle(Seq(1));
    assert_eq!(uplink.progress().accepted, Some(Seq(UNSETTLED_MAX as u64 + 1)));
}

#[test]
fn no_more_is_pending_than_the_windows_allow() {
    let mut uplink = with_texts(PENDING_MAX as u64);
    let next = Seq(PENDING_MAX as u64 + 1);
    assert_eq!(uplink.push(next, next, message(Kind::Text)), Err(Overrun));
}
