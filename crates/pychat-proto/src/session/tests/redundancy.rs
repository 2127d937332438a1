//! What a session sends early on a path that loses, and that it sends nothing early on one that does
//! not.

use super::{Liar, ack};
use crate::{
    Urgency,
    crypto::Rng,
    session::{
        IDLE_TIMEOUT, SessionEvent,
        congestion::IN_FLIGHT_MAX,
        recovery::PROBES_IN_FLIGHT_MAX,
        redundancy::{CREDIT_BYTES_MAX, CREDIT_PERCENT, EARLY_PROBES},
    },
    wire::{
        Reader,
        frame::{Frame, Part},
        packet::{DATA_HEADER_BYTES, TAG_BYTES},
    },
};
use std::time::Duration;

const ROUND_TRIP: Duration = Duration::from_millis(64);
/// A sixteenth of it.
const REPEAT_DELAY: Duration = Duration::from_millis(4);
const SECOND: Duration = Duration::from_secs(1);

impl Liar {
    /// A peer at a known distance, after a while without a loss.
    fn settled() -> Self {
        let mut liar = Self::new();
        liar.say(&[Frame::Ping]);
        for _ in 0..40 {
            liar.session.send_message(b"early", Urgency::Normal);
            let heard = liar.hear();
            liar.now += ROUND_TRIP;
            liar.say(&[ack(heard[0].0, 1), Frame::Commit { lane: 0, up_to: liar.offered() }]);
            liar.silence(SECOND);
        }
        liar
    }

    /// The same, and then one packet is lost.
    fn losing() -> Self {
        let mut liar = Self::settled();
        liar.session.send_message(b"lost", Urgency::Normal);
        liar.hear();
        liar.session.send_message(b"not lost", Urgency::Normal);
        let heard = liar.hear();
        liar.now += ROUND_TRIP;
        liar.say(&[ack(heard[0].0, 1)]);
        // The loss is found out an eighth of a round trip later, and made good.
        assert_eq!(liar.silence(ROUND_TRIP / 4).len(), 2);
        let newest = liar.session.next_number - 1;
        liar.say(&[ack(newest, 0b11), Frame::Commit { lane: 0, up_to: liar.offered() }]);
        assert_eq!(liar.silence(SECOND).len(), 1, "the COMMIT's acknowledgement");
        liar
    }

    fn offered(&self) -> u64 {
        self.session.last_offered()
    }

    /// Time passes in silence: when the session sends what, each packet with its size.
    fn silence(&mut self, time: Duration) -> Vec<(Duration, usize)> {
        let (start, mut sent) = (self.now, Vec::new());
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= start + time) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now, &mut self.events);
            for (_, frames) in self.hear() {
                let bytes = DATA_HEADER_BYTES + frames.len() + TAG_BYTES;
                sent.push((self.now.since(start), bytes));
            }
        }
        self.now = start + time;
        sent
    }
}

#[test]
fn where_nothing_was_lost_a_message_waits_for_its_acknowledgement() {
    let mut liar = Liar::settled();
    liar.session.send_message(b"text", Urgency::Normal);
    assert_eq!(liar.hear().len(), 1);
    assert_eq!(liar.silence(ROUND_TRIP + Duration::from_millis(25)), []);
}

#[test]
fn after_a_loss_a_message_is_repeated_and_probed_for_a_round_trip_later() {
    let mut liar = Liar::losing();
    liar.session.send_message(b"text", Urgency::Normal);
    let first = liar.hear();
    assert_eq!(first.len(), 1);
    let sent = liar.silence(ROUND_TRIP * 7 / 4);
    let rtt = liar.session.recovery.rtt;
    let (delay, timeout) = (rtt.repeat_delay(), rtt.early_timeout());
    let times: Vec<_> = sent.iter().map(|(at, _)| at.as_millis()).collect();
    let expected = [delay, delay + timeout, delay + timeout + delay];
    assert_eq!(times, expected.map(|at| at.as_millis()));
    assert!(delay <= REPEAT_DELAY && timeout <= ROUND_TRIP * 3 / 2, "{rtt:?}");
}

#[test]
fn what_is_acknowledged_in_time_is_not_repeated_and_not_probed_for() {
    let mut liar = Liar::losing();
    liar.session.send_message(b"text", Urgency::Normal);
    let heard = liar.hear();
    liar.now += REPEAT_DELAY / 2;
    liar.say(&[ack(heard[0].0, 1)]);
    assert_eq!(liar.silence(SECOND), []);
}

#[test]
fn a_copy_that_is_not_acknowledged_is_not_probed_for_if_the_other_one_is() {
    let mut liar = Liar::losing();
    liar.session.send_message(b"text", Urgency::Normal);
    let heard = liar.hear();
    assert_eq!(liar.silence(REPEAT_DELAY).len(), 1);
    liar.say(&[ack(heard[0].0, 1)]);
    assert_eq!(liar.silence(SECOND * 60), []);
    assert_eq!(liar.session.recovery.in_flight(), 0, "the other copy is forgotten");
}

