//! The incoming lane against what it is meant to be: whatever arrived, in which order and how often,
//! what is handed out is the whole messages of the part without gaps, in order, once.
//!
//! Exhausted: five records, cut into messages in all 16 ways, in all 5^6 sequences of six arrivals
//! (every order, every duplicate, everything that stays missing); four records with a refusal and
//! its SKIP in all 5^7 sequences of seven; a lane with a SKIP of numbers ahead in all 5^6; the window
//! at each of its edges.

use super::{Delivery, LaneIn, RECORD_WINDOW, Violation};
use crate::wire::frame::Part;

/// What was passed by is not kept.
fn keeps_nothing_old(lane: &LaneIn) -> bool {
    lane.waiting.keys().all(|seq| *seq >= lane.next)
}

/// All sequences of `length` numbers below `steps`.
fn sequences(steps: u64, length: u32) -> impl Iterator<Item = Vec<u64>> {
    (0..steps.pow(length)).map(move |mut index| {
        let mut digit = || {
            let digit = index % steps;
            index /= steps;
            digit
        };
        (0..length).map(|_| digit()).collect()
    })
}

fn byte(seq: u64) -> [u8; 1] {
    [seq as u8]
}

/// The messages of records 1 to `arrived` when those in `ends` are each the last of one.
fn whole_messages(arrived: u64, ends: &dyn Fn(u64) -> bool) -> Vec<Delivery> {
    let (mut messages, mut first) = (Vec::new(), 1);
    for last in (1..=arrived).filter(|seq| ends(*seq)) {
        let payload = (first..=last).flat_map(byte).collect();
        messages.push(Delivery::Message { first, last, payload });
        first = last + 1;
    }
    messages
}

#[test]
fn every_arrival_of_every_cut_is_handed_out_in_order_once() {
    const RECORDS: u64 = 5;
    let (mut cases, mut complete) = (0, 0);
    for cuts in 0..1_u64 << (RECORDS - 1) {
        let ends = |seq: u64| seq == RECORDS || cuts >> (seq - 1) & 1 == 1;
        for arrivals in sequences(RECORDS, 6) {
            cases += 1;
            let (mut lane, mut out, mut seen) = (LaneIn::new(0), Vec::new(), 0_u64);
            for seq in arrivals.iter().map(|index| index + 1) {
                let part = if ends(seq) { Part::Last } else { Part::More };
                lane.record(seq, part, &byte(seq), &mut |delivery| out.push(delivery)).unwrap();
                seen |= 1 << seq;
                let arrived = (1..=RECORDS).take_while(|seq| seen >> seq & 1 == 1).count();
                assert_eq!(out, whole_messages(arrived as u64, &ends), "{arrivals:?}, {cuts:b}");
                assert!(keeps_nothing_old(&lane), "{arrivals:?}: {lane:?}");
            }
            complete += u32::from(seen == 0b11_1110);
        }
    }
    assert_eq!(cases, 16 * 15_625);
    // Surjections of six arrivals onto five records.
    assert_eq!(complete, 16 * 1800);
}

/// What arrives where record 2 is refused or given up: a record, or the SKIP of record 2.
const SKIP: u64 = 0;

/// What is handed out where the application refuses message 2 as soon as it has seen it. What came
/// out together with it stays handed out.
struct Refusing {
    next: u64,
    arrived: [bool; 5],
    skipped: bool,
    held: bool,
    out: Vec<Delivery>,
}

impl Refusing {
    fn arrive(&mut self, step: u64) {
        if step != SKIP {
            self.arrived[step as usize] = true;
        } else if self.held {
            self.held = false;
            self.out.push(Delivery::Skip { up_to: 2 });
        } else {
            self.skipped |= self.next <= 2;
        }
        let mut refused = false;
        while !self.held && self.next <= 4 {
            if self.next == 2 && self.skipped {
                self.out.push(Delivery::Skip { up_to: 2 });
            } else if self.arrived[self.next as usize] {
                refused |= self.next == 2;
                self.out.push(single(self.next));
            } else {
                break;
            }
            self.next += 1;
        }
        self.held |= refused;
    }
}

