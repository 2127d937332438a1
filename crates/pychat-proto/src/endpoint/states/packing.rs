//! A session that rests is packed, and nobody who speaks with it can tell.

use super::{State, damaged, stage::Stage};
use crate::{
    AWAY_AFTER, Lane, RECORD_WINDOW, Seq, Urgency,
    session::{
        IDLE_TIMEOUT,
        dormant::{DORMANT_AFTER, DORMANT_AFTER_LITTLE},
        rtt::LOW_DELAY_MAX,
    },
    wire::{frame::Frame, packet::DATA_HEADER_BYTES},
};
use std::time::Duration;

const HOME: u16 = 1;

fn is_packed(stage: &Stage) -> bool {
    let (entry, _) = stage.endpoint.slots.all().next().expect("there is a session");
    entry.is_none()
}

/// A session where all was answered and acknowledged, just now.
fn settled() -> Stage {
    let mut stage = Stage::reach(State::Open);
    stage.with_session(|endpoint, now, session| endpoint.reply(now, session, 7, b"!"));
    let frames = [stage.ack(), Frame::Commit { lane: 0, up_to: 1 }];
    let packet = stage.data(&frames);
    assert_eq!(stage.take(packet, HOME), ["Committed"]);
    assert_eq!(stage.run_for(LOW_DELAY_MAX), ["ACK"]);
    stage
}

fn packed() -> Stage {
    let mut stage = settled();
    assert!(!is_packed(&stage));
    assert_eq!(stage.run_for(DORMANT_AFTER), [""; 0]);
    assert!(is_packed(&stage));
    stage
}

#[test]
fn a_session_is_packed_once_it_was_quiet_for_long_and_owes_nothing() {
    packed();
    // A question is open and a record is not acknowledged.
    let mut stage = Stage::reach(State::Open);
    stage.run_for(DORMANT_AFTER * 2);
    assert!(!is_packed(&stage));
}

#[test]
fn a_session_is_packed_sooner_after_a_sign_of_life_than_after_a_record() {
    let mut stage = settled();
    // It was heard when it committed, and waited to acknowledge that.
    stage.run_for(DORMANT_AFTER - LOW_DELAY_MAX - Duration::from_millis(1));
    assert!(!is_packed(&stage));
    stage.run_for(Duration::from_millis(1));
    assert!(is_packed(&stage));

    let packet = stage.data(&[Frame::Ping]);
    stage.take(packet, HOME);
    stage.run_for(DORMANT_AFTER_LITTLE - Duration::from_millis(1));
    assert!(!is_packed(&stage));
    stage.run_for(Duration::from_millis(1));
    assert!(is_packed(&stage));
}

#[test]
fn what_comes_for_a_packed_session_is_taken_as_if_it_were_not() {
    let mut stage = packed();
    let packet = stage.data(&[Frame::Ping]);
    assert_eq!(stage.take(packet, HOME), [""; 0]);
    assert!(!is_packed(&stage));
    assert_eq!(stage.run_for(DORMANT_AFTER), ["ACK"]);
    assert!(is_packed(&stage));

    let record =
        Frame::Record { lane: 0, seq: 1, part: crate::wire::frame::Part::Last, bytes: b"hello" };
    let packet = stage.data(&[record]);
    assert_eq!(stage.take(packet, HOME), ["Message"]);
    stage.run_for(DORMANT_AFTER * 4);
    assert!(!is_packed(&stage), "the record is not committed");
    assert_eq!(stage.with_session(|e, now, s| e.commit(now, s, Lane::CHAT, Seq(1))), ["COMMIT"]);
}

#[test]
fn a_forged_or_repeated_packet_leaves_it_packed() {
    let mut stage = settled();
    let old = stage.data(&[Frame::Ping]);
    stage.take(old.clone(), HOME);
    stage.run_for(DORMANT_AFTER);
    assert!(is_packed(&stage));
    let forged = damaged(stage.data(&[Frame::Ping]), DATA_HEADER_BYTES);
    for packet in [forged, old] {
        assert_eq!(stage.take(packet, HOME), ["dropped"]);
        assert!(is_packed(&stage));
    }
    // A late one that never came before is news also now.
    let (late, newer) = (stage.data(&[Frame::Ping]), stage.data(&[Frame::Ping]));
    stage.take(newer, HOME);
    stage.run_for(DORMANT_AFTER);
    assert!(is_packed(&stage));
    assert_eq!(stage.take(late.clone(), HOME), ["ACK"]);
    assert_eq!(stage.take(late, HOME), ["dropped"]);
}

#[test]
fn a_packed_session_sends_what_it_is_given() {
    let mut stage = packed();
    let session = stage.session.unwrap();
    assert_eq!(stage.endpoint.room(session, Lane::CHAT), RECORD_WINDOW);
    let said = stage.with_session(|endpoint, now, session| {
        assert_eq!(
            endpoint.send_message(now, session, Lane::CHAT, Urgency::Normal, b"more"),
            Some(Seq(2))
        );
    });
    assert_eq!(said, ["RECORD_LAST"]);
    let frames = [stage.ack(), Frame::Commit { lane: 0, up_to: 2 }];
    let packet = stage.data(&frames);
    assert_eq!(stage.take(packet, HOME), ["Committed"]);
}

#[test]
fn silence_means_the_same_for_a_packed_session() {
    let mut stage = packed();
    let heard = Duration::from_secs(1);
    assert_eq!(stage.run_for(AWAY_AFTER - heard), [""; 0]);
    assert_eq!(stage.run_for(heard), ["Away"]);
    assert!(is_packed(&stage));
    let packet = stage.data(&[Frame::Ping]);
    assert_eq!(stage.take(packet, HOME), ["Back"]);
    assert_eq!(stage.run_for(DORMANT_AFTER), ["ACK"]);
    assert!(is_packed(&stage));
    assert_eq!(stage.run_for(AWAY_AFTER), ["Away"]);
    assert!(is_packed(&stage));
    assert_eq!(stage.run_for(IDLE_TIMEOUT), ["Closed Idle"]);
    assert_eq!(stage.endpoint.table_len(), 0);
    assert_eq!(stage.endpoint.sessions(), 0);
}

#[test]
fn a_packed_session_says_goodbye() {
    let mut stage = packed();
    assert_eq!(stage.close(), ["Closed Bye", "CLOSE Bye"]);
}

#[test]
fn where_a_packed_sessions_client_is_stays_known() {
    let mut stage = packed();
    let before: Vec<_> = stage.endpoint.clients().collect();
    assert_eq!(before.len(), 1);
    let packet = stage.data(&[Frame::Ping]);
    stage.take(packet, HOME);
    assert!(stage.endpoint.clients().eq(before));
}
