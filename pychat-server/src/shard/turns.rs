//! In which order texts are taken: none before the one that its sender sent before it to the same mailbox.
//!
//! Each text names the one before it of its stream and mailbox, if that one's fate is not known yet where it
//! comes from. Whoever takes texts for a mailbox remembers the last one of each stream, and takes the next only
//! behind it; unless something was not written since, as it may have been that one. What is out of its turn is
//! sent back, and comes again when the fate of the one before is known. So whatever way texts take, across
//! shards, nodes and moving users, and whatever fails on it, no text overtakes another.

use super::parcel::{Asker, Hop, Hopped, Parcel};
use hashbrown::HashTable;
use pychat_proto::{Instant, Seq};
use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Streams and mailboxes whose last text a shard remembers. Beyond it the older half is forgotten: what is under way
/// behind one of them is sent back, and comes again.
pub(super) const TURNS_MAX: usize = 65_536;

/// How long one is remembered at least, if there is room: far longer than it mostly takes until its sender's shard knows
/// what became of it, and then nobody names it any more.
const KEPT: Duration = Duration::from_secs(60);

/// The last text of each stream and mailbox that a shard has taken.
#[derive(Debug, Default)]
pub(super) struct Turns {
    last: HashTable<Taken>,
    /// Those of the time before, which are forgotten next.
    older: HashTable<Taken>,
    /// When that is.
    until: Option<Instant>,
    hasher: RandomState,
}

/// A text that was taken.
#[derive(Clone, Copy, Debug)]
struct Taken {
    /// The hash of its stream and mailbox. Two that share one send each other's texts back at worst.
    key: u64,
    last: Seq,
    /// In which it was taken.
    generation: u32,
}

/// A text's place behind others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    key: u64,
    after: Option<Seq>,
    last: Seq,
}

impl Turns {
    /// Where a parcel stands; nowhere if its order means nothing.
    pub(super) fn of(&self, parcel: &Parcel) -> Option<Turn> {
        let (place, last) = match &parcel.asker {
            Asker::Stream(record, place) => (place, record.last),
            Asker::Hop(Hop { what: Hopped::Text(place, last), .. }) => (place, *last),
            Asker::Receipt(_) | Asker::Hop(Hop { what: Hopped::Receipt(_), .. }) => return None,
        };
        let key = self.hasher.hash_one((&place.user, place.stream, &parcel.mailbox));
        Some(Turn { key, after: place.after, last })
    }

    /// Whether it is this one's turn, in this generation of the shard's store.
    pub(super) fn is_now(&self, turn: Turn, generation: u32) -> bool {
        turn.after.is_none_or(|after| {
            let taken =
                [&self.last, &self.older].into_iter().find_map(|table| find(table, turn.key));
            taken.is_some_and(|taken| (taken.last, taken.generation) == (after, generation))
        })
    }

    /// It was taken.
    pub(super) fn note(&mut self, now: Instant, turn: Turn, generation: u32) {
        let Turn { key, last, after: _ } = turn;
        let until = *self.until.get_or_insert(now + KEPT);
        if until <= now || self.last.len() >= TURNS_MAX / 2 && find(&self.last, key).is_none() {
            self.older = std::mem::take(&mut self.last);
            self.until = Some(now + KEPT);
        }
        let taken = Taken { key, last, generation };
        match self.last.find_mut(key, |it| it.key == key) {
            Some(before) => *before = taken,
            None => {
                self.last.insert_unique(key, taken, |it| it.key);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.last.len() + self.older.len()
    }
}

fn find(table: &HashTable<Taken>, key: u64) -> Option<&Taken> {
    table.find(key, |it| it.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(key: u64, after: u64, last: u64) -> Turn {
        Turn { key, after: Some(Seq(after)), last: Seq(last) }
    }

    #[test]
    fn a_text_is_taken_behind_the_one_that_it_names_and_behind_no_other() {
        let mut turns = Turns::default();
        assert!(!turns.is_now(turn(7, 1, 2), 0), "nothing was taken");
        assert!(turns.is_now(Turn { after: None, ..turn(7, 0, 1) }, 0));
        turns.note(Instant::ZERO, turn(7, 0, 1), 0);
        assert!(turns.is_now(turn(7, 1, 2), 0));
        assert!(!turns.is_now(turn(7, 2, 3), 0), "the one before it is missing");
        assert!(!turns.is_now(turn(8, 1, 2), 0), "another stream or mailbox");
        assert!(!turns.is_now(turn(7, 1, 2), 1), "it may have been what was not written");
    }

    #[test]
    fn one_that_nobody_followed_is_forgotten_after_a_while() {
        let mut turns = Turns::default();
        let at = |times: u32| Instant::ZERO + KEPT * times;
        turns.note(at(0), turn(7, 0, 1), 0);
        turns.note(at(1), turn(8, 0, 1), 0);
        assert!(turns.is_now(turn(7, 1, 2), 0));
        turns.note(at(2), turn(9, 0, 1), 0);
        assert!(!turns.is_now(turn(7, 1, 2), 0) && turns.is_now(turn(8, 1, 2), 0));
        assert_eq!(turns.len(), 2);
    }

    #[test]
    fn of_too_many_the_older_half_is_forgotten() {
        let mut turns = Turns::default();
        let mut note = |turn| turns.note(Instant::ZERO, turn, 0);
        (0..TURNS_MAX as u64).for_each(|key| note(turn(key, 0, 1)));
        // One that is known takes no more room.
        note(turn(TURNS_MAX as u64 - 1, 1, 2));
        assert_eq!(turns.len(), TURNS_MAX);
        turns.note(Instant::ZERO, turn(TURNS_MAX as u64, 0, 1), 0);
        assert_eq!(turns.len(), TURNS_MAX / 2 + 1);
        assert!(turns.is_now(turn(TURNS_MAX as u64 - 1, 2, 3), 0));
        assert!(!turns.is_now(turn(0, 1, 2), 0));
    }
}
