//! A server's session against a peer that holds the keys and lies.

mod exchange;
mod redundancy;

use super::{Role, Session, SessionEvent, Start, congestion, recovery};
use crate::{
    CloseCode, ConnectionId, Instant, MESSAGE_RECORDS_MAX, RECORD_WINDOW,
    crypto::{PacketKey, Rng},
    wire::{
        Reader,
        frame::{Ack, Frame, Part},
        packet::{DATA_HEADER_BYTES, DataHeader},
    },
};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

struct Liar {
    session: Session,
    ours: PacketKey,
    theirs: PacketKey,
    number: u64,
    now: Instant,
    rng: Rng,
    events: VecDeque<SessionEvent>,
}

impl Liar {
    fn new() -> Self {
        let (ours, theirs) = (PacketKey::new([1; 32]), PacketKey::new([2; 32]));
        let mut rng = Rng::new([0; 32]);
        let start = Start {
            role: Role::Server,
            peer: ConnectionId(1),
            remote: address(),
            send: theirs.clone(),
            receive: ours.clone(),
            handshake: [3; 32],
            committed_out: 0,
            committed_in: 0,
            rtt_hint: None,
        };
        let now = Instant::from_micros(1_000_000);
        let mut session = Session::new(start, now, &mut rng);
        session.pretend_hybrid();
        Self { session, ours, theirs, number: 0, now, rng, events: VecDeque::new() }
    }

    fn say(&mut self, frames: &[Frame<'_>]) {
        self.say_from(address(), frames);
    }

    fn say_from(&mut self, from: SocketAddr, frames: &[Frame<'_>]) {
        let header = DataHeader { phase: 0, to: ConnectionId(2), number: self.number };
        let mut packet = header.encode().to_vec();
        frames.iter().for_each(|frame| frame.encode(&mut packet));
        self.ours.seal(self.number, &mut packet);
        self.number += 1;
        let taken = self.session.handle_packet(
            self.now,
            from,
            &mut packet,
            &mut self.rng,
            &mut self.events,
        );
        assert!(taken.is_ok());
    }

    /// The numbers of the packets that the session sends now, and their frames.
    fn hear(&mut self) -> Vec<(u64, Vec<u8>)> {
        let mut buffer = Vec::new();
        let mut heard = Vec::new();
        while self.session.poll_packet(self.now, &mut self.rng, &mut buffer).is_some() {
            let header = DataHeader::decode(&buffer).unwrap();
            let frames = self.theirs.open(header.number, &mut buffer).unwrap().to_vec();
            heard.push((header.number, frames));
        }
        heard
    }

    fn is_found_out(&mut self) -> bool {
        let closed = |event: &SessionEvent| {
            matches!(event, SessionEvent::Closed { code: CloseCode::Protocol, .. })
        };
        self.events.iter().any(closed) && !self.session.is_open()
    }
}

fn address() -> SocketAddr {
    ([10, 0, 0, 9], 9).into()
}

fn ack(largest: u64, bitmap: u128) -> Frame<'static> {
    Frame::Ack(Ack { largest, delay: Duration::ZERO, congested: 0, bitmap })
}

#[test]
fn acknowledging_what_was_never_sent_closes_the_session() {
    let mut liar = Liar::new();
    liar.say(&[ack(0, 1)]);
    assert!(liar.is_found_out());
}

#[test]
fn acknowledging_a_number_that_was_left_out_closes_the_session() {
    let mut liar = Liar::new();
    let mut last = None;
    // Packets without end, acknowledged as they come, until one number is left out.
    for _ in 0..2000 {
        liar.session.note(b"x");
        let heard = liar.hear();
        let (number, _) = heard[0];
        if let Some(before) = last.replace(number)
            && number == before + 2
        {
            liar.say(&[ack(number, 0b1)]);
            assert!(liar.session.is_open(), "the truth is no lie");
            liar.say(&[ack(number, 0b11)]);
            assert!(liar.is_found_out());
            return;
        }
        liar.say(&[ack(number, 1)]);
        liar.now += Duration::from_millis(10);
    }
    panic!("no number was left out");
}

#[test]
fn every_broken_rule_closes_the_session() {
    let record = |seq| Frame::Record { lane: 0, seq, part: Part::More, bytes: b"" };
    let lies: Vec<Vec<Frame<'_>>> = vec![
        vec![record(RECORD_WINDOW + 1)],
        (1..=MESSAGE_RECORDS_MAX + 1).map(record).collect(),
        vec![Frame::Record { lane: 1, seq: 1, part: Part::Last, bytes: b"" }],
        vec![Frame::Commit { lane: 0, up_to: 1 }],
        vec![Frame::Skip { lane: 0, first: 2, last: 1 }],
        vec![Frame::Skip { lane: 0, first: RECORD_WINDOW + 1, last: RECORD_WINDOW + 1 }],
        vec![Frame::Refuse { lane: 0, seq: 1, code: 1 }],
        vec![Frame::Reply { id: 0, index: 0, part: Part::Last, bytes: b"" }],
        vec![Frame::Note { bytes: b"" }],
        vec![Frame::Welcome { bytes: b"" }],
        vec![Frame::PathChallenge([0; 8])],
        vec![Frame::Hybrid { index: 0, bytes: &[0; crate::hybrid::CIPHERTEXT_BYTES] }],
        vec![],
    ];
    for lie in lies {
        let mut liar = Liar::new();
        liar.say(&lie);
        assert!(liar.is_found_out(), "{lie:?}");
        let close = liar.hear();
        assert_eq!(close.len(), 1, "it says so once: {lie:?}");
        let frame = Frame::decode(&mut Reader(&close[0].1)).unwrap();
        assert!(matches!(frame, Frame::Close { code: 4, .. }), "{frame:?}");
    }
}