fn single(seq: u64) -> Delivery {
    Delivery::Message { first: seq, last: seq, payload: byte(seq).into() }
}

#[test]
fn nothing_passes_a_refused_message_in_any_order_of_arrival() {
    let (mut cases, mut held) = (0, 0);
    for arrivals in sequences(5, 7) {
        cases += 1;
        let (mut lane, mut out) = (LaneIn::new(0), Vec::new());
        let mut model =
            Refusing { next: 1, arrived: [false; 5], skipped: false, held: false, out: Vec::new() };
        for step in &arrivals {
            let before = out.len();
            let mut hand_out = |delivery| out.push(delivery);
            if *step == SKIP {
                lane.skip(2, 2, &mut hand_out).unwrap();
            } else {
                lane.record(*step, Part::Last, &byte(*step), &mut hand_out).unwrap();
            }
            if out[before..].contains(&single(2)) {
                lane.refuse(2);
            }
            model.arrive(*step);
            held += u32::from(model.held);
            assert_eq!(out, model.out, "{arrivals:?}");
            assert!(keeps_nothing_old(&lane), "{arrivals:?}: {lane:?}");
        }
    }
    assert_eq!(cases, 78_125);
    assert!(held > 50_000, "it is held in many of the states: {held}");
}

/// Records 1, 2 and 6, a SKIP of 3 to 5, and a SKIP of 2 to 5 that overlaps what may be there.
#[test]
fn a_skip_ahead_waits_for_its_turn_and_what_was_taken_is_not_given_up() {
    let mut cases = 0;
    for arrivals in sequences(5, 6) {
        cases += 1;
        let (mut lane, mut out) = (LaneIn::new(0), Vec::new());
        let mut seen = [false; 5];
        for step in &arrivals {
            seen[*step as usize] = true;
            let mut hand_out = |delivery| out.push(delivery);
            let done = match step {
                0 => lane.record(1, Part::Last, &byte(1), &mut hand_out),
                1 => lane.record(2, Part::Last, &byte(2), &mut hand_out),
                2 => lane.record(6, Part::Last, &byte(6), &mut hand_out),
                3 => lane.skip(3, 5, &mut hand_out),
                _ => lane.skip(2, 5, &mut hand_out),
            };
            done.unwrap();
        }
        assert!(keeps_nothing_old(&lane), "{arrivals:?}: {lane:?}");
        let second = out.contains(&single(2));
        let mut expected = Vec::new();
        if seen[0] {
            expected.push(single(1));
            if second {
                expected.push(single(2));
            }
            if seen[4] || second && seen[3] {
                expected.push(Delivery::Skip { up_to: 5 });
                if seen[2] {
                    expected.push(single(6));
                }
            }
        }
        assert!(!second || seen[1], "{arrivals:?}");
        assert!(second || !seen[0] || !seen[1] || seen[4], "{arrivals:?}");
        assert_eq!(out, expected, "{arrivals:?}");
    }
    assert_eq!(cases, 15_625);
}

#[test]
fn the_window_is_exact_wherever_the_commit_stands() {
    let mut cases = 0;
    for committed in (0..=600).chain((1 << 48) - 300..=1 << 48) {
        for number in [0, 1, RECORD_WINDOW - 1, RECORD_WINDOW, RECORD_WINDOW + 1, 1 << 20] {
            cases += 1;
            let (mut lane, mut out) = (LaneIn::new(committed), Vec::new());
            let seq = committed + number;
            let taken = lane.record(seq, Part::Last, &byte(1), &mut |delivery| out.push(delivery));
            let beyond = Violation("a record beyond the window");
            assert_eq!(taken, if number > RECORD_WINDOW { Err(beyond) } else { Ok(()) });
            assert_eq!(out.len(), usize::from(number == 1), "record {seq} after {committed}");
        }
    }
    assert_eq!(cases, (601 + 301) * 6);
}
