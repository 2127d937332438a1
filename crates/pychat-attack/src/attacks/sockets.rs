//! A program of the same user that misuses the daemon's control socket.

use crate::{
    Attack,
    control::{Daemon, HELLO, STATUS},
};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

/// Connections that a slow client holds open: more than the daemon serves.
const CONNECTIONS: usize = 80;

/// A slow client's pause between two bytes on all its connections.
const DRIP_EVERY: Duration = Duration::from_millis(20);

/// Questions of somebody who reads no answer.
pub const QUESTIONS: u64 = 100_000;

/// Whether a slow client has said hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It never does.
    Strange,
    /// It did, and then begins a request that never ends.
    Greeted,
}

/// Holds connections open, a byte at a time.
pub struct SlowLoris<'a> {
    daemon: &'a Daemon,
    manners: Manners,
    connections: Vec<UnixStream>,
    /// Connections that the daemon ended.
    pub ended: u64,
}

impl<'a> SlowLoris<'a> {
    /// Not connected yet.
    #[must_use]
    pub const fn new(daemon: &'a Daemon, manners: Manners) -> Self {
        Self { daemon, manners, connections: Vec::new(), ended: 0 }
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let mut stream = self.daemon.connect()?;
        stream.set_nonblocking(true)?;
        if self.manners == Manners::Greeted {
            stream.write_all(HELLO.as_bytes())?;
        }
        stream.write_all(b"{")?;
        Ok(stream)
    }
}

impl Attack for SlowLoris<'_> {
    fn strike(&mut self) -> u64 {
        let before = self.connections.len();
        self.connections.retain_mut(is_open);
        self.ended += (before - self.connections.len()) as u64;
        while self.connections.len() < CONNECTIONS
            && let Ok(stream) = self.connect()
        {
            self.connections.push(stream);
        }
        let dripped = self.connections.iter_mut().filter_map(|stream| stream.write(b" ").ok());
        let dripped = dripped.sum::<usize>() as u64;
        thread::sleep(DRIP_EVERY);
        dripped.max(1)
    }

    fn outcome(&mut self) -> Result<String, String> {
        self.connections.clear();
        Ok(format!("{} connections were ended by the daemon", self.ended))
    }
}

fn is_open(stream: &mut UnixStream) -> bool {
    let mut room = [0; 4096];
    loop {
        match stream.read(&mut room) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// Asks 100,000 questions on one connection and reads no answer.
pub struct Questions<'a> {
    daemon: &'a Daemon,
    stream: Option<UnixStream>,
    /// What of a question is still to be written.
    rest: &'static [u8],
    asked: u64,
    cut: u64,
}

impl<'a> Questions<'a> {
    /// Not connected yet.
    #[must_use]
    pub const fn new(daemon: &'a Daemon) -> Self {
        Self { daemon, stream: None, rest: b"", asked: 0, cut: 0 }
    }
}

impl Attack for Questions<'_> {
    fn strike(&mut self) -> u64 {
        if self.stream.is_none() {
            let connected = self.daemon.connect().and_then(|mut stream| {
                stream.set_nonblocking(true)?;
                stream.write_all(HELLO.as_bytes())?;
                Ok(stream)
            });
            self.stream = connected.ok();
            self.rest = b"";
        }
        let Some(stream) = &mut self.stream else { return 0 };
        if self.rest.is_empty() {
            self.rest = STATUS.as_bytes();
        }
        match stream.write(self.rest) {
            Ok(written) => {
                self.rest = &self.rest[written..];
                let whole = u64::from(self.rest.is_empty());
                self.asked += whole;
                whole
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
                0
            }
            Err(_) => {
                self.cut += 1;
                self.stream = None;
                0
            }
        }
    }

    fn outcome(&mut self) -> Result<String, String> {
        self.stream = None;
        Ok(format!("{} questions were taken, {} connections cut", self.asked, self.cut))
    }
}
