//! A conversation with the daemon: found, started if need be, greeted.

use crate::{settings::Settings, start};
use pychat_control::{
    CallError, Client, ConnectError, CutOff, ErrorCode, Event, Failure, Hello, Request,
};
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// A greeted connection.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    timeout: Duration,
    /// Who answered.
    pub(crate) hello: Hello,
}

impl Session {
    /// Reaches the daemon, and starts it if it does not run and that is wanted.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        if let Some(session) = Self::open_running(settings)? {
            return Ok(session);
        }
        if !settings.autostart {
            return Err(not_running(settings));
        }
        if settings.verbose {
            eprintln!("starting the daemon of profile {}", settings.profile());
        }
        let started = start::start(settings);
        let deadline = Instant::now() + start::START_TIMEOUT;
        loop {
            match (Self::open_running(settings)?, &started) {
                (Some(session), _) => return Ok(session),
                (None, Err(failure)) => return Err(failure.clone()),
                (None, Ok(())) if Instant::now() > deadline => return Err(not_running(settings)),
                (None, Ok(())) => std::thread::sleep(RETRY),
            }
        }
    }

    /// Reaches the daemon if it runs. One that is ending counts as not running once it is gone.
    pub(crate) fn open_running(settings: &Settings) -> Result<Option<Self>, Failure> {
        let deadline = Instant::now() + ENDING_MAX;
        loop {
            let Some(mut client) = connect(settings)? else { return Ok(None) };
            match client.hello("pychatctl", env!("CARGO_PKG_VERSION"), HELLO_TIMEOUT) {
                Ok(hello) => {
                    return Ok(Some(Self { client, timeout: settings.timeout, hello }));
                }
                Err(CallError::Closed) if Instant::now() < deadline => std::thread::sleep(RETRY),
                Err(error) => return Err(failure_of(error)),
            }
        }
    }

    /// Asks, and waits a little longer than the daemon was told to.
    pub(crate) fn call<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, Failure> {
        self.try_call(request).map_err(failure_of)
    }

    /// As [`Self::call`], for callers that go on after some errors.
    pub(crate) fn try_call<T: DeserializeOwned>(
        &mut self,
        request: &Request,
    ) -> Result<T, CallError> {
        self.client.call(request, self.timeout + SLACK)
    }

    /// Waits for what happens next, as long as it takes or until `deadline`.
    pub(crate) fn next_event_before(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Result<Box<Event>, CutOff>, CallError> {
        self.client.next_event_before(deadline)
    }
}

/// Reaches whoever listens, without a greeting: every version understands `shutdown`.
pub(crate) fn connect(settings: &Settings) -> Result<Option<Client>, Failure> {
    match Client::connect(&settings.place.address()) {
        Ok(client) => Ok(Some(client)),
        Err(ConnectError::NotRunning) => Ok(None),
        Err(error @ (ConnectError::Untrusted(_) | ConnectError::ForeignPeer(_))) => Err(Failure {
            code: ErrorCode::DaemonUnreachable,
            message: error.to_string(),
            hint: Some(format!("see to the directory: {}", settings.place.state_dir().display())),
            sent: None,
        }),
        Err(error @ ConnectError::Io { .. }) => Err(Failure {
            code: ErrorCode::DaemonUnreachable,
            message: error.to_string(),
            hint: None,
            sent: None,
        }),
    }
}

/// A lost answer as a failure of the command.
pub(crate) fn failure_of(error: CallError) -> Failure {
    let failure = |code, message: String, hint: &str| {
        let hint = Some(hint.to_owned());
        Failure { code, message, hint, sent: None }
    };
    match error {
        CallError::Failed(failure) => failure,
        CallError::TimedOut => failure(
            ErrorCode::TimedOut,
            error.to_string(),
            "wait longer with --timeout, or see its log: pychatctl daemon logs",
        ),
        CallError::Closed | CallError::Io(_) => {
            failure(ErrorCode::DaemonUnreachable, error.to_string(), "try again")
        }
        CallError::Invalid(_) | CallError::TooLong(_) => failure(
            ErrorCode::VersionMismatch,
            error.to_string(),
            "restart the daemon: pychatctl daemon restart",
        ),
    }
}

fn not_running(settings: &Settings) -> Failure {
    Failure {
        code: ErrorCode::DaemonUnreachable,
        message: format!("the daemon of profile {} does not run", settings.profile()),
        hint: Some("start it: pychatctl daemon start".into()),
        sent: None,
    }
}

/// How long a daemon may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a daemon may take to end.
const ENDING_MAX: Duration = Duration::from_secs(5);

/// Between two tries.
const RETRY: Duration = Duration::from_millis(10);

/// The daemon keeps to the time limit by itself; this is for its answer to arrive.
const SLACK: Duration = Duration::from_secs(5);