#[test]
fn a_closed_session_answers_three_packets_and_then_none() {
    let mut liar = Liar::new();
    liar.session.close(liar.now, CloseCode::Bye, Duration::ZERO, "");
    assert_eq!(liar.hear().len(), 1);
    let answers: usize = (0..10)
        .map(|_| {
            liar.say(&[Frame::Ping]);
            liar.hear().len()
        })
        .sum();
    assert_eq!(answers, 3);
}

#[test]
fn a_question_repeated_is_handed_out_once_and_an_ack_leaves_soon_after_every_second_packet() {
    let mut liar = Liar::new();
    for round in 0..4 {
        liar.say(&[Frame::Call { id: 7, bytes: b"?" }]);
        assert_eq!(liar.hear().len(), 0, "round {round}");
        liar.now += crate::session::rtt::ACK_DELAY_SHORT;
        assert_eq!(liar.hear().len(), round % 2, "round {round}");
    }
    let calls = liar.events.iter().filter(|event| matches!(event, SessionEvent::Call { .. }));
    assert_eq!(calls.count(), 1);
}

#[test]
fn a_packet_is_never_larger_than_a_header_a_tag_and_what_fits() {
    let mut liar = Liar::new();
    liar.session.send_message(&vec![7; 30_000], crate::Urgency::Normal);
    for (_, frames) in liar.hear() {
        assert!(DATA_HEADER_BYTES + frames.len() + 16 <= crate::DATAGRAM_BYTES_MAX);
    }
}

#[test]
fn who_moves_with_every_packet_and_acknowledges_nothing_is_challenged_and_held_within_the_bound() {
    let mut liar = Liar::new();
    liar.say(&[Frame::Ping]);
    let most = congestion::IN_FLIGHT_MAX as usize + recovery::PROBES_IN_FLIGHT_MAX;
    let mut challenges = 0;
    for number in 0..10_000_u16 {
        liar.now += Duration::from_micros(100);
        liar.say_from(SocketAddr::from(([10, 1, 0, 1], number + 1)), &[const { Frame::Ping }; 40]);
        for (_, frames) in liar.hear() {
            let first = Frame::decode(&mut Reader(&frames));
            challenges += usize::from(matches!(first, Ok(Frame::PathChallenge(_))));
        }
        assert!(liar.session.recovery.in_flight() <= most, "{}", liar.session.recovery.in_flight());
    }
    assert!(challenges > 9_000, "{challenges}");
}

#[test]
fn commits_are_acknowledged_in_company_and_so_many_packets_at_once() {
    let mut liar = Liar::new();
    for _ in 0..15 {
        liar.say(&[Frame::Commit { lane: 0, up_to: 0 }]);
    }
    liar.now += crate::session::rtt::LOW_DELAY_MAX - Duration::from_millis(1);
    assert_eq!(liar.hear().len(), 0);
    liar.now += Duration::from_millis(1);
    assert_eq!(liar.hear().len(), 1);
    for count in 1..=16 {
        assert_eq!(liar.hear().len(), 0, "after {count}");
        liar.say(&[Frame::Commit { lane: 0, up_to: 0 }]);
    }
    assert_eq!(liar.hear().len(), 1);
}

#[test]
fn a_session_whose_numbers_do_not_fit_is_never_due_to_be_packed() {
    let mut liar = Liar::new();
    liar.say(&[Frame::Ping]);
    liar.now += crate::session::rtt::ACK_DELAY_MAX;
    let number = liar.hear()[0].0;
    liar.say(&[ack(number, 1)]);
    liar.now += crate::session::rtt::LOW_DELAY_MAX;
    liar.hear();
    assert!(liar.session.dormant_at().is_some());
    let skipped = liar.session.next_skip - liar.session.next_number;
    liar.session.next_number = u64::from(u32::MAX) + 1;
    liar.session.next_skip = liar.session.next_number + skipped;
    assert!(liar.session.pack().is_none());
    assert_eq!(liar.session.dormant_at(), None, "the timers would never rest");
}
