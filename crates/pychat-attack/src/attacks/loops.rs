//! Packets that provoke answers, in the server's own name: does it talk to itself?
//!
//! Only root may write a datagram's source by hand.

use super::forged;
use crate::{Attack, Gauge, Target};
use pychat_testkit::dice::Dice;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// Forged packets that were made in advance.
const POOL: usize = 1_024;

/// Sent between two looks at the clock.
const BURST: usize = 16;

/// A server that still talks to itself is busy in this time.
const LISTEN_FOR: Duration = Duration::from_millis(500);

/// `IPPROTO_RAW`: the header is ours.
const RAW: i32 = 255;

/// The server as its own enemy.
pub struct Loops {
    socket: Option<Socket>,
    target: Target,
    pool: Vec<Vec<u8>>,
    next: usize,
}

impl Loops {
    /// Makes the packets.
    #[must_use]
    pub fn new(target: &Target, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let wrap = |number| {
            ip_packet(target.address, target.address, &forged::packet(number, target, &mut dice))
        };
        let pool = (0..POOL).map(wrap).collect();
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW))).ok();
        Self { socket, target: *target, pool, next: 0 }
    }

    /// Whether we may write sources by hand.
    #[must_use]
    pub const fn is_possible(&self) -> bool {
        self.socket.is_some()
    }
}

impl Attack for Loops {
    fn strike(&mut self) -> u64 {
        let Some(socket) = &self.socket else {
            thread::sleep(Duration::from_millis(1));
            return 0;
        };
        let to = SockAddr::from(self.target.address);
        let mut sent = 0;
        for _ in 0..BURST {
            sent += u64::from(socket.send_to(&self.pool[self.next], &to).is_ok());
            self.next = (self.next + 1) % POOL;
        }
        sent
    }

    fn outcome(&mut self) -> Result<String, String> {
        if !self.is_possible() {
            return Ok("skipped: only root may forge the server's address".into());
        }
        // What is under way has its time first.
        thread::sleep(LISTEN_FOR);
        let gauge = Gauge::of(self.target.pid);
        let (start, before) = (Instant::now(), gauge.read());
        thread::sleep(LISTEN_FOR);
        let share = (gauge.read().cpu - before.cpu).as_secs_f64() / start.elapsed().as_secs_f64();
        let percent = (share * 100.0) as u64;
        if share > 0.9 {
            return Err(format!("the server is still busy at {percent} % after the last packet"));
        }
        Ok(format!("{percent} % busy after the last packet"))
    }
}

fn ip_packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else {
        panic!("the server under attack listens on IPv4");
    };
    let udp_bytes = (8 + payload.len()) as u16;
    // The kernel fills in the identification and the checksum.
    let mut packet = vec![0x45, 0];
    packet.extend((20 + udp_bytes).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(udp_bytes.to_be_bytes());
    // No checksum, which IPv4 allows.
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}
