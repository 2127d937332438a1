//! Lies about what was received.

use crate::{Attack, Insider, Target};
use pychat_proto::{
    CloseCode,
    hostile::{Frames, Heard},
};
use std::time::Duration;

/// A lie is answered within this time.
const ANSWER: Duration = Duration::from_secs(10);

/// Packets of the server without a CLOSE after which a lie has gone unseen. At the latest its 640th is
/// left out.
const UNSEEN_AFTER: u64 = 1_400;

/// Sent between two looks at the clock.
const BURST: u64 = 16;

/// What becomes of liars.
#[derive(Debug, Default)]
struct Lies {
    caught: u64,
    unseen: u64,
}

impl Lies {
    fn outcome(&self) -> Result<String, String> {
        let Self { caught, unseen } = self;
        if *unseen > 0 || *caught == 0 {
            return Err(format!("{caught} lies were seen and {unseen} were not"));
        }
        Ok(format!("all {caught} lies were answered with CLOSE(Protocol)"))
    }
}

/// Acknowledges packets that were never sent.
pub struct AckNeverSent {
    insider: Insider,
    lies: Lies,
}

impl AckNeverSent {
    /// Logs in.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        Self { insider: Insider::log_in("liar", target, seed), lies: Lies::default() }
    }
}

impl Attack for AckNeverSent {
    fn strike(&mut self) -> u64 {
        let lie = Frames::default().ping().ack(u64::from(u32::MAX), u128::MAX);
        self.insider.send(&lie);
        let closed = self
            .insider
            .wait_for(ANSWER, |heard| (*heard == Heard::Close(CloseCode::Protocol)).then_some(()));
        match closed {
            Ok(()) => self.lies.caught += 1,
            Err(_) => self.lies.unseen += 1,
        }
        self.insider.log_in_again();
        1
    }

    fn outcome(&mut self) -> Result<String, String> {
        self.lies.outcome()
    }
}

/// Acknowledges everything up to the newest, whether it came or not.
pub struct AckSkipped {
    insider: Insider,
    lies: Lies,
}

impl AckSkipped {
    /// Logs in.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        Self { insider: Insider::log_in("flatterer", target, seed), lies: Lies::default() }
    }
}

impl Attack for AckSkipped {
    fn strike(&mut self) -> u64 {
        for _ in 0..BURST {
            let mut frames = Frames::default().ping();
            let (largest, bitmap) = self.insider.peer.received();
            // Before anything came, it would be the other lie.
            if bitmap != 0 {
                frames = frames.ack(largest, u128::MAX);
            }
            self.insider.send(&frames);
        }
        let closed = |heard: &Heard| *heard == Heard::Close(CloseCode::Protocol);
        if self.insider.hear().iter().any(closed) {
            self.lies.caught += 1;
            self.insider.log_in_again();
        } else if self.insider.peer.received().0 > UNSEEN_AFTER {
            self.lies.unseen += 1;
            self.insider.log_in_again();
        }
        BURST
    }

    fn outcome(&mut self) -> Result<String, String> {
        self.lies.outcome()
    }
}
