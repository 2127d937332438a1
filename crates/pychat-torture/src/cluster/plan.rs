//! The mishaps of a round, drawn from a seed before anything starts.

use super::programs::{EACH, Part};
use pychat_testkit::dice::Dice;
use std::time::Duration;

/// One mishap. All but a kill last, and a killed program stays away as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// kill -9 of one program.
    Kill(Part),
    /// kill -9 of all NATS servers at once.
    KillAllNats,
    /// SIGSTOP, and SIGCONT.
    Freeze(Part),
    /// Nothing passes between these two.
    Cut(Part, Part),
    /// Nothing passes between this program and all NATS servers.
    CutFromNats(Part),
    /// Nothing passes between the people of this site and this node.
    CutSite(usize, usize),
}

impl Mishap {
    /// Its kind, for figures.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Kill(Part::Nats(_)) => "NATS server killed",
            Self::Kill(Part::Node(_)) => "node killed",
            Self::KillAllNats => "all NATS servers killed",
            Self::Freeze(Part::Nats(_)) => "NATS server stopped",
            Self::Freeze(Part::Node(_)) => "node stopped",
            Self::Cut(Part::Nats(_), Part::Nats(_)) => "NATS server cut from another",
            Self::Cut(..) => "node cut from a NATS server",
            Self::CutFromNats(Part::Nats(_)) => "NATS server cut from all others",
            Self::CutFromNats(Part::Node(_)) => "node cut from all NATS servers",
            Self::CutSite(..) => "people cut from a node",
        }
    }
}

/// How many kinds there are.
pub const KINDS: u64 = 10;

/// A mishap, and when it begins and ends, from the beginning of its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub to: Duration,
    /// What.
    pub mishap: Mishap,
}

/// Mishaps that begin in one round.
const MISHAPS: u64 = 2;

/// How long one lasts, at least and at most.
const LASTS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(6)];

/// The schedule of a round of this length: two mishaps, which overlap at times. Over as many rounds as there are
/// kinds each kind comes twice; what else is drawn is the seed's.
#[must_use]
pub fn draw(seed: u64, round: u64, length: Duration, sites: usize) -> Vec<Planned> {
    let mut dice = Dice::new(seed ^ (round << 32));
    let part = length / u32::try_from(MISHAPS).expect("it is a small number");
    let mut plan = Vec::new();
    for number in 0..MISHAPS {
        let beginning = part * u32::try_from(number).expect("it is a small number");
        let from = beginning + dice.up_to(part / 2);
        let to = from + LASTS[0] + dice.up_to(LASTS[1] - LASTS[0]);
        let mishap = mishap(round * MISHAPS + number + seed, &mut dice, sites);
        plan.push(Planned { from, to: to.min(length), mishap });
    }
    plan
}

fn mishap(number: u64, dice: &mut Dice, sites: usize) -> Mishap {
    let one = below(dice, EACH);
    let other = (one + 1 + below(dice, EACH - 1)) % EACH;
    match number % KINDS {
        0 => Mishap::Kill(Part::Node(one)),
        1 => Mishap::Kill(Part::Nats(one)),
        2 => Mishap::Freeze(Part::Node(one)),
        3 => Mishap::Freeze(Part::Nats(one)),
        4 => Mishap::CutFromNats(Part::Node(one)),
        5 => Mishap::Cut(Part::Nats(one), Part::Nats(other)),
        6 => Mishap::CutSite(below(dice, sites), one),
        7 => Mishap::KillAllNats,
        8 => Mishap::CutFromNats(Part::Nats(one)),
        _ => Mishap::Cut(Part::Node(one), Part::Nats(other)),
    }
}

fn below(dice: &mut Dice, end: usize) -> usize {
    usize::try_from(dice.below(end as u64)).expect("it is below a length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const LENGTH: Duration = Duration::from_secs(14);

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        assert_eq!(draw(1, 3, LENGTH, 4), draw(1, 3, LENGTH, 4));
        assert_ne!(draw(1, 3, LENGTH, 4), draw(2, 3, LENGTH, 4));
    }

    #[test]
    fn each_kind_comes_and_nothing_lasts_longer_than_its_round() {
        for seed in 0..20 {
            let rounds = (0..KINDS).flat_map(|round| draw(seed, round, LENGTH, 4));
            let mut kinds = BTreeMap::new();
            for Planned { from, to, mishap } in rounds {
                assert!(from < to && to <= LENGTH);
                *kinds.entry(mishap.kind()).or_insert(0) += 1;
                if let Mishap::Cut(one, other) = mishap {
                    assert_ne!(one, other);
                }
            }
            assert!(kinds.len() as u64 == KINDS && kinds.values().all(|times| *times == 2));
        }
    }
}
