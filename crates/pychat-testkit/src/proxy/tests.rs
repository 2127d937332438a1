use super::*;
use crate::{
    dice::Chance,
    faults::{Carrier, Loss},
};
use std::{collections::BTreeSet, net::UdpSocket};

const DEADLINE: Duration = Duration::from_secs(10);
const SEED: u64 = 42;

/// A client and a server, with a proxy between them.
struct Between {
    client: UdpSocket,
    server: UdpSocket,
    proxy: Proxy,
}

impl Between {
    fn new(ip: &str) -> Option<Self> {
        let socket = || {
            let socket = UdpSocket::bind((ip, 0)).ok()?;
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            Some(socket)
        };
        let (client, server) = (socket()?, socket()?);
        let proxy = Proxy::start(server.local_addr().unwrap(), SEED).unwrap();
        client.connect(proxy.address()).unwrap();
        Some(Self { client, server, proxy })
    }

    fn send(&self, bytes: &[u8]) {
        self.client.send(bytes).unwrap();
    }

    fn serve(&self) -> (SocketAddr, Vec<u8>) {
        let mut room = [0; 2048];
        let (length, from) = self.server.recv_from(&mut room).expect("the server received nothing");
        (from, room[..length].to_vec())
    }

    fn receive(&self) -> Vec<u8> {
        let mut room = [0; 2048];
        let length = self.client.recv(&mut room).expect("the client received nothing");
        room[..length].to_vec()
    }

    /// Waits until the proxy has taken `count` datagrams in this direction.
    fn taken(&self, direction: Direction, count: u64) -> Counts {
        let deadline = std::time::Instant::now() + DEADLINE;
        loop {
            let counts = match direction {
                Direction::ToServer => self.proxy.counts().to_server,
                Direction::ToClient => self.proxy.counts().to_client,
            };
            if counts.sent >= count {
                return counts;
            }
            assert!(std::time::Instant::now() < deadline, "{count} expected: {counts:?}");
            thread::yield_now();
        }
    }
}

#[test]
fn without_faults_datagrams_pass_both_ways() {
    for ip in ["127.0.0.1", "::1"] {
        let Some(between) = Between::new(ip) else {
            assert_eq!(ip, "::1", "every machine has an IPv4 loopback");
            continue;
        };
        for number in 0..100_u8 {
            between.send(&[number]);
            let (from, bytes) = between.serve();
            assert_eq!(bytes, [number]);
            assert_ne!(from, between.client.local_addr().unwrap());
            between.server.send_to(&[number, number], from).unwrap();
            assert_eq!(between.receive(), [number, number]);
        }
        let counts = between.proxy.counts();
        assert_eq!((counts.to_server.delivered, counts.to_client.delivered), (100, 100));
        assert_eq!(counts.clients, 1);
    }
}

#[test]
fn each_client_has_its_own_address_before_the_server() {
    let between = Between::new("127.0.0.1").unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.send_to(b"other", between.proxy.address()).unwrap();
    let (first, _) = between.serve();
    between.send(b"client");
    let (second, _) = between.serve();
    assert_ne!(first, second);
    between.server.send_to(b"for the client", second).unwrap();
    assert_eq!(between.receive(), b"for the client");
}

#[test]
fn a_rebind_shows_the_server_a_new_address_and_loses_replies_to_the_old() {
    let between = Between::new("127.0.0.1").unwrap();
    between.send(b"before");
    let (old, _) = between.serve();
    between.proxy.rebind();
    between.send(b"after");
    let (new, bytes) = between.serve();
    assert_eq!(bytes, b"after");
    assert_ne!(old, new);
    // The old address is nobody's now; an answer to it may even be refused.
    let _lost = between.server.send_to(b"lost", old);
    between.server.send_to(b"arrives", new).unwrap();
    assert_eq!(between.receive(), b"arrives");
}

#[test]
fn faults_change_while_it_runs_and_are_counted() {
    let between = Between::new("127.0.0.1").unwrap();
    println!("seed {SEED}");
    between.proxy.set_faults(Direction::ToServer, Faults::BLACKOUT);
    between.send(b"blocked");
    assert_eq!(between.taken(Direction::ToServer, 1).blocked, 1);

    let lossy =
        Faults { loss: Loss::Random(Chance::percent(50.0)), carrier: Carrier::Up, ..Faults::NONE };
    between.proxy.set_faults(Direction::ToServer, lossy);
    for number in 0..200_u8 {
        between.send(&[number]);
        between.taken(Direction::ToServer, u64::from(number) + 2);
    }
    let counts = between.proxy.counts().to_server;
    assert!((60..=140).contains(&counts.lost), "{counts:?}");
    let arrived: BTreeSet<Vec<u8>> = (0..200 - counts.lost).map(|_| between.serve().1).collect();
    assert_eq!(arrived.len() as u64, 200 - counts.lost);

    between.proxy.set_all_faults(Faults { duplication: Chance::ALWAYS, ..Faults::NONE });
    between.send(b"twice");
    assert_eq!((between.serve().1, between.serve().1), (b"twice".to_vec(), b"twice".to_vec()));
}

#[test]
fn a_delay_takes_its_time() {
    let between = Between::new("127.0.0.1").unwrap();
    let delay = Duration::from_millis(30);
    between.proxy.set_all_faults(Faults::delayed(delay));
    let start = std::time::Instant::now();
    between.send(b"there");
    let (from, _) = between.serve();
    between.server.send_to(b"and back", from).unwrap();
    between.receive();
    assert!(start.elapsed() >= delay * 2);
}

#[test]
fn everything_that_comes_by_is_captured() {
    let between = Between::new("127.0.0.1").unwrap();
    between.proxy.set_faults(Direction::ToServer, Faults::BLACKOUT);
    between.send(b"a plain secret");
    between.taken(Direction::ToServer, 1);
    let capture = between.proxy.capture();
    assert_eq!(capture.datagrams.len(), 1);
    assert!(capture.finds(b"plain secret"));
    assert!(!capture.finds(b"something else"));
}
