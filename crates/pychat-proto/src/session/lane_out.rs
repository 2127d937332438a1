//! Records on their way to the peer: kept until they are committed there.

use crate::{
    RECORD_BYTES_MAX, RECORD_WINDOW, Urgency, records_for,
    wire::frame::{Frame, Part},
};
use std::collections::{BTreeSet, VecDeque};

/// A record, or a stretch of numbers that is given up.
#[derive(Debug)]
struct Entry {
    first: u64,
    last: u64,
    kind: Kind,
    acked: bool,
    refused: bool,
}

#[derive(Debug)]
enum Kind {
    Record { bytes: Box<[u8]>, part: Part },
    Skip,
}

/// What of an entry went into a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Record(u64),
    /// The last record of a message that nobody waits for.
    LowRecord(u64),
    Skip(u64),
}

impl Sent {
    const fn number(self) -> u64 {
        match self {
            Self::Record(number) | Self::LowRecord(number) | Self::Skip(number) => number,
        }
    }

    /// What of an entry of this kind goes into a packet, or went.
    const fn fits(self, kind: &Kind) -> bool {
        match (kind, self) {
            (Kind::Record { .. }, Self::Record(_) | Self::LowRecord(_))
            | (Kind::Skip, Self::Skip(_)) => true,
            // A record that became a skip meanwhile: the skip is still to be acknowledged.
            (Kind::Skip, Self::Record(_) | Self::LowRecord(_))
            | (Kind::Record { .. }, Self::Skip(_)) => false,
        }
    }
}

/// What a COMMIT did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// The position moved.
    Moved,
    /// It was known.
    Known,
    /// It is beyond anything offered: the peer lies.
    Impossible,
}

/// One lane's outgoing records.
#[derive(Debug, Default)]
pub(crate) struct LaneOut {
    entries: VecDeque<Entry>,
    committed: u64,
    last_offered: u64,
    /// The first number never sent.
    unsent: u64,
    /// Sent before and to be sent again.
    again: BTreeSet<u64>,
}

impl LaneOut {
    /// Begins after `committed`.
    pub(crate) fn new(committed: u64) -> Self {
        Self { committed, last_offered: committed, unsent: committed + 1, ..Self::default() }
    }

    pub(crate) fn room(&self) -> u64 {
        (self.committed + RECORD_WINDOW).saturating_sub(self.last_offered)
    }

    pub(crate) fn last_offered(&self) -> u64 {
        self.last_offered
    }

    /// Records that the peer has not committed.
    pub(crate) fn held(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a message; the caller has seen to the room. Returns its last number.
    pub(crate) fn offer(&mut self, payload: &[u8], urgency: Urgency) -> u64 {
        let count = records_for(payload.len());
        for index in 0..count {
            let start = (index as usize) * RECORD_BYTES_MAX;
            let end = payload.len().min(start + RECORD_BYTES_MAX);
            let number = self.last_offered + 1;
            let part = match urgency {
                _ if index + 1 < count => Part::More,
                Urgency::Normal => Part::Last,
                Urgency::Low => Part::LastLow,
            };
            let kind = Kind::Record { bytes: payload[start..end].into(), part };
            self.entries.push_back(Entry {
                first: number,
                last: number,
                kind,
                acked: false,
                refused: false,
            });
            self.last_offered = number;
        }
        self.last_offered
    }

    /// Gives up numbers up to `last`: those never offered, or the refused message that ends there.
    pub(crate) fn skip(&mut self, last: u64) {
        if last > self.last_offered {
            let first = self.last_offered + 1;
            self.entries.push_back(Entry {
                first,
                last,
                kind: Kind::Skip,
                acked: false,
                refused: false,
            });
            self.last_offered = last;
        } else if let Some(entry) = self.entry(last) {
            entry.kind = Kind::Skip;
            entry.acked = false;
            let first = entry.first;
            if first < self.unsent {
                self.again.insert(first);
            }
        }
    }

    /// The peer refuses the message that ends at `last`; whether that is news.
    pub(crate) fn refused(&mut self, last: u64) -> bool {
        match self.entry(last) {
            Some(Entry { kind: Kind::Record { .. }, refused, .. }) => {
                !std::mem::replace(refused, true)
            }
            Some(_) | None => false,
        }
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let index = self.entries.partition_point(|entry| entry.last < number);
        self.entries.get_mut(index).filter(|entry| entry.first <= number)
    }

    /// The next entry to be put into a packet, if its frame takes at most `space` bytes.
    pub(crate) fn next_frame(&mut self, lane: u8, space: usize, to: &mut Vec<u8>) -> Option<Sent> {
        let again = self.again.first().copied();
        let number = again.unwrap_or(self.unsent);
        let entry = self.entry(number)?;
        let (frame, sent) = match &entry.kind {
            Kind::Record { bytes, part } => {
                let frame = Frame::Record { lane, seq: entry.first, part: *part, bytes };
                let sent = match part {
                    Part::More | Part::Last => Sent::Record(entry.first),
                    Part::LastLow => Sent::LowRecord(entry.first),
                };
                (frame, sent)
            }
            Kind::Skip => {
                let (first, last) = (entry.first, entry.last);
                (Frame::Skip { lane, first, last }, Sent::Skip(first))
            }
        };
        let before = to.len();
        frame.encode(to);
        if to.len() - before > space {
            to.truncate(before);
            return None;
        }
        let last = entry.last;
        if again.is_some() {
            self.again.remove(&number);
        } else {
            self.unsent = last + 1;
        }
        Some(sent)
    }

    /// Whether it is still to be acknowledged.
    pub(crate) fn is_open(&self, sent: Sent) -> bool {
        let index = self.entries.partition_point(|entry| entry.last < sent.number());
        self.entries.get(index).is_some_and(|entry| sent.fits(&entry.kind) && !entry.acked)
    }

    /// Whether anything waits for its first packet.
    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent <= self.last_offered
    }

