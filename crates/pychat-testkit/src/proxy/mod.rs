//! A UDP proxy with a bad network inside, for the real programs on real sockets.
//!
//! It listens on a loopback address of its own and forwards to one server, with one socket per
//! client, as a NAT does. Faults, rebinds and questions take effect before the call returns.

mod capture;
mod relay;

pub use capture::{CAPTURE_BYTES_MAX, Capture, Captured};

use crate::faults::{Counts, Faults};
use relay::{Command, Relay};
use std::{
    io,
    net::SocketAddr,
    sync::mpsc as std_mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::mpsc;

/// Commands that wait for the proxy's thread. Each caller waits for its answer, so this many
/// threads at once may have one under way.
const COMMANDS_MAX: usize = 64;

/// The proxy's thread answers within this time or is dead.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a client to the server.
    ToServer,
    /// From the server to a client.
    ToClient,
}

/// What happened in a proxy so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// From clients to the server.
    pub to_server: Counts,
    /// From the server to clients.
    pub to_client: Counts,
    /// Client addresses seen since the start or the last rebind.
    pub clients: u64,
}

/// A running proxy. It stops when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Taken when dropped, which ends the thread.
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy without faults in front of `server`, on a free port of the same family's
    /// loopback address. All its chance comes from `seed`.
    ///
    /// # Errors
    /// No socket, no thread or no runtime is to be had.
    pub fn start(server: SocketAddr, seed: u64) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let front = std::net::UdpSocket::bind(relay::loopback_like(server))?;
        front.set_nonblocking(true)?;
        let address = front.local_addr()?;
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let relay = {
            let _entered = runtime.enter();
            Relay::new(tokio::net::UdpSocket::from_std(front)?, server, seed)
        };
        let thread = thread::Builder::new()
            .name("proxy".into())
            .spawn(move || runtime.block_on(relay.run(inbox)))?;
        Ok(Self { address, commands: Some(commands), thread: Some(thread) })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams in this direction have these faults from now on.
    pub fn set_faults(&self, direction: Direction, faults: Faults) {
        self.ask(|done| Command::SetFaults(direction, faults, done));
    }

    /// Datagrams in both directions have these faults from now on.
    pub fn set_all_faults(&self, faults: Faults) {
        self.set_faults(Direction::ToServer, faults);
        self.set_faults(Direction::ToClient, faults);
    }

    /// The server sees new client addresses from now on; what it sends to the old ones is lost.
    pub fn rebind(&self) {
        self.ask(Command::Rebind);
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> ProxyCounts {
        self.ask(Command::Count)
    }

    /// What came by so far, as it was before any fault.
    #[must_use]
    pub fn capture(&self) -> Capture {
        self.ask(Command::Capture)
    }

    /// Puts a question to the thread and waits for the answer.
    fn ask<T>(&self, question: impl FnOnce(std_mpsc::SyncSender<T>) -> Command) -> T {
        let (answer, answered) = std_mpsc::sync_channel(1);
        let commands = self.commands.as_ref().expect("only a drop takes the channel away");
        assert!(commands.try_send(question(answer)).is_ok(), "the proxy's thread died");
        answered.recv_timeout(ANSWER_DEADLINE).expect("the proxy's thread answers or died")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was shown already; a second one while dropping would abort.
            let _shown = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
