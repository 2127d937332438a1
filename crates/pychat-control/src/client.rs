//! A blocking client of the daemon: one connection, requests in turn, events in between.

#[cfg(windows)]
#[path = "client/pipe.rs"]
mod connection;
#[cfg(unix)]
#[path = "client/socket.rs"]
mod connection;

use crate::{
    Address, CutOff, Event, Failure, FromDaemon, Hello, HelloParams, Id, InvalidLine, LineBuffer,
    LineTooLong, PROTOCOL_VERSION, Request, Untrusted, call_line, check_private_dir,
    parse_from_daemon,
};
use connection::Connection;
use serde::de::DeserializeOwned;
use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    lines: LineBuffer,
    last_id: u64,
    /// Events that came before the answer that was waited for.
    early: VecDeque<Pushed>,
}

/// A question that was put and whose answer has not been waited for yet.
#[derive(Debug)]
pub struct Asked(Id);

/// What comes without being asked for.
type Pushed = Result<Box<Event>, CutOff>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens: the daemon can be started.
    #[error("no daemon is running")]
    NotRunning,
    /// The socket's directory is not ours, so whoever listens there may not be either.
    #[error("the daemon's socket is not trusted: {0}")]
    Untrusted(#[from] Untrusted),
    /// Somebody else listens.
    #[error("the daemon's socket is held by another user ({0})")]
    ForeignPeer(String),
    /// Anything else.
    #[error("the daemon's socket at {address} cannot be used: {source}")]
    Io {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The daemon says no.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// No answer in time; the daemon may yet do what was asked.
    #[error("the daemon did not answer in time")]
    TimedOut,
    /// The daemon ended, or cut the connection.
    #[error("the daemon closed the connection")]
    Closed,
    /// It speaks something else.
    #[error(transparent)]
    Invalid(#[from] InvalidLine),
    /// It never ends its line.
    #[error(transparent)]
    TooLong(#[from] LineTooLong),
    /// The socket failed.
    #[error("the connection to the daemon failed: {0}")]
    Io(#[source] io::Error),
}

impl Client {
    /// Connects to whoever listens at `address`, once it is sure that this is our own user.
    ///
    /// # Errors
    /// Nobody listens, or somebody who is not trusted.
    pub fn connect(address: &Address) -> Result<Self, ConnectError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ConnectionRefused => ConnectError::NotRunning,
            _ => ConnectError::Io { address: address.to_string(), source },
        };
        if let Some(dir) = address.dir() {
            match check_private_dir(dir) {
                Err(Untrusted::Unreadable { source, .. }) => return Err(failed(source)),
                checked => checked?,
            }
        }
        let connection =
            Connection::open(address, CONNECT_TIMEOUT).map_err(|error| match error {
                NotOpened::Foreign(user) => ConnectError::ForeignPeer(user),
                NotOpened::Io(error) => failed(error),
            })?;
        Ok(Self { connection, lines: LineBuffer::default(), last_id: 0, early: VecDeque::new() })
    }

    /// Introduces us; the first request on a connection.
    ///
    /// # Errors
    /// The versions do not fit, or nobody answers.
    pub fn hello(
        &mut self,
        client: &str,
        version: &str,
        timeout: Duration,
    ) -> Result<Hello, CallError> {
        self.call(&hello(client, version), timeout)
    }

    /// Introduces us and asks in one write, which is all of the conversation's way there; returns once
    /// the greeting is answered. [`Self::answer`] has the rest.
    ///
    /// # Errors
    /// The versions do not fit, and nothing was done; or nobody answers, and the daemon may yet do what
    /// was asked.
    pub fn hello_and_ask(
        &mut self,
        client: &str,
        version: &str,
        request: &Request,
        timeout: Duration,
    ) -> Result<Asked, CallError> {
        let deadline = Instant::now() + timeout;
        let greeting = Asked(self.next_id());
        let asked = Asked(self.next_id());
        let mut lines = call_line(&greeting.0, &hello(client, version));
        lines.push_str(&call_line(&asked.0, request));
        self.write(lines.as_bytes(), timeout)?;
        let _daemon: Hello = self.answer_before(&greeting, deadline)?;
        Ok(asked)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The daemon says no, or nobody answers within `timeout`.
    pub fn call<T: DeserializeOwned>(
        &mut self,
        request: &Request,
        timeout: Duration,
    ) -> Result<T, CallError> {
        let deadline = Instant::now() + timeout;
        let asked = Asked(self.next_id());
        self.write(call_line(&asked.0, request).as_bytes(), timeout)?;
        self.answer_before(&asked, deadline)
    }

    /// Waits for the answer to what was asked.
    ///
    /// # Errors
    /// The daemon says no, or nobody answers within `timeout`.
    pub fn answer<T: DeserializeOwned>(
        &mut self,
        asked: &Asked,
        timeout: Duration,
    ) -> Result<T, CallError> {
        self.answer_before(asked, Instant::now() + timeout)
    }

    fn next_id(&mut self) -> Id {
        self.last_id += 1;
        Id::from(self.last_id)
    }

    fn answer_before<T: DeserializeOwned>(
        &mut self,
        asked: &Asked,
        deadline: Instant,
    ) -> Result<T, CallError> {
        loop {
            match self.read(Some(deadline))? {
                // A line that could not be read is answered without an id.
                FromDaemon::Answer { id, outcome } if id == asked.0 || id == Id::Null => {
                    let result = serde_json::from_value(outcome?).map_err(InvalidLine::from)?;
                    return Ok(result);
                }
                // The answer to a request that we gave up waiting for.
                FromDaemon::Answer { .. } | FromDaemon::Unknown(_) => {}
                FromDaemon::Event(event) => self.early.push_back(Ok(event)),
                FromDaemon::CutOff(cut) => self.early.push_back(Err(cut)),
            }
        }
    }

    /// Waits for the next event, as long as it takes. The inner error ends the subscription.
    ///
    /// # Errors
    /// The connection ended.
    pub fn next_event(&mut self) -> Result<Result<Box<Event>, CutOff>, CallError> {
        self.next_event_before(None)
    }

    /// As [`Self::next_event`], until `deadline`.
    ///
    /// # Errors
    /// The connection ended, or nothing happened in time.
    pub fn next_event_before(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Result<Box<Event>, CutOff>, CallError> {
        if let Some(pushed) = self.early.pop_front() {
            return Ok(pushed);
        }
        loop {
            match self.read(deadline)? {
                FromDaemon::Event(event) => return Ok(Ok(event)),
                FromDaemon::CutOff(cut) => return Ok(Err(cut)),
                FromDaemon::Answer { .. } | FromDaemon::Unknown(_) => {}
            }
        }
    }

    /// Waits until the daemon closes the connection, which it does as its last act.
    ///
    /// # Errors
    /// It is still open after `timeout`.
    pub fn wait_closed(&mut self, timeout: Duration) -> Result<(), CallError> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.read(Some(deadline)) {
                Ok(_) => {}
                Err(CallError::Closed | CallError::Io(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self, bytes: &[u8], timeout: Duration) -> Result<(), CallError> {
        self.connection.write_all(bytes, timeout.max(SHORTEST_WAIT)).map_err(lost)
    }

    fn read(&mut self, deadline: Option<Instant>) -> Result<FromDaemon, CallError> {
        let mut chunk = [0; READ_BYTES];
        loop {
            if let Some(line) = self.lines.next_line()? {
                return Ok(parse_from_daemon(line)?);
            }
            let wait = match deadline {
                None => None,
                Some(deadline) => match deadline.saturating_duration_since(Instant::now()) {
                    Duration::ZERO => return Err(CallError::TimedOut),
                    wait => Some(wait.max(SHORTEST_WAIT)),
                },
            };
            match self.connection.read(&mut chunk, wait) {
                Ok(0) => return Err(CallError::Closed),
                Ok(count) => self.lines.push(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }
}

/// Why a connection is none.
enum NotOpened {
    /// Whoever listens is this other user.
    Foreign(String),
    /// It failed.
    Io(io::Error),
}

impl From<io::Error> for NotOpened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn hello(client: &str, version: &str) -> Request {
    Request::Hello(HelloParams {
        client: client.into(),
        version: version.into(),
        protocol_min: PROTOCOL_VERSION,
        protocol_max: PROTOCOL_VERSION,
    })
}

fn lost(error: io::Error) -> CallError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => CallError::TimedOut,
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof => CallError::Closed,
        _ => CallError::Io(error),
    }
}

/// How long the daemon may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A time limit of nothing would mean none at all.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Read at a time.
const READ_BYTES: usize = 8 * 1024;

#[cfg(all(test, unix))]
mod tests;
