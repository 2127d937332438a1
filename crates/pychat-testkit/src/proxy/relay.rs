//! The proxy's thread: sockets, the datagrams under way, and the commands from the test.

use super::{Capture, Direction, ProxyCounts};
use crate::{
    dice::Dice,
    faults::{Counts, Faults, Wire},
};
use pychat_proto::Instant;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, mpsc::SyncSender},
};
use tokio::{net::UdpSocket, sync::mpsc, task::JoinHandle};

/// Most clients at once; the datagrams of others are dropped.
const CLIENTS_MAX: usize = 4_096;

/// Most datagrams under way at once; others are dropped, as a router does.
const UNDER_WAY_MAX: usize = 65_536;

/// Datagrams from the server that wait for the proxy. Beyond it they wait with the kernel.
const REPLIES_MAX: usize = 1_024;

/// Room for the longest UDP payload.
const DATAGRAM_ROOM_BYTES: usize = 65_536;

/// What a test asks; the sender is answered when it is done.
pub(super) enum Command {
    SetFaults(Direction, Faults, SyncSender<()>),
    Rebind(SyncSender<()>),
    Count(SyncSender<ProxyCounts>),
    Capture(SyncSender<Capture>),
}

pub(super) struct Relay {
    front: UdpSocket,
    server: SocketAddr,
    dice: Dice,
    to_server: Wire,
    to_client: Wire,
    arrived: [Counts; 2],
    clients: BTreeMap<SocketAddr, Upstream>,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    started: u64,
    capture: Capture,
}

/// The socket that stands for one client before the server.
struct Upstream {
    socket: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Ordered by arrival, then by the order of sending.
struct UnderWay {
    at: Instant,
    number: u64,
    client: SocketAddr,
    direction: Direction,
    bytes: Vec<u8>,
}

/// A datagram from the server for a client.
struct Answer {
    client: SocketAddr,
    bytes: Vec<u8>,
}

impl Relay {
    pub(super) fn new(front: UdpSocket, server: SocketAddr, seed: u64) -> Self {
        Self {
            front,
            server,
            dice: Dice::new(seed),
            to_server: Wire::new(Faults::NONE),
            to_client: Wire::new(Faults::NONE),
            arrived: [Counts::default(); 2],
            clients: BTreeMap::new(),
            under_way: BinaryHeap::new(),
            started: 0,
            capture: Capture::default(),
        }
    }

    /// Runs until the other end of `commands` is dropped.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let (answers, mut answered) = mpsc::channel(REPLIES_MAX);
        let mut room = vec![0; DATAGRAM_ROOM_BYTES];
        loop {
            self.deliver_due().await;
            let due = self.under_way.peek().map(|Reverse(next)| next.at);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                received = self.front.recv_from(&mut room) => {
                    // An error tells of a client that is gone; the socket lives on.
                    if let Ok((length, client)) = received {
                        self.take_from_client(client, &room[..length], &answers);
                    }
                }
                Some(Answer { client, bytes }) = answered.recv() => {
                    self.start(client, Direction::ToClient, bytes);
                }
                () = until(due) => {}
            }
        }
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may have given up waiting; then nobody needs the answer.
        let _nobody_waits = match command {
            Command::SetFaults(direction, faults, done) => {
                self.wire(direction).set_faults(faults);
                done.try_send(()).is_ok()
            }
            Command::Rebind(done) => {
                self.clients.clear();
                done.try_send(()).is_ok()
            }
            Command::Count(answer) => answer.try_send(self.counts()).is_ok(),
            Command::Capture(answer) => answer.try_send(self.capture.clone()).is_ok(),
        };
    }

    fn counts(&self) -> ProxyCounts {
        let [mut to_server, mut to_client] = self.arrived;
        to_server += self.to_server.counts();
        to_client += self.to_client.counts();
        ProxyCounts { to_server, to_client, clients: self.clients.len() as u64 }
    }

    fn wire(&mut self, direction: Direction) -> &mut Wire {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    fn take_from_client(
        &mut self,
        client: SocketAddr,
        bytes: &[u8],
        answers: &mpsc::Sender<Answer>,
    ) {
        if !self.clients.contains_key(&client) {
            if self.clients.len() >= CLIENTS_MAX {
                return;
            }
            let Ok(upstream) = Upstream::open(client, self.server, answers.clone()) else {
                return;
            };
            self.clients.insert(client, upstream);
        }
        self.start(client, Direction::ToServer, bytes.to_vec());
    }

    fn start(&mut self, client: SocketAddr, direction: Direction, bytes: Vec<u8>) {
        self.capture.keep(direction, &bytes);
        let wire = match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        for arrival in wire.carry(&mut self.dice, pychat_udp::now(), bytes) {
            if self.under_way.len() >= UNDER_WAY_MAX {
                return;
            }
            self.started += 1;
            let (at, number, bytes) = (arrival.at, self.started, arrival.bytes);
            self.under_way.push(Reverse(UnderWay { at, number, client, direction, bytes }));
        }
    }

    async fn deliver_due(&mut self) {
        while let Some(Reverse(next)) = self.under_way.peek() {
            if next.at > pychat_udp::now() {
                return;
            }
            let Some(Reverse(next)) = self.under_way.pop() else { return };
            let sent = match next.direction {
                Direction::ToServer => match self.clients.get(&next.client) {
                    Some(upstream) => upstream.socket.send_to(&next.bytes, self.server).await,
                    // A rebind came between; the client's next datagram opens a new socket.
                    None => Err(io::ErrorKind::NotConnected.into()),
                },
                Direction::ToClient => self.front.send_to(&next.bytes, next.client).await,
            };
            let counts = &mut self.arrived[next.direction as usize];
            match sent {
                Ok(_) => counts.delivered += 1,
                Err(_) => counts.unroutable += 1,
            }
        }
    }
}

impl Upstream {
    fn open(
        client: SocketAddr,
        server: SocketAddr,
        answers: mpsc::Sender<Answer>,
    ) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(loopback_like(server))?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let from = Arc::clone(&socket);
        let reader = tokio::spawn(async move {
            let mut room = vec![0; DATAGRAM_ROOM_BYTES];
            loop {
                let Ok((length, _)) = from.recv_from(&mut room).await else { continue };
                let answer = Answer { client, bytes: room[..length].to_vec() };
                if answers.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { socket, reader })
    }
}

/// A free port on the loopback address of the same family.
pub(super) fn loopback_like(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep(due.since(pychat_udp::now())).await,
        None => std::future::pending().await,
    }
}

impl UnderWay {
    const fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }
}

impl PartialEq for UnderWay {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for UnderWay {}

impl PartialOrd for UnderWay {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UnderWay {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
