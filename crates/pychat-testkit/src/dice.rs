//! Randomness from a seed: the only source of chance in tests.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::time::Duration;

/// How likely something is. A newtype, so that a percentage is not taken for a share.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Chance(f64);

impl Chance {
    /// It does not happen.
    pub const NEVER: Self = Self(0.0);
    /// It happens each time.
    pub const ALWAYS: Self = Self(1.0);

    /// So many times in a hundred.
    ///
    /// # Panics
    /// `percent` is not between 0 and 100.
    #[must_use]
    pub fn percent(percent: f64) -> Self {
        assert!((0.0..=100.0).contains(&percent), "{percent} is no percentage");
        Self(percent / 100.0)
    }

    /// The share of tries in which it happens, 0 to 1.
    #[must_use]
    pub const fn share(self) -> f64 {
        self.0
    }
}

/// Rolls chances. The same seed rolls the same.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Dice that are fully determined by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Whether `chance` comes true this time.
    pub fn roll(&mut self, chance: Chance) -> bool {
        /// 2^53: as many steps as a float between 0 and 1 can tell apart evenly.
        const STEPS: f64 = 9_007_199_254_740_992.0;
        // Always drawn, so that a change of one chance does not shift all later rolls.
        let drawn = self.0.next_u64() >> 11;
        (drawn as f64) / STEPS < chance.0
    }

    /// A number from 0 to `end - 1`.
    ///
    /// # Panics
    /// `end` is zero.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "there is no number below zero");
        let wide = u128::from(self.0.next_u64()) * u128::from(end);
        u64::try_from(wide >> 64).expect("a product shifted back is below its factor")
    }

    /// A time from zero to `most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.below(micros + 1))
    }

    /// Thirty-two bytes: the seed of a protocol machine or a key.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            (0..100).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
    }

    #[test]
    fn chances_come_true_as_often_as_they_say() {
        let mut dice = Dice::new(7);
        for percent in [1.0, 20.0, 50.0, 99.0] {
            let hits = (0..100_000).filter(|_| dice.roll(Chance::percent(percent))).count() as f64;
            assert!((hits / 1_000.0 - percent).abs() < 0.5, "{percent}%: {hits} of 100000");
        }
        assert!((0..1_000).all(|_| dice.roll(Chance::ALWAYS) && !dice.roll(Chance::NEVER)));
    }

    #[test]
    fn numbers_stay_below_their_end_and_reach_it() {
        let mut dice = Dice::new(3);
        let numbers: std::collections::BTreeSet<u64> = (0..1_000).map(|_| dice.below(6)).collect();
        assert_eq!(numbers, (0..6).collect());
        assert_eq!(dice.up_to(Duration::ZERO), Duration::ZERO);
    }
}
