//! No attack at all: what an attacker takes by running on the same machine.

use crate::Attack;
use std::{
    hint,
    time::{Duration, Instant},
};

/// Keeps a processor busy.
pub struct Spin;

/// Between two looks at the clock of the driver.
const ROUND: Duration = Duration::from_micros(100);

impl Attack for Spin {
    fn strike(&mut self) -> u64 {
        let end = Instant::now() + ROUND;
        while Instant::now() < end {
            hint::spin_loop();
        }
        1
    }

    fn outcome(&mut self) -> Result<String, String> {
        Ok(String::new())
    }
}
