//! Packets that need no key at all.

use crate::{Attack, Gun, Target};
use pychat_proto::{ConnectionId, hostile};
use pychat_testkit::dice::Dice;
use std::net::Ipv4Addr;

/// Forged packets that were made in advance.
const POOL: usize = 1_024;

/// Sent between two looks at the clock.
const BURST: usize = 32;

/// Everything that a stranger can send besides INITs of this version.
pub struct Forged {
    gun: Gun,
    pool: Vec<Vec<u8>>,
    next: usize,
}

impl Forged {
    /// Makes the packets.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let pool = (0..POOL).map(|number| packet(number, target, &mut dice)).collect();
        Self { gun: Gun::new(target.address, seed), pool, next: 0 }
    }
}

/// Each kind in turn.
pub(super) fn packet(number: usize, target: &Target, dice: &mut Dice) -> Vec<u8> {
    let client = ConnectionId(dice.below(u64::MAX));
    // Of the first shard, so that it gets to a table of sessions.
    let server = ConnectionId(dice.below(1 << 56));
    let random = dice.seed();
    let with = |head: &[u8], bytes: usize| {
        let mut packet = head.to_vec();
        packet.extend(random.iter().cycle().take(bytes - head.len()));
        packet
    };
    match number % 10 {
        // RESET, RETRY, RESP, VERSION: a server takes none of them.
        0 => with(&[0x05], 25),
        1 => with(&[0x02, 1], 50),
        2 => with(&[0x03, 1, 1], 1_200),
        3 => with(&[0x06, 0], 11),
        // DATA of no session: too short for a RESET, just long enough, long.
        4 => hostile::forged_packet(server, 1, &random[..9]),
        5 => hostile::forged_packet(server, 1, &random[..10]),
        6 => hostile::forged_packet(server, 1, &with(&[], 1_100)),
        // FIN of no handshake.
        7 => hostile::fin(server, &random),
        // INIT of an unknown version: asks for a VERSION.
        8 => hostile::foreign_init(77, client),
        // INIT of a first contact: asks for a RETRY.
        _ => hostile::hollow_init(None, client, &random[..target.key.0.len()]),
    }
}

impl Attack for Forged {
    fn strike(&mut self) -> u64 {
        let mut sent = 0;
        for _ in 0..BURST {
            let source = self.gun.any_source();
            sent += u64::from(self.gun.fire(source, &self.pool[self.next]));
            self.next = (self.next + 1) % POOL;
        }
        sent
    }

    fn outcome(&mut self) -> Result<String, String> {
        Ok(String::new())
    }
}

/// Mostly nothing, and the first byte of packets that end there.
const KINDS: [&[u8]; 8] = [b"", b"", b"", b"\x01", b"", b"\x40", b"", b"\xff"];

/// Datagrams of no byte, which some programs take for the end of something.
pub struct Empty {
    gun: Gun,
    number: u64,
}

impl Empty {
    /// Nothing has to be made.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        Self { gun: Gun::new(target.address, seed), number: 0 }
    }
}

impl Attack for Empty {
    fn strike(&mut self) -> u64 {
        let mut sent = 0;
        for _ in 0..BURST {
            self.number += 1;
            let datagram = KINDS[self.number as usize % KINDS.len()];
            sent += u64::from(self.gun.fire(Ipv4Addr::new(127, 66, 6, 6), datagram));
        }
        sent
    }

    fn outcome(&mut self) -> Result<String, String> {
        Ok(String::new())
    }
}
