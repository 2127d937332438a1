//! Which texts may go unwritten: those to somebody whose mailbox was proven to be where it is, since both logged in and
//! since a node was last lost. Each other one is written, and proves it for those after it.
//!
//! What happened before the simulation began is not played: two who talk so many times a second have proof by a chance
//! that follows from how long both were there.

use super::people::{People, What, mix};
use std::collections::HashMap;

/// Pairs of whom it is remembered when there was proof; beyond it all are forgotten, and prove it again. Of a hundred
/// million users some ten million pairs write in the simulated minutes.
const PAIRS_MAX: usize = 16 << 20;

/// See the module.
#[derive(Default)]
pub(super) struct Proofs {
    of_pairs: HashMap<(u32, u32), u64>,
    /// Since the last loss.
    of_mailboxes: HashMap<u32, u64>,
    /// When a node was last lost.
    doubt_at: Option<u64>,
}

/// Whether a text goes unwritten, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Given,
    /// It is the first since a login or a loss.
    First,
}

/// Two who talk so many times a second, and when the later of them logged in, if that was played.
pub(super) struct Pair {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) talks: f64,
    pub(super) login_at: Option<u64>,
}

impl Proofs {
    /// A node is lost: what was proven before is worth nothing.
    pub(super) fn doubt(&mut self, at: u64) {
        self.doubt_at = Some(at);
    }

    /// Whether a text goes unwritten. If not, the next one may.
    pub(super) fn of(&mut self, people: &People, pair: &Pair, at: u64) -> Proof {
        let Pair { from, to, talks, login_at } = *pair;
        let proven_at = self.of_pairs.get(&(from, to)).copied();
        let is_proven = match (proven_at, login_at) {
            (Some(proven_at), Some(login_at)) => proven_at > login_at,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => {
                let age = people.age(from).min(people.age(to));
                let both = u64::from(from) << 32 | u64::from(to);
                people.share(mix(0, both, What::Known), What::Known) > (-talks * age).exp()
            }
        };
        let is_sure = self.doubt_at.is_none_or(|doubt_at| {
            self.of_mailboxes.get(&to).is_some_and(|proven_at| *proven_at > doubt_at)
        });
        if is_proven && is_sure {
            return Proof::Given;
        }
        if self.of_pairs.len() >= PAIRS_MAX {
            self.of_pairs.clear();
        }
        self.of_pairs.insert((from, to), at);
        if self.doubt_at.is_some() {
            self.of_mailboxes.insert(to, at);
        }
        Proof::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::model::Deployment;

    #[test]
    fn the_first_text_since_a_login_or_a_loss_has_no_proof() {
        let people = People::new(1, 1_000, Deployment::of(1_000));
        let mut proofs = Proofs::default();
        let mut twice = |at, login_at| {
            let pair = Pair { from: 1, to: 2, talks: 0.0, login_at };
            [at, at + 1].map(|at| proofs.of(&people, &pair, at))
        };
        assert_eq!(twice(1, None), [Proof::First, Proof::Given]);
        assert_eq!(twice(4, Some(3)), [Proof::First, Proof::Given]);
        proofs.doubt(9);
        let pair = Pair { from: 1, to: 2, talks: 0.0, login_at: Some(3) };
        let after = [10, 11].map(|at| proofs.of(&people, &pair, at));
        assert_eq!(after, [Proof::First, Proof::Given]);
    }
}
