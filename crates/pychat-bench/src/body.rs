//! The text of a measurement: who wrote it, its number, when; and the check of what arrives.

use std::{fmt, sync::LazyLock, time::Instant};

/// A text's length: that of a longer chat message, and what other servers are measured with.
pub const BODY_BYTES: usize = 200;

/// Four numbers as hexadecimal digits; the rest is filled.
const FIELDS: [usize; 4] = [8, 8, 16, 16];

const FILL: [u8; BODY_BYTES] = [b'.'; BODY_BYTES];

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment on the clock that stamps texts: nanoseconds since the program started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(u64);

impl Stamp {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Nanoseconds from `earlier` until this moment.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// Which run of the program wrote it; others' texts are not counted.
    pub run: u32,
    /// Which pair.
    pub pair: u32,
    /// Its number in the pair, from 0.
    pub number: u64,
    /// When it was handed to the sender's session.
    pub sent_at: Stamp,
}

impl Body {
    /// Writes it to `to` (cleared first), [`BODY_BYTES`] of text.
    pub fn write(&self, to: &mut Vec<u8>) {
        to.clear();
        let numbers = [u64::from(self.run), u64::from(self.pair), self.number, self.sent_at.0];
        for (number, digits) in numbers.into_iter().zip(FIELDS) {
            let shifts = (0..digits).rev().map(|digit| digit * 4);
            to.extend(shifts.map(|shift| b"0123456789abcdef"[(number >> shift & 15) as usize]));
        }
        to.extend_from_slice(&FILL[to.len()..]);
    }

    /// Reads a whole one.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let (mut rest, mut numbers) = (body, [0; FIELDS.len()]);
        for (number, digits) in numbers.iter_mut().zip(FIELDS) {
            let (field, after) = rest.split_at_checked(digits)?;
            *number = field.iter().try_fold(0, |sum, digit| Some(sum << 4 | value(*digit)?))?;
            rest = after;
        }
        let whole = body.len() == BODY_BYTES && FILL.starts_with(rest);
        let [run, pair, number, sent_at] = numbers;
        let (run, pair) = (u32::try_from(run).ok()?, u32::try_from(pair).ok()?);
        whole.then_some(Self { run, pair, number, sent_at: Stamp(sent_at) })
    }
}

/// What a digit is worth.
fn value(digit: u8) -> Option<u64> {
    match digit {
        b'0'..=b'9' => Some(u64::from(digit - b'0')),
        b'a'..=b'f' => Some(u64::from(digit - b'a') + 10),
        _ => None,
    }
}

/// What may not happen to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It was cut or changed.
    Damaged,
    /// It came to another recipient than its own.
    Astray {
        /// Whose texts are expected there.
        expected: u32,
        /// Whose it is.
        pair: u32,
    },
    /// It came before an earlier one, which is lost or late.
    Early {
        /// Whose.
        pair: u32,
        /// The number that was due.
        expected: u64,
        /// The number that came.
        number: u64,
    },
    /// It, or a later one, had come before.
    Again {
        /// Whose.
        pair: u32,
        /// The number that was due.
        expected: u64,
        /// The number that came.
        number: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => write!(f, "a text arrived damaged"),
            Self::Astray { expected, pair } => {
                write!(f, "a text of pair {pair} arrived at pair {expected}")
            }
            Self::Early { pair, expected, number } => {
                write!(f, "pair {pair}: text {number} arrived before text {expected}")
            }
            Self::Again { pair, expected, number } => {
                write!(f, "pair {pair}: text {number} arrived again, {expected} was due")
            }
        }
    }
}

/// What one recipient has received: each number once, in order.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    run: u32,
    pair: u32,
    next: u64,
}

impl Arrivals {
    /// Nothing yet.
    #[must_use]
    pub const fn new(run: u32, pair: u32) -> Self {
        Self { run, pair, next: 0 }
    }

    /// Takes a text; when it was sent. `None`: it is of another run.
    ///
    /// # Errors
    /// It is not the one that was due.
    pub fn take(&mut self, body: &[u8]) -> Result<Option<Stamp>, Fault> {
        let Body { run, pair, number, sent_at } = Body::read(body).ok_or(Fault::Damaged)?;
        let expected = self.next;
        if run != self.run {
            return Ok(None);
        }
        if pair != self.pair {
            return Err(Fault::Astray { expected: self.pair, pair });
        }
        if number > expected {
            return Err(Fault::Early { pair, expected, number });
        }
        if number < expected {
            return Err(Fault::Again { pair, expected, number });
        }
        self.next += 1;
        Ok(Some(sent_at))
    }

    /// How many have arrived.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a recipient of pair 3 says to texts of these numbers.
    fn deliver(numbers: &[u64]) -> Result<u64, Fault> {
        let mut arrivals = Arrivals::new(7, 3);
        for number in numbers {
            arrivals.take(&text(7, 3, *number))?;
        }
        Ok(arrivals.count())
    }

    fn text(run: u32, pair: u32, number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        Body { run, pair, number, sent_at: Stamp(5) }.write(&mut bytes);
        bytes
    }

    #[test]
    fn a_text_survives_its_bytes_and_has_200_of_them() {
        let body =
            Body { run: u32::MAX, pair: 9, number: u64::MAX, sent_at: Stamp(0x1234_5678_9abc) };
        let mut bytes = vec![1, 2, 3];
        body.write(&mut bytes);
        assert_eq!(bytes.len(), BODY_BYTES);
        assert!(std::str::from_utf8(&bytes).is_ok());
        assert_eq!(Body::read(&bytes), Some(body));
    }

    #[test]
    fn texts_in_their_order_are_fine() {
        assert_eq!(deliver(&[0, 1, 2, 3]), Ok(4));
    }

    #[test]
    fn a_lost_a_doubled_and_an_overtaken_text_are_seen() {
        assert_eq!(deliver(&[0, 2]), Err(Fault::Early { pair: 3, expected: 1, number: 2 }));
        assert_eq!(deliver(&[0, 1, 1]), Err(Fault::Again { pair: 3, expected: 2, number: 1 }));
        assert_eq!(deliver(&[1, 0]), Err(Fault::Early { pair: 3, expected: 0, number: 1 }));
        assert_eq!(deliver(&[0, 1, 2, 0]), Err(Fault::Again { pair: 3, expected: 3, number: 0 }));
    }

    #[test]
    fn a_changed_a_cut_and_a_strayed_text_are_seen() {
        let mut arrivals = Arrivals::new(7, 3);
        let whole = text(7, 3, 0);
        let mut changed = whole.clone();
        changed[BODY_BYTES - 1] ^= 1;
        assert_eq!(arrivals.take(&changed), Err(Fault::Damaged));
        assert_eq!(arrivals.take(&whole[..BODY_BYTES - 1]), Err(Fault::Damaged));
        assert_eq!(arrivals.take(&text(7, 4, 0)), Err(Fault::Astray { expected: 3, pair: 4 }));
        assert_eq!(arrivals.take(&whole), Ok(Some(Stamp(5))));
    }

    #[test]
    fn texts_of_another_run_do_not_count() {
        let mut arrivals = Arrivals::new(7, 3);
        assert_eq!(arrivals.take(&text(6, 3, 9)), Ok(None));
        assert_eq!(arrivals.count(), 0);
    }
}
