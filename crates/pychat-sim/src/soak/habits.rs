//! How people come, go and write.

use pychat_testkit::dice::Dice;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// A session lasts from ten minutes to two hours, until it ends or its address changes.
const STAY: [Duration; 2] = [Duration::from_secs(600), HOUR.saturating_mul(2)];
/// An absence: most are short, and one in so many takes hours, in which a mailbox fills.
const AWAY: [Duration; 2] = [MINUTE, HOUR];
const LONG_AWAY: [Duration; 2] = [HOUR.saturating_mul(2), HOUR.saturating_mul(6)];
const LONG_ONE_IN: u64 = 8;
/// Nothing gets through for so long: the server may forget the session, or not (15 minutes).
const TUNNEL: [Duration; 2] = [MINUTE, Duration::from_secs(1_800)];
/// One person in so many comes and goes every few minutes, each time with a wiped device.
const RESTLESS_ONE_IN: usize = 50;
const RESTLESS: [Duration; 2] = [MINUTE, Duration::from_secs(360)];

/// One person's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Whether the device was wiped whenever the person comes back.
    pub(super) wipes: bool,
    /// Between two texts, on average, while the person is here.
    between_texts: Duration,
}

impl Habits {
    pub(super) fn of(number: usize, between_texts: Duration) -> Self {
        Self { wipes: number % RESTLESS_ONE_IN == RESTLESS_ONE_IN - 1, between_texts }
    }

    pub(super) fn stays(&self, dice: &mut Dice) -> Duration {
        draw(if self.wipes { RESTLESS } else { STAY }, dice)
    }

    pub(super) fn stays_away(&self, dice: &mut Dice) -> Duration {
        let is_long = dice.below(LONG_ONE_IN) == 0;
        let range = match (self.wipes, is_long) {
            (true, _) => RESTLESS,
            (false, true) => LONG_AWAY,
            (false, false) => AWAY,
        };
        draw(range, dice)
    }

    pub(super) fn tunnel(dice: &mut Dice) -> Duration {
        draw(TUNNEL, dice)
    }

    pub(super) fn until_next_text(&self, dice: &mut Dice) -> Duration {
        dice.up_to(self.between_texts * 2)
    }
}

fn draw([least, most]: [Duration; 2], dice: &mut Dice) -> Duration {
    least + dice.up_to(most - least)
}
