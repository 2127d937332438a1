//! What came by, kept in memory to be searched.

use super::Direction;

/// Most bytes of datagrams that one proxy keeps. What comes later is not kept, and the capture says
/// that it is incomplete.
pub const CAPTURE_BYTES_MAX: usize = 64 << 20;

/// A datagram that came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Which way.
    pub direction: Direction,
    /// The payload, before any fault.
    pub bytes: Vec<u8>,
}

/// All that came by.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// In the order of their coming.
    pub datagrams: Vec<Captured>,
    bytes: usize,
    missed: u64,
}

impl Capture {
    pub(super) fn keep(&mut self, direction: Direction, datagram: &[u8]) {
        if self.missed > 0 || self.bytes + datagram.len() > CAPTURE_BYTES_MAX {
            self.missed += 1;
            return;
        }
        self.bytes += datagram.len();
        self.datagrams.push(Captured { direction, bytes: datagram.to_vec() });
    }

    /// How many datagrams came by and were not kept for want of room.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Whether some datagram holds `needle`.
    ///
    /// # Panics
    /// `needle` is empty, or not found in an incomplete capture: that would prove nothing.
    #[must_use]
    pub fn finds(&self, needle: &[u8]) -> bool {
        assert!(!needle.is_empty(), "nothing to look for");
        let holds =
            |datagram: &Captured| datagram.bytes.windows(needle.len()).any(|part| part == needle);
        let found = self.datagrams.iter().any(holds);
        assert!(found || self.missed == 0, "{} datagrams were not captured", self.missed);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_searched_datagram_by_datagram() {
        let mut capture = Capture::default();
        capture.keep(Direction::ToServer, b"hello wor");
        capture.keep(Direction::ToClient, b"ld");
        assert!(capture.finds(b"hello"));
        assert!(!capture.finds(b"world"));
    }

    #[test]
    fn a_full_capture_says_that_it_is_incomplete() {
        let mut capture = Capture::default();
        let half = vec![0; CAPTURE_BYTES_MAX / 2];
        capture.keep(Direction::ToServer, &half);
        capture.keep(Direction::ToServer, &half);
        assert_eq!(capture.missed(), 0);
        capture.keep(Direction::ToServer, b"x");
        assert_eq!((capture.missed(), capture.datagrams.len()), (1, 2));
    }
}