    /// The first number never sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.unsent
    }

    pub(crate) fn wants_to_send(&self) -> bool {
        !self.again.is_empty() || self.has_unsent()
    }

    /// The peer has processed it; its bytes are needed no more in this session.
    pub(crate) fn acked(&mut self, sent: Sent) {
        let number = sent.number();
        let Some(entry) = self.entry(number).filter(|entry| sent.fits(&entry.kind)) else { return };
        entry.acked = true;
        if let Kind::Record { bytes, .. } = &mut entry.kind {
            *bytes = Box::default();
        }
        self.again.remove(&number);
    }

    /// It may be lost: send it again unless it was acknowledged. Says whether it will be sent.
    pub(crate) fn lost(&mut self, sent: Sent) -> bool {
        let number = sent.number();
        match self.entry(number) {
            Some(entry) if !entry.acked => self.again.insert(number),
            Some(_) | None => false,
        }
    }

    pub(crate) fn commit(&mut self, up_to: u64) -> Committed {
        if up_to > self.last_offered {
            return Committed::Impossible;
        }
        if up_to <= self.committed {
            return Committed::Known;
        }
        self.committed = up_to;
        while self.entries.front().is_some_and(|entry| entry.last <= up_to) {
            self.entries.pop_front();
        }
        self.again = self.again.split_off(&(up_to + 1));
        self.unsent = self.unsent.max(up_to + 1);
        Committed::Moved
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(lane: &mut LaneOut) -> Vec<Sent> {
        let mut buffer = Vec::new();
        std::iter::from_fn(|| lane.next_frame(0, 2000, &mut buffer)).collect()
    }

    #[test]
    fn the_window_is_exact() {
        let mut lane = LaneOut::new(7);
        assert_eq!(lane.room(), RECORD_WINDOW);
        for _ in 0..RECORD_WINDOW {
            lane.offer(b"x", Urgency::Normal);
        }
        assert_eq!(lane.room(), 0);
        assert_eq!(lane.commit(7 + RECORD_WINDOW + 1), Committed::Impossible);
        assert_eq!(lane.commit(8), Committed::Moved);
        assert_eq!(lane.commit(8), Committed::Known);
        assert_eq!(lane.room(), 1);
    }

    #[test]
    fn a_long_message_is_cut_into_records() {
        let mut lane = LaneOut::new(0);
        assert_eq!(lane.offer(&vec![1; RECORD_BYTES_MAX * 2 + 1], Urgency::Normal), 3);
        assert_eq!(frames(&mut lane), [Sent::Record(1), Sent::Record(2), Sent::Record(3)]);
    }

    #[test]
    fn lost_records_are_sent_again_once_and_acked_ones_never() {
        let mut lane = LaneOut::new(0);
        lane.offer(b"a", Urgency::Normal);
        lane.offer(b"b", Urgency::Normal);
        assert_eq!(frames(&mut lane).len(), 2);
        lane.acked(Sent::Record(1));
        assert!(!lane.lost(Sent::Record(1)));
        assert!(lane.lost(Sent::Record(2)));
        assert!(!lane.lost(Sent::Record(2)), "it waits already");
        assert_eq!(frames(&mut lane), [Sent::Record(2)]);
    }

    #[test]
    fn a_refused_record_becomes_a_skip_that_wants_its_own_ack() {
        let mut lane = LaneOut::new(0);
        lane.offer(b"a", Urgency::Normal);
        frames(&mut lane);
        lane.skip(1);
        lane.acked(Sent::Record(1));
        assert_eq!(frames(&mut lane), [Sent::Skip(1)]);
        assert!(lane.lost(Sent::Skip(1)));
        lane.acked(Sent::Skip(1));
        assert!(!lane.wants_to_send());
    }

    #[test]
    fn a_skip_of_many_takes_one_frame() {
        let mut lane = LaneOut::new(10);
        lane.skip(1_000_000);
        lane.offer(b"after", Urgency::Normal);
        assert_eq!(frames(&mut lane), [Sent::Skip(11), Sent::Record(1_000_001)]);
        assert_eq!(lane.commit(1_000_000), Committed::Moved);
        assert_eq!(lane.room(), RECORD_WINDOW - 1);
    }
}
