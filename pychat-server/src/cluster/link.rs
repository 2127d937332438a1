//! The way between two nodes: mail is numbered, and where a number is missing all that was under way counts
//! as lost, in both directions. Each such time the link gets a new number, which both agree on, and what is
//! still under way of the one before is not taken.

/// One end of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    link: u64,
    sent: u64,
    taken: u64,
    /// What the other end was last told of what was sent.
    told: u64,
}

/// What comes of something that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is taken.
    Taken,
    /// It is of a link that is no more.
    Stale,
    /// Something is missing: all that was under way is lost. What was heard may be taken where it begins the new
    /// link.
    Lost {
        /// Whether it is taken.
        taken: bool,
    },
}

impl Link {
    /// The link and the number of the first of so many pieces that are sent now.
    pub(super) fn send(&mut self, count: usize) -> (u64, u64) {
        let first = self.sent;
        self.sent += count as u64;
        (self.link, first)
    }

    /// So many pieces were heard, of this link and from this number on.
    pub(super) fn hear(&mut self, link: u64, first: u64, count: usize) -> Heard {
        if link < self.link {
            return Heard::Stale;
        }
        let is_new = link > self.link;
        if is_new {
            *self = Self { link, ..Self::default() };
        }
        if first == self.taken {
            self.taken += count as u64;
            return if is_new { Heard::Lost { taken: true } } else { Heard::Taken };
        }
        self.renew();
        Heard::Lost { taken: false }
    }

    /// The other end says how much it has sent.
    pub(super) fn hear_sent(&mut self, link: u64, count: u64) -> Heard {
        self.hear(link, count, 0)
    }

    /// All that was under way is lost.
    pub(super) fn renew(&mut self) {
        *self = Self { link: self.link + 1, ..Self::default() };
        // The other end has to hear of it, also where nothing else is to be said.
        self.told = u64::MAX;
    }

    /// What the other end is to be told of what was sent, if it was not told since.
    pub(super) fn tell(&mut self) -> Option<(u64, u64)> {
        if self.told == self.sent {
            return None;
        }
        self.told = self.sent;
        Some((self.link, self.sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_loses_what_was_under_way_on_both_sides_and_once() {
        let (mut one, mut other) = (Link::default(), Link::default());
        let (link, first) = one.send(3);
        assert_eq!(other.hear(link, first, 3), Heard::Taken);
        let lost = one.send(1);
        let late = one.send(2);
        assert_eq!(other.hear(late.0, late.1, 2), Heard::Lost { taken: false });
        // What was lost comes after all: nobody waits for it any more.
        assert_eq!(other.hear(lost.0, lost.1, 1), Heard::Stale);
        let (link, count) = other.tell().unwrap();
        assert_eq!(one.hear_sent(link, count), Heard::Lost { taken: true });
        assert_eq!(other.tell(), None);
        let (link, first) = one.send(1);
        assert_eq!(other.hear(link, first, 1), Heard::Taken);
    }

    #[test]
    fn the_last_piece_is_missed_too() {
        let (mut one, mut other) = (Link::default(), Link::default());
        one.send(1);
        let (link, count) = one.tell().unwrap();
        assert_eq!(one.tell(), None);
        assert_eq!(other.hear_sent(link, count), Heard::Lost { taken: false });
    }

    #[test]
    fn both_ends_may_notice_at_once() {
        let (mut one, mut other) = (Link::default(), Link::default());
        one.renew();
        other.renew();
        let (link, first) = one.send(2);
        assert_eq!(other.hear(link, first, 2), Heard::Taken);
        let (link, first) = other.send(1);
        assert_eq!(one.hear(link, first, 1), Heard::Taken);
    }
}
