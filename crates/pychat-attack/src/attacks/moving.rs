//! A session that is never where it was.

use crate::{Attack, Gun, Insider, Target};
use pychat_proto::hostile::{Frames, Heard};
use std::time::Duration;

/// Sent between two looks at the clock.
const BURST: u64 = 16;

/// Back home the session answers within this time.
const ANSWER: Duration = Duration::from_secs(10);

/// What a probe is long.
const PROBE_BYTES: usize = 32;

/// Sends each packet of one session from another address.
pub struct Moving {
    gun: Gun,
    insider: Insider,
}

impl Moving {
    /// Logs in.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        let insider = Insider::log_in("nomad", target, seed);
        Self { gun: Gun::new(target.address, seed), insider }
    }
}

impl Attack for Moving {
    fn strike(&mut self) -> u64 {
        for _ in 0..BURST {
            let probe = Frames::default().ping().raw(&[0; PROBE_BYTES]);
            let (source, packet) = (self.gun.any_source(), self.insider.peer.packet(&probe));
            self.gun.fire(source, &packet);
        }
        BURST
    }

    fn outcome(&mut self) -> Result<String, String> {
        let answered = {
            let ping = self.insider.peer.next_number();
            self.insider.send(&Frames::default().ping().raw(&[0; 200]));
            self.insider.wait_for(ANSWER, |heard| match heard {
                Heard::Ack(largest) if *largest >= ping => Some(()),
                _ => None,
            })
        };
        match answered {
            Ok(()) => Ok("back home it is answered".into()),
            Err(heard) => Err(format!("back home it is not answered: {heard:?}")),
        }
    }
}
