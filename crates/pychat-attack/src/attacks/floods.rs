//! Logins that nobody means.

use crate::{Attack, Gun, Target};
use pychat_proto::{ConnectionId, hostile};
use pychat_testkit::dice::Dice;
use std::net::Ipv4Addr;

/// INITs that were made in advance; the server cannot tell a repeated one from another address.
const POOL: usize = 1_024;

/// As long as a real login's first message.
const NOISE_BYTES: usize = 150;

/// What an INIT is long.
const INIT_BYTES: usize = 1_200;

/// Sent between two looks at the clock.
const BURST: usize = 32;

/// Where a flood comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Each datagram from another address.
    Random,
    /// All from one.
    One,
}

/// Whether a flood knows the server's public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mac {
    /// It does.
    Valid,
    /// It does not.
    Wrong,
}

/// A flood of INITs without a token.
pub struct InitFlood {
    gun: Gun,
    source: Source,
    /// INITs, one after the other.
    pool: Vec<u8>,
    next: usize,
}

impl InitFlood {
    /// Makes the INITs.
    #[must_use]
    pub fn new(target: &Target, source: Source, mac: Mac, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut pool = Vec::with_capacity(POOL * INIT_BYTES);
        for _ in 0..POOL {
            let noise: Vec<u8> = (0..NOISE_BYTES.div_ceil(32)).flat_map(|_| dice.seed()).collect();
            let client = ConnectionId(dice.below(u64::MAX));
            let mut init = hostile::hollow_init(Some(&target.key), client, &noise[..NOISE_BYTES]);
            if mac == Mac::Wrong {
                init[INIT_BYTES - 1] ^= 1;
            }
            pool.extend(init);
        }
        Self { gun: Gun::new(target.address, seed), source, pool, next: 0 }
    }
}

impl Attack for InitFlood {
    fn strike(&mut self) -> u64 {
        let from = self.next * INIT_BYTES;
        let burst = &self.pool[from..from + BURST * INIT_BYTES];
        self.next = (self.next + BURST) % POOL;
        match self.source {
            Source::One => self.gun.fire_train(Ipv4Addr::new(127, 66, 6, 6), burst, INIT_BYTES),
            Source::Random => {
                let mut sent = 0;
                for init in burst.chunks(INIT_BYTES) {
                    let source = self.gun.any_source();
                    sent += u64::from(self.gun.fire(source, init));
                }
                sent
            }
        }
    }

    fn outcome(&mut self) -> Result<String, String> {
        Ok(String::new())
    }
}
