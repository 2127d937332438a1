//! What two people compare, by voice or by camera, to know that nobody stands between them.

use pychat_proto::{PublicKey, UserName};
use sha2::{Digest, Sha512};
use std::fmt;

/// Digits of a safety number.
pub const SAFETY_DIGITS: usize = 60;

/// How often a half is hashed: a stranger's key with the same digits costs that much more to find.
const ROUNDS: u32 = 5200;

/// Groups of five digits in a half.
const GROUPS: usize = 6;

/// Sixty decimal digits of two people's names and login keys, the same on both sides.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafetyNumber([u8; SAFETY_DIGITS]);

/// The safety number of two people.
#[must_use]
pub fn safety_number(one: (&UserName, &PublicKey), other: (&UserName, &PublicKey)) -> SafetyNumber {
    let mut halves = [half(one), half(other)];
    halves.sort_unstable();
    let mut digits = [0; SAFETY_DIGITS];
    for (to, from) in digits.iter_mut().zip(halves.as_flattened()) {
        *to = *from;
    }
    SafetyNumber(digits)
}

fn half((user, key): (&UserName, &PublicKey)) -> [u8; SAFETY_DIGITS / 2] {
    let mut hash = Sha512::new_with_prefix(b"pychat safety number 1")
        .chain_update(key.0)
        .chain_update(user.as_str())
        .finalize();
    for _ in 1..ROUNDS {
        hash = Sha512::new_with_prefix(hash).chain_update(key.0).finalize();
    }
    let mut digits = [0; SAFETY_DIGITS / 2];
    for (group, bytes) in digits.chunks_exact_mut(5).zip(hash.chunks_exact(5)).take(GROUPS) {
        let mut number =
            bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) % 100_000;
        for digit in group.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
    digits
}

impl SafetyNumber {
    /// The digits without spaces.
    #[must_use]
    pub fn digits(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }

    /// Whether a person typed, or a camera read, this number: spaces and line breaks do not count.
    #[must_use]
    pub fn is(&self, typed: &str) -> bool {
        typed.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(self.0.iter().copied())
    }
}

impl fmt::Display for SafetyNumber {
    /// Twelve groups of five.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        for (place, start) in (0..SAFETY_DIGITS).step_by(5).enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{}", &digits[start..start + 5])?;
        }
        Ok(())
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn person(name: &str, seed: u8) -> (UserName, PublicKey) {
        (UserName::parse(name).unwrap(), PublicKey([seed; 32]))
    }

    #[test]
    fn both_sides_see_the_same_and_any_other_pair_sees_another() {
        let people = [person("alice", 1), person("bob", 2), person("bob", 3), person("carol", 2)];
        let mut seen = BTreeSet::new();
        for (i, one) in people.iter().enumerate() {
            for other in &people[..=i] {
                let number = safety_number((&one.0, &one.1), (&other.0, &other.1));
                assert_eq!(number, safety_number((&other.0, &other.1), (&one.0, &one.1)));
                assert!(seen.insert(number));
            }
        }
    }

    #[test]
    fn a_known_pair_has_a_known_number() {
        let (alice, bob) = (person("alice", 1), person("bob", 2));
        let number = safety_number((&alice.0, &alice.1), (&bob.0, &bob.1));
        assert_eq!(number.to_string(), KNOWN);
        assert!(
            number.is(KNOWN) && number.is(number.digits()) && number.is(&KNOWN.replace(' ', "\n"))
        );
        assert!(!number.is(&KNOWN[1..]) && !number.is(&format!("{KNOWN} 1")) && !number.is(""));
        assert!(number.digits().bytes().all(|digit| digit.is_ascii_digit()));
    }

    const KNOWN: &str = "02866 37825 65778 97384 01834 14095 06193 97094 01703 84796 14904 31971";
}
