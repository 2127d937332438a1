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
        let (client, hello) = reach(settings, say_hello)?;
        Ok(Self { client, timeout: settings.timeout, hello })
    }

    /// Reaches the daemon if it runs. One that is ending counts as not running once it is gone.
    pub(crate) fn open_running(settings: &Settings) -> Result<Option<Self>, Failure> {
        let reached = reach_running(settings, &mut say_hello)?;
        let session = |(client, hello)| Self { client, timeout: settings.timeout, hello };
        Ok(reached.map(session))
    }

    /// As [`Self::open`] and [`Self::call`] for who asks a single question: all of it goes there and back
    /// once. A daemon that ends meanwhile may be asked twice: only for questions that may be.
    pub(crate) fn ask<T: DeserializeOwned>(
        settings: &Settings,
        request: &Request,
    ) -> Result<T, Unanswered> {
        let mut may_be_done = false;
        let reached = reach(settings, |client| {
            let greeted = client.hello_and_ask(CLIENT, VERSION, request, HELLO_TIMEOUT);
            may_be_done |= matches!(&greeted, Err(error) if !matches!(error, CallError::Failed(_)));
            greeted
        });
        let (mut client, asked) = match reached {
            Ok(reached) => reached,
            Err(failure) if may_be_done => return Err(Unanswered::Lost(failure)),
            Err(failure) => return Err(Unanswered::Unasked(failure)),
        };
        client.answer(&asked, settings.timeout + SLACK).map_err(|error| match error {
            CallError::Failed(failure) => Unanswered::Refused(failure),
            CallError::Closed => Unanswered::Closed,
            error => Unanswered::Lost(failure_of(error)),
        })
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

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// No daemon was asked.
    Unasked(Failure),
    /// The daemon says no.
    Refused(Failure),
    /// The daemon ended, and may have done what was asked.
    Closed,
    /// The daemon may have done what was asked.
    Lost(Failure),
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unasked(failure)
            | Unanswered::Refused(failure)
            | Unanswered::Lost(failure) => failure,
            Unanswered::Closed => failure_of(CallError::Closed),
        }
    }
}

/// Reaches the daemon, greets it as asked, and starts it if it does not run and that is wanted.
fn reach<G>(
    settings: &Settings,
    mut greet: impl FnMut(&mut Client) -> Result<G, CallError>,
) -> Result<(Client, G), Failure> {
    if let Some(reached) = reach_running(settings, &mut greet)? {
        return Ok(reached);
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
        match (reach_running(settings, &mut greet)?, &started) {
            (Some(reached), _) => return Ok(reached),
            (None, Err(failure)) => return Err(failure.clone()),
            (None, Ok(())) if Instant::now() > deadline => return Err(not_running(settings)),
            (None, Ok(())) => std::thread::sleep(RETRY),
        }
    }
}

/// As [`reach`], if the daemon runs. One that is ending counts as not running once it is gone.
fn reach_running<G>(
    settings: &Settings,
    greet: &mut impl FnMut(&mut Client) -> Result<G, CallError>,
) -> Result<Option<(Client, G)>, Failure> {
    let deadline = Instant::now() + ENDING_MAX;
    loop {
        let Some(mut client) = connect(settings)? else { return Ok(None) };
        match greet(&mut client) {
            Ok(greeted) => return Ok(Some((client, greeted))),
            Err(CallError::Closed) if Instant::now() < deadline => std::thread::sleep(RETRY),
            Err(error) => return Err(failure_of(error)),
        }
    }
}

fn say_hello(client: &mut Client) -> Result<Hello, CallError> {
    client.hello(CLIENT, VERSION, HELLO_TIMEOUT)
}

/// Reaches whoever listens, without a greeting: every version understands `shutdown`.
pub(crate) fn connect(settings: &Settings) -> Result<Option<Client>, Failure> {
    match Client::connect(&settings.place.address()) {
        Ok(client) => Ok(Some(client)),
        Err(ConnectError::NotRunning) => Ok(None),
        Err(error @ (ConnectError::Untrusted(_) | ConnectError::ForeignPeer(_))) => Err(Failure {
            code: ErrorCode::DaemonUnreachable,
            message: error.to_string(),
            hint: Some(if cfg!(windows) {
                "end that user's program, or use another profile: --profile NAME".into()
            } else {
                format!("see to the directory: {}", settings.place.state_dir().display())
            }),
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

/// What the daemon is told of us.
const CLIENT: &str = "pychatctl";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a daemon may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a daemon may take to end.
const ENDING_MAX: Duration = Duration::from_secs(5);

/// Between two tries.
const RETRY: Duration = Duration::from_millis(10);

/// The daemon keeps to the time limit by itself; this is for its answer to arrive.
const SLACK: Duration = Duration::from_secs(5);
