//! The outgoing lane against what it is meant to be: a table of what became of each record. None is
//! forgotten: until it is committed, each is acknowledged, on its way, or waits to be sent; what is
//! sent carries the bytes that were offered; what was acknowledged is never sent again.
//!
//! Exhausted: all sequences of nine out of nine things that may happen to a lane (a message
//! offered; a frame sent; the oldest or newest packet acknowledged, or lost; the oldest probed; a
//! COMMIT of one more; message 2 given up), of which those that cannot happen are passed over; all
//! COMMITs around all positions of a full window.

use super::{Committed, LaneOut, RECORD_WINDOW, Sent};
use crate::{
    Urgency,
    wire::{
        Reader,
        frame::{Frame, Part},
    },
};

/// What may happen to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Offer,
    Send,
    AckOldest,
    AckNewest,
    LoseOldest,
    LoseNewest,
    /// Sent again, and the packet may still arrive.
    ProbeOldest,
    CommitOne,
    /// The peer refused message 2.
    SkipSecond,
}

const STEPS: [Step; 9] = [
    Step::Offer,
    Step::Send,
    Step::AckOldest,
    Step::AckNewest,
    Step::LoseOldest,
    Step::LoseNewest,
    Step::ProbeOldest,
    Step::CommitOne,
    Step::SkipSecond,
];
const DEPTH: u32 = 9;

/// What became of a number.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    sent: bool,
    skip: bool,
    acked: bool,
    again: bool,
}

/// The lane, the table, and the packets on their way.
struct Both {
    lane: LaneOut,
    fates: Vec<Fate>,
    committed: usize,
    in_flight: Vec<Sent>,
}

impl Both {
    /// A lane with one message offered already.
    fn new() -> Self {
        let mut lane = LaneOut::new(0);
        assert_eq!(lane.offer(&[1], Urgency::Normal), 1);
        Self { lane, fates: vec![Fate::default()], committed: 0, in_flight: Vec::new() }
    }

    /// Does it; `false` if it cannot happen.
    fn apply(&mut self, step: Step) -> bool {
        match step {
            Step::Offer => {
                self.fates.push(Fate::default());
                let number = self.fates.len() as u64;
                assert_eq!(self.lane.offer(&[number as u8], Urgency::Normal), number);
                true
            }
            Step::Send => self.send(),
            Step::AckOldest | Step::AckNewest => {
                let Some(sent) = self.take(step == Step::AckOldest) else { return false };
                self.lane.acked(sent);
                if let Some(fate) = self.fate(sent)
                    && fate.skip == matches!(sent, Sent::Skip(_))
                {
                    (fate.acked, fate.again) = (true, false);
                }
                true
            }
            Step::LoseOldest | Step::LoseNewest => {
                let Some(sent) = self.take(step == Step::LoseOldest) else { return false };
                self.lose(sent);
                true
            }
            Step::ProbeOldest => {
                let Some(sent) = self.in_flight.first().copied() else { return false };
                self.lose(sent);
                true
            }
            Step::CommitOne => {
                let up_to = self.committed as u64 + 1;
                let offered = self.committed < self.fates.len();
                let expected = if offered { Committed::Moved } else { Committed::Impossible };
                assert_eq!(self.lane.commit(up_to), expected);
                self.committed += usize::from(offered);
                assert_eq!(self.lane.commit(self.committed as u64), Committed::Known);
                offered
            }
            Step::SkipSecond => {
                if self.fates.len() < 2 || self.committed >= 2 || !self.fates[1].sent {
                    return false;
                }
                self.lane.skip(2);
                self.fates[1] = Fate { sent: true, skip: true, acked: false, again: true };
                true
            }
        }
    }

    fn take(&mut self, oldest: bool) -> Option<Sent> {
        if self.in_flight.is_empty() {
            return None;
        }
        Some(if oldest { self.in_flight.remove(0) } else { self.in_flight.pop()? })
    }

    /// The fate of a number that is not committed.
    fn fate(&mut self, sent: Sent) -> Option<&mut Fate> {
        let index = sent.number() as usize - 1;
        (index >= self.committed).then(|| &mut self.fates[index])
    }

