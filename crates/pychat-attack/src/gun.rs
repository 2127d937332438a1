//! Sends datagrams to one place from any loopback address.
//!
//! The whole of 127.0.0.0/8 is this machine, so that the kernel lets each datagram name its own source
//! there. Answers come back to the same socket.

use pychat_testkit::dice::Dice;
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
};

/// Shoots at one address.
#[derive(Debug)]
pub struct Gun {
    socket: UdpSocket,
    state: UdpSocketState,
    target: SocketAddr,
    dice: Dice,
}

impl Gun {
    /// A gun at a port of its own.
    ///
    /// # Panics
    /// No socket can be made.
    #[must_use]
    pub fn new(target: SocketAddr, seed: u64) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port is free");
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).expect("a socket has options");
        socket.set_nonblocking(true).expect("a socket need not block");
        Self { socket, state, target, dice: Dice::new(seed) }
    }

    /// Any loopback address but the usual one.
    pub fn any_source(&mut self) -> Ipv4Addr {
        let number = self.dice.below(253 << 16) as u32;
        Ipv4Addr::new(127, 1 + (number >> 16) as u8, (number >> 8) as u8, number as u8)
    }

    /// The port that all shots come from.
    ///
    /// # Panics
    /// The socket is gone.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("the socket is bound").port()
    }

    /// Sends one datagram; whether the kernel took it.
    pub fn fire(&self, source: Ipv4Addr, datagram: &[u8]) -> bool {
        self.send(source, datagram, None)
    }

    /// Sends datagrams of one size with one call; how many the kernel took.
    pub fn fire_train(&self, source: Ipv4Addr, datagrams: &[u8], bytes_each: usize) -> u64 {
        let most = self.state.max_gso_segments().min(65_000 / bytes_each).max(1) * bytes_each;
        let took = |train: &&[u8]| {
            self.send(source, train, (bytes_each < train.len()).then_some(bytes_each))
        };
        datagrams.chunks(most).filter(took).map(|train| (train.len() / bytes_each) as u64).sum()
    }

    fn send(&self, source: Ipv4Addr, contents: &[u8], segment_size: Option<usize>) -> bool {
        let transmit = Transmit {
            destination: self.target,
            ecn: None,
            contents,
            segment_size,
            src_ip: Some(source.into()),
        };
        self.state.try_send(UdpSockRef::from(&self.socket), &transmit).is_ok()
    }

    /// The next answer, if there is one.
    pub fn hear(&self, room: &mut [u8]) -> Option<usize> {
        match self.socket.recv(room) {
            Ok(length) => Some(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            // What a network reports of an earlier shot.
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, time::Duration};

    #[test]
    fn each_shot_comes_from_where_it_says() {
        let target = UdpSocket::bind("127.0.0.1:0").unwrap();
        target.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut gun = Gun::new(target.local_addr().unwrap(), 1);
        let sources: BTreeSet<_> = (0..20).map(|_| gun.any_source()).collect();
        assert_eq!(sources.len(), 20);
        for source in sources {
            assert!(gun.fire(source, b"x"));
            let (_, from) = target.recv_from(&mut [0; 10]).unwrap();
            assert_eq!((from.ip(), from.port()), (source.into(), gun.port()));
        }
        assert_eq!(gun.fire_train(Ipv4Addr::new(127, 9, 9, 9), &[7; 5000], 1000), 5);
        for _ in 0..5 {
            assert_eq!(target.recv(&mut [0; 2000]).unwrap(), 1000);
        }
    }
}