#[test]
fn a_message_rides_along_with_an_acknowledgement() {
    let mut liar = Liar::losing();
    liar.session.send_message(b"text", Urgency::Normal);
    assert_eq!(liar.hear().len(), 1);
    liar.now += REPEAT_DELAY / 2;
    // So many are acknowledged at once.
    (0..16).for_each(|_| liar.say(&[Frame::Ping]));
    let heard = liar.hear();
    assert_eq!(heard.len(), 1);
    let mut reader = Reader(&heard[0].1);
    assert!(matches!(Frame::decode(&mut reader), Ok(Frame::Ack(_))));
    let frame = Frame::decode(&mut reader);
    assert!(matches!(frame, Ok(Frame::Record { part: Part::Last, .. })), "{frame:?}");
}

#[test]
fn a_peer_that_is_gone_is_probed_for_early_a_few_times_and_then_as_ever() {
    let (mut lossy, mut clean) = (Liar::losing(), Liar::settled());
    lossy.session.send_message(b"text", Urgency::Normal);
    clean.session.send_message(b"text", Urgency::Normal);
    lossy.hear();
    clean.hear();
    let (early, usual) = (lossy.silence(SECOND * 60), clean.silence(SECOND * 60));
    // Each early probe and the first packet is sent twice, and each later probe.
    let most = 2 * (usize::from(EARLY_PROBES) + 1) + usual.len();
    assert!(early.len() <= most, "{early:?} where there usually are {usual:?}");
    assert!(
        early.last() > Some(&(SECOND, 0)),
        "it goes on while the path is not suspect: {early:?}"
    );
    let idle = lossy.session.heard() + IDLE_TIMEOUT;
    assert_eq!(lossy.session.poll_timeout(), Some(idle), "it rests");
}

#[test]
fn repeats_take_no_more_than_their_credit() {
    println!("seed [9; 32]");
    let mut rng = Rng::new([9; 32]);
    let mut liar = Liar::losing();
    let (mut others, mut repeats) = (0, 0);
    for _ in 0..2_000 {
        liar.session.send_message(&vec![b'x'; rng.below(900) as usize], Urgency::Normal);
        let heard = liar.hear();
        others += heard.iter().map(|(_, frames)| bytes(frames)).sum::<usize>();
        let repeated = liar.silence(REPEAT_DELAY * 2);
        repeats += repeated.iter().map(|(_, bytes)| bytes).sum::<usize>();
        liar.now += ROUND_TRIP - REPEAT_DELAY * 2;
        liar.session.redundancy.lost();
        let newest = liar.session.next_number - 1;
        liar.say(&[ack(newest, 1), Frame::Commit { lane: 0, up_to: liar.offered() }]);
        others += liar.hear().iter().map(|(_, frames)| bytes(frames)).sum::<usize>();
        others += liar.silence(SECOND).iter().map(|(_, bytes)| bytes).sum::<usize>();
    }
    println!("{repeats} bytes of repeats, {others} others");
    assert!(repeats <= others * CREDIT_PERCENT / 100 + usize::from(CREDIT_BYTES_MAX));
    assert!(repeats >= others / 2, "they are used: {repeats} of {others}");
}

fn bytes(frames: &[u8]) -> usize {
    DATA_HEADER_BYTES + frames.len() + TAG_BYTES
}

#[test]
fn whatever_is_acknowledged_the_packets_in_flight_stay_within_their_bound() {
    println!("seed [5; 32]");
    let mut rng = Rng::new([5; 32]);
    let mut liar = Liar::losing();
    let most = IN_FLIGHT_MAX as usize + PROBES_IN_FLIGHT_MAX;
    let mut fullest = 0;
    for _ in 0..20_000 {
        if liar.session.room() >= 1 {
            liar.session.send_message(&vec![b'x'; rng.below(1_024) as usize], Urgency::Normal);
        }
        if rng.below(3) == 0 {
            liar.session.note(b"x");
        }
        liar.hear();
        liar.silence(Duration::from_micros(rng.below(60_000)));
        let newest = liar.session.next_number - 1;
        let skipped = liar.session.skipped.map_or(0, |skipped| match newest.checked_sub(skipped) {
            Some(back @ 0..128) => 1_u128 << back,
            Some(_) | None => 0,
        });
        if rng.below(4) == 0 {
            let bitmap = u128::from(rng.u64()) << 64 | u128::from(rng.u64());
            liar.say(&[ack(newest, bitmap & !skipped)]);
        }
        if rng.below(16) == 0 {
            liar.say(&[Frame::Commit { lane: 0, up_to: liar.offered() }]);
        }
        fullest = fullest.max(liar.session.recovery.in_flight());
        assert!(fullest <= most, "{fullest}");
        assert!(liar.session.is_open());
    }
    assert!(fullest > most / 4, "{fullest}");
    assert!(!liar.events.iter().any(|event| matches!(event, SessionEvent::Closed { .. })));
}
