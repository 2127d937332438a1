//! Records from the peer: put in order, put together, handed out once.

use crate::{
    MESSAGE_BYTES_MAX, MESSAGE_RECORDS_MAX, RECORD_BYTES_MAX, RECORD_WINDOW, Urgency,
    wire::frame::Part,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the lane hands out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Message { first: u64, last: u64, payload: Vec<u8> },
    Skip { up_to: u64 },
}

/// The peer broke the lane's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) &'static str);

#[derive(Debug)]
enum Piece {
    Record { part: Part, bytes: Box<[u8]> },
    Skip { last: u64 },
}

/// One lane's incoming records.
#[derive(Debug, Default)]
pub(crate) struct LaneIn {
    /// The next number that is missing.
    next: u64,
    /// What came out of order.
    waiting: BTreeMap<u64, Piece>,
    /// The records of the message that is not complete, and the first one's number.
    partial: Vec<u8>,
    partial_first: Option<u64>,
    committed: u64,
    /// The newest message handed out for whose COMMIT somebody waits ends here.
    awaited: u64,
    /// The application refused the messages that end here: nothing is handed out before their skips.
    held: BTreeSet<u64>,
}

impl LaneIn {
    /// Records that wait for one before them.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of a message whose end is to come.
    pub(crate) fn partial_bytes(&self) -> usize {
        self.partial.len()
    }

    pub(crate) fn new(committed: u64) -> Self {
        Self { next: committed + 1, committed, ..Self::default() }
    }

