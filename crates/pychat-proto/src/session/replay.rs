//! Which of a peer's packet numbers have been seen: the newest 128 as a bitmap. The same bitmap is
//! what an ACK says. docs/PROTOCOL.md, "Replay window".

/// Numbers that the window covers.
pub(crate) const WINDOW: u64 = 128;
/// Of these, the newest ones in which gaps are looked for.
const GAPS_SPAN: u64 = 64;

/// The newest numbers seen. Check before opening a packet, mark after it opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReplayWindow {
    /// The largest number seen; meaningless while the bitmap is empty.
    largest: u64,
    /// Bit `i`: number `largest - i` was seen.
    bitmap: u128,
}

/// How a number stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Just after the largest so far.
    Next,
    /// It left a gap, or filled one.
    OutOfOrder,
}

impl ReplayWindow {
    /// Whether `number` was not seen and is not too old to tell.
    pub(crate) fn is_fresh(&self, number: u64) -> bool {
        if self.bitmap == 0 || number > self.largest {
            return true;
        }
        let back = self.largest - number;
        #[cfg(feature = "sabotage")]
        if back < WINDOW && crate::sabotage::is_broken(crate::sabotage::Sabotage::SkipReplayWindow)
        {
            return true;
        }
        back < WINDOW && self.bitmap & (1 << back) == 0
    }

    /// Marks a fresh number.
    pub(crate) fn mark(&mut self, number: u64) -> Arrival {
        if self.bitmap == 0 {
            (self.largest, self.bitmap) = (number, 1);
            return if number == 0 { Arrival::Next } else { Arrival::OutOfOrder };
        }
        if number <= self.largest {
            self.bitmap |= 1 << (self.largest - number);
            return Arrival::OutOfOrder;
        }
        let ahead = number - self.largest;
        self.bitmap = if ahead < WINDOW { self.bitmap << ahead | 1 } else { 1 };
        self.largest = number;
        if ahead == 1 { Arrival::Next } else { Arrival::OutOfOrder }
    }

    /// What [`Self::seen`] told.
    pub(crate) fn resumed(largest: u64, bitmap: u128) -> Self {
        Self { largest, bitmap }
    }

    /// The largest number seen and the bitmap, once there is one.
    pub(crate) fn seen(&self) -> Option<(u64, u128)> {
        (self.bitmap != 0).then_some((self.largest, self.bitmap))
    }

    /// Whether numbers are missing among the newest 64 (`GAPS_SPAN`), and not only the one that may
    /// have been left out on purpose: none of the first 128 is, and no two so close to each other.
    pub(crate) fn has_gaps(&self) -> bool {
        let Some((largest, bitmap)) = self.seen() else { return false };
        let span = GAPS_SPAN.min(largest + 1);
        let missing = span - u64::from((bitmap & ((1 << span) - 1)).count_ones());
        missing > u64::from(largest >= WINDOW)
    }

    pub(crate) fn is_newest(&self, number: u64) -> bool {
        self.bitmap == 0 || number > self.largest
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_edge_of_the_window_is_exact() {
        let mut window = ReplayWindow::default();
        window.mark(200);
        assert!(window.is_fresh(200 - WINDOW + 1));
        assert!(!window.is_fresh(200 - WINDOW));
        assert!(!window.is_fresh(200));
        window.mark(200 + WINDOW);
        assert!(!window.is_fresh(200), "fell out of the window");
        assert_eq!(window.seen(), Some((200 + WINDOW, 1)));
    }

    #[test]
    fn a_gap_is_seen_for_64_numbers_and_the_one_left_out_on_purpose_is_none() {
        let without = |missing: &[u64], end: u64| {
            let mut window = ReplayWindow::default();
            (0..end).filter(|number| !missing.contains(number)).for_each(|number| {
                window.mark(number);
            });
            window
        };
        assert!(!ReplayWindow::default().has_gaps());
        assert!(!without(&[], 300).has_gaps());
        assert!(without(&[0], 64).has_gaps() && !without(&[0], 65).has_gaps());
        assert!(!without(&[200], 202).has_gaps(), "it may have been left out");
        assert!(without(&[200, 220], 264).has_gaps() && !without(&[200, 220], 265).has_gaps());
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_with_a_window(numbers in prop::collection::vec(0_u64..400, 1..300)) {
            let (mut window, mut model) = (ReplayWindow::default(), BTreeSet::new());
            for number in numbers {
                let largest = model.last().copied();
                let too_old = largest.is_some_and(|largest: u64| largest >= number + WINDOW);
                let fresh = !too_old && !model.contains(&number);
                prop_assert_eq!(window.is_fresh(number), fresh);
                if fresh {
                    window.mark(number);
                    model.insert(number);
                }
                let (largest, bitmap) = window.seen().unwrap();
                prop_assert_eq!(Some(&largest), model.last());
                for back in 0..WINDOW.min(largest + 1) {
                    prop_assert_eq!(bitmap >> back & 1 == 1, model.contains(&(largest - back)));
                }
            }
        }
    }
}