    fn lose(&mut self, sent: Sent) {
        let lost = self.lane.lost(sent);
        let expected = self
            .fate(sent)
            .is_some_and(|fate| !fate.acked && !std::mem::replace(&mut fate.again, true));
        assert_eq!(lost, expected);
    }

    /// The number that is to be sent next: what waits to be sent again comes first.
    fn due(&self) -> Option<usize> {
        let open = || (self.committed..self.fates.len()).map(|index| (index, &self.fates[index]));
        let again = open().find(|(_, fate)| fate.again);
        again.or_else(|| open().find(|(_, fate)| !fate.sent)).map(|(index, _)| index)
    }

    fn send(&mut self) -> bool {
        let mut bytes = Vec::new();
        let sent = self.lane.next_frame(0, 2000, &mut bytes);
        let due = self.due();
        assert_eq!(sent.is_some(), due.is_some());
        let (Some(sent), Some(index)) = (sent, due) else { return false };
        let number = index as u64 + 1;
        let payload = [number as u8];
        let expected = if self.fates[index].skip {
            Frame::Skip { lane: 0, first: number, last: number }
        } else {
            Frame::Record { lane: 0, seq: number, part: Part::Last, bytes: &payload }
        };
        assert_eq!(Frame::decode(&mut Reader(&bytes)), Ok(expected));
        assert!(!self.fates[index].acked, "what was acknowledged is not sent again");
        self.fates[index].sent = true;
        self.fates[index].again = false;
        self.in_flight.push(sent);
        true
    }

    fn check(&self) {
        assert_eq!(self.lane.wants_to_send(), self.due().is_some());
        assert_eq!(self.lane.is_empty(), self.committed == self.fates.len());
        assert_eq!(self.lane.last_offered(), self.fates.len() as u64);
        let beyond = (self.fates.len() - self.committed) as u64;
        assert_eq!(self.lane.room(), RECORD_WINDOW - beyond);
        for (index, fate) in self.fates.iter().enumerate().skip(self.committed) {
            let number = index as u64 + 1;
            let on_its_way = |sent: &Sent| {
                *sent == if fate.skip { Sent::Skip(number) } else { Sent::Record(number) }
            };
            let looked_after =
                fate.acked || fate.again || !fate.sent || self.in_flight.iter().any(on_its_way);
            assert!(looked_after, "number {number} is forgotten: {fate:?}");
        }
    }
}

/// Goes on with every step after those in `before`, which is done anew each time.
fn every_sequence(before: &mut Vec<Step>, cases: &mut u64) {
    if before.len() as u32 == DEPTH {
        return;
    }
    for step in STEPS {
        let mut both = Both::new();
        for earlier in &*before {
            both.apply(*earlier);
        }
        if !both.apply(step) {
            continue;
        }
        *cases += 1;
        both.check();
        before.push(step);
        every_sequence(before, cases);
        before.pop();
    }
}

#[test]
fn no_record_is_forgotten_or_sent_in_vain_whatever_happens_in_which_order() {
    let mut cases = 0;
    every_sequence(&mut Vec::new(), &mut cases);
    assert_eq!(cases, 1_654_407);
}

#[test]
fn a_commit_of_a_full_window_is_exact_at_every_position() {
    let mut cases = 0;
    for start in [0, 1, 255, 1 << 48] {
        for up_to in 0..=RECORD_WINDOW + 1 {
            cases += 1;
            let mut lane = LaneOut::new(start);
            (0..RECORD_WINDOW).for_each(|_| assert!(lane.offer(b"x", Urgency::Normal) > start));
            let expected = match up_to {
                0 => Committed::Known,
                1..=RECORD_WINDOW => Committed::Moved,
                _ => Committed::Impossible,
            };
            assert_eq!(lane.commit(start + up_to), expected);
            let room = if expected == Committed::Moved { up_to } else { 0 };
            assert_eq!(lane.room(), room);
        }
    }
    assert_eq!(cases, 4 * (RECORD_WINDOW + 2));
}