    /// Nothing waits, and all that was handed out is committed.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
            && self.partial_first.is_none()
            && self.held.is_empty()
            && self.next == self.committed + 1
    }

    /// Whether this record came before.
    pub(crate) fn knows(&self, seq: u64) -> bool {
        seq < self.next || self.waiting.contains_key(&seq)
    }

    pub(crate) fn record(
        &mut self,
        seq: u64,
        part: Part,
        bytes: &[u8],
        out: &mut impl FnMut(Delivery),
    ) -> Result<(), Violation> {
        if seq > self.committed + RECORD_WINDOW {
            return Err(Violation("a record beyond the window"));
        }
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(Violation("a record beyond its size"));
        }
        if seq < self.next {
            return Ok(());
        }
        if seq == self.next && self.waiting.is_empty() && self.held.is_empty() {
            return self.take(part, bytes, out);
        }
        self.waiting.entry(seq).or_insert_with(|| Piece::Record { part, bytes: bytes.into() });
        self.drain(out)
    }

    /// Takes the record that is next.
    fn take(
        &mut self,
        part: Part,
        bytes: &[u8],
        out: &mut impl FnMut(Delivery),
    ) -> Result<(), Violation> {
        let first = *self.partial_first.get_or_insert(self.next);
        if self.next - first >= MESSAGE_RECORDS_MAX
            || self.partial.len() + bytes.len() > MESSAGE_BYTES_MAX
        {
            return Err(Violation("a message beyond its size"));
        }
        self.partial.extend_from_slice(bytes);
        let last = self.next;
        self.next += 1;
        if part != Part::More {
            if part == Part::Last {
                self.awaited = last;
            }
            self.partial_first = None;
            let payload = std::mem::take(&mut self.partial);
            out(Delivery::Message { first, last, payload });
        }
        Ok(())
    }

    pub(crate) fn skip(
        &mut self,
        first: u64,
        last: u64,
        out: &mut impl FnMut(Delivery),
    ) -> Result<(), Violation> {
        if first > last {
            return Err(Violation("a skip that ends before it begins"));
        }
        if self.held.remove(&last) {
            self.awaited = self.awaited.max(last);
            out(Delivery::Skip { up_to: last });
        } else if first > self.committed + RECORD_WINDOW {
            return Err(Violation("a skip beyond the window"));
        } else if last >= self.next {
            // What was taken already is taken: only the rest is skipped.
            self.waiting.insert(first.max(self.next), Piece::Skip { last });
        }
        self.drain(out)
    }

    fn drain(&mut self, out: &mut impl FnMut(Delivery)) -> Result<(), Violation> {
        while self.held.is_empty() {
            let Some(piece) = self.waiting.remove(&self.next) else { break };
            match piece {
                Piece::Skip { last } => {
                    if self.partial_first.is_some() {
                        return Err(Violation("a skip within a message"));
                    }
                    self.next = last + 1;
                    self.awaited = last;
                    self.waiting = self.waiting.split_off(&self.next);
                    out(Delivery::Skip { up_to: last });
                }
                Piece::Record { part, bytes } => self.take(part, &bytes, out)?,
            }
        }
        Ok(())
    }

    /// The application has everything up to `up_to` on disk. Whether the peer waits for the word.
    pub(crate) fn commit(&mut self, up_to: u64) -> Urgency {
        debug_assert!(up_to < self.next, "only what was handed out is committed");
        // One that was committed before may have got lost: it is said again at once.
        let low = up_to > self.committed && self.awaited <= self.committed;
        self.committed = self.committed.max(up_to);
        if low { Urgency::Low } else { Urgency::Normal }
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// The application refuses the message that ends at `last`.
    pub(crate) fn refuse(&mut self, last: u64) {
        self.held.insert(last);
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lane: &mut LaneIn, seq: u64, part: Part, bytes: &[u8]) -> Vec<Delivery> {
        let mut out = Vec::new();
        lane.record(seq, part, bytes, &mut |delivery| out.push(delivery)).unwrap();
        out
    }

    fn message(first: u64, last: u64, payload: &[u8]) -> Delivery {
        Delivery::Message { first, last, payload: payload.into() }
    }

    #[test]
    fn records_are_ordered_joined_and_handed_out_once() {
        let mut lane = LaneIn::new(0);
        assert_eq!(feed(&mut lane, 3, Part::Last, b"c"), []);
        assert_eq!(feed(&mut lane, 2, Part::Last, b"b"), []);
        let out = feed(&mut lane, 1, Part::More, b"a");
        assert_eq!(out, [message(1, 2, b"ab"), message(3, 3, b"c")]);
        assert_eq!(feed(&mut lane, 1, Part::More, b"a"), []);
        assert_eq!(feed(&mut lane, 3, Part::Last, b"c"), []);
    }

    #[test]
    fn a_commit_waits_for_company_only_if_nobody_waits_for_anything_in_it() {
        let mut lane = LaneIn::new(4);
        assert_eq!(lane.commit(4), Urgency::Normal, "it is said again");
        feed(&mut lane, 5, Part::LastLow, b"receipt");
        assert_eq!(lane.commit(5), Urgency::Low);
        feed(&mut lane, 6, Part::Last, b"text");
        feed(&mut lane, 7, Part::LastLow, b"receipt");
        assert_eq!(lane.commit(7), Urgency::Normal);
        feed(&mut lane, 8, Part::LastLow, b"receipt");
        feed(&mut lane, 9, Part::Last, b"text");
        assert_eq!(lane.commit(8), Urgency::Normal, "one too early does no harm");
        assert_eq!(lane.commit(9), Urgency::Normal);
        lane.skip(10, 20, &mut |_| ()).unwrap();
        assert_eq!(lane.commit(20), Urgency::Normal);
        feed(&mut lane, 21, Part::More, b"a long ");
        feed(&mut lane, 22, Part::LastLow, b"receipt");
        assert_eq!(lane.commit(22), Urgency::Low);
    }

    #[test]
    fn the_window_is_exact() {
        let mut lane = LaneIn::new(5);
        let mut none = |_| panic!("nothing is complete");
        assert!(lane.record(5 + RECORD_WINDOW, Part::Last, b"", &mut none).is_ok());
        assert!(lane.record(6 + RECORD_WINDOW, Part::Last, b"", &mut none).is_err());
        assert!(lane.skip(6 + RECORD_WINDOW, 1000, &mut none).is_err());
    }

    #[test]
    fn a_message_has_at_most_its_records_and_bytes() {
        let mut lane = LaneIn::new(0);
        for seq in 1..=MESSAGE_RECORDS_MAX {
            assert_eq!(feed(&mut lane, seq, Part::More, b""), []);
        }
        assert!(lane.record(MESSAGE_RECORDS_MAX + 1, Part::Last, b"", &mut |_| ()).is_err());
        let mut lane = LaneIn::new(0);
        assert!(lane.record(1, Part::More, &[0; RECORD_BYTES_MAX + 1], &mut |_| ()).is_err());
    }

    #[test]
    fn nothing_passes_a_refused_message_before_its_skip() {
        let mut lane = LaneIn::new(0);
        assert_eq!(feed(&mut lane, 1, Part::Last, b"a").len(), 1);
        assert_eq!(feed(&mut lane, 2, Part::Last, b"b").len(), 1);
        lane.refuse(1);
        assert_eq!(feed(&mut lane, 3, Part::Last, b"c"), []);
        let mut out = Vec::new();
        lane.skip(1, 1, &mut |delivery| out.push(delivery)).unwrap();
        assert_eq!(out, [Delivery::Skip { up_to: 1 }, message(3, 3, b"c")]);
        lane.skip(1, 1, &mut |_| panic!("a repeated skip does nothing")).unwrap();
    }

    #[test]
    fn a_skip_waits_for_the_records_before_it() {
        let mut lane = LaneIn::new(0);
        let mut out = Vec::new();
        lane.skip(2, 900, &mut |delivery| out.push(delivery)).unwrap();
        assert_eq!(out, []);
        let out = feed(&mut lane, 1, Part::Last, b"a");
        assert_eq!(out, [message(1, 1, b"a"), Delivery::Skip { up_to: 900 }]);
        assert_eq!(feed(&mut lane, 200, Part::Last, b"dropped"), []);
    }
}
