//! A login that somebody overheard, sent again from elsewhere.

use crate::{Attack, Gun, Insider, Target, insider::login_payload};
use pychat_proto::{
    SecretKey, UserName,
    hostile::{Frames, Heard, Knock},
};
use pychat_testkit::dice::Dice;
use std::time::Duration;

/// Sent between two looks at the clock.
const BURST: usize = 32;

/// A session that lives answers within this time.
const ANSWER: Duration = Duration::from_secs(10);

/// Replays a user's login while that user is logged in.
pub struct Replays {
    gun: Gun,
    init: Vec<u8>,
    victim: Insider,
}

impl Replays {
    /// Logs the victim in; the overheard login is another of theirs.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        let victim = Insider::log_in("overheard", target, seed);
        // The victim's key: an overheard login is one that its owner made.
        let mut dice = Dice::new(seed);
        let identity = SecretKey::from_bytes(dice.seed());
        let name = UserName::parse("overheard").expect("a plain name");
        let payload = login_payload(&name, &mut dice);
        let knock = Knock::new(&identity, target.key, &payload, [7; 32]);
        Self { gun: Gun::new(target.address, seed), init: knock.init(None), victim }
    }
}

impl Attack for Replays {
    fn strike(&mut self) -> u64 {
        let mut sent = 0;
        for _ in 0..BURST {
            let source = self.gun.any_source();
            sent += u64::from(self.gun.fire(source, &self.init));
        }
        sent
    }

    fn outcome(&mut self) -> Result<String, String> {
        let ping = self.victim.peer.next_number();
        self.victim.send(&Frames::default().ping());
        let answered = self.victim.wait_for(ANSWER, |heard| match heard {
            Heard::Ack(largest) if *largest >= ping => Some(Ok(())),
            Heard::Close(code) => Some(Err(*code)),
            _ => None,
        });
        match answered {
            Ok(Ok(())) => Ok("the victim's session lives on".into()),
            Ok(Err(code)) => Err(format!("the victim's session was closed: {code}")),
            Err(heard) => Err(format!("the victim's session is dead: {heard:?}")),
        }
    }
}
