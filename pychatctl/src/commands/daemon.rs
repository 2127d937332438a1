//! `daemon start|stop|restart|status|logs`.

mod logs;

pub(super) use logs::logs;

use super::Context;
use crate::{
    output::{Failed, Form, Versioned},
    session::{Session, connect, failure_of},
    settings::Settings,
};
use pychat_control::{CallError, DaemonFile, Empty, ErrorCode, Failure, Hello, Request};
use serde::Serialize;
use std::time::Duration;

/// Whether the daemon runs, as JSON.
#[derive(Debug, Serialize)]
struct Running<'a> {
    running: bool,
    profile: &'a str,
    pid: Option<u32>,
    version: Option<&'a str>,
    started_at: Option<&'a str>,
    address: String,
    state_dir: String,
}

/// `daemon start`.
pub(super) fn start(context: &mut Context) -> Result<(), Failed> {
    if let Some(session) = Session::open_running(&context.settings)? {
        let pid = session.hello.pid;
        return say(context, Some(&session.hello), &format!("already running (process {pid})"));
    }
    let settings = Settings { autostart: true, ..context.settings.clone() };
    let session = Session::open(&settings)?;
    let pid = session.hello.pid;
    say(context, Some(&session.hello), &format!("started (process {pid})"))
}

/// `daemon stop`.
pub(super) fn stop(context: &mut Context) -> Result<(), Failed> {
    let was_running = end(&context.settings)?;
    say(context, None, if was_running { "stopped" } else { "not running" })
}

/// `daemon restart`.
pub(super) fn restart(context: &mut Context) -> Result<(), Failed> {
    end(&context.settings)?;
    start(context)
}

/// `daemon status`.
pub(super) fn status(context: &mut Context) -> Result<(), Failed> {
    let Some(session) = Session::open_running(&context.settings)? else {
        if context.out.form == Form::Json {
            say(context, None, "")?;
        }
        let profile = context.settings.profile();
        return Err(Failed::from(Failure {
            code: ErrorCode::DaemonUnreachable,
            message: format!("the daemon of profile {profile} does not run"),
            hint: Some("start it: pychatctl daemon start".into()),
            sent: None,
        }));
    };
    let Hello { version, pid, .. } = &session.hello;
    say(context, Some(&session.hello), &format!("running, version {version} (process {pid})"))
}

/// Ends the daemon, of whatever version, and waits for its end. Says whether there was one.
fn end(settings: &Settings) -> Result<bool, Failure> {
    let Some(mut client) = connect(settings)? else { return Ok(false) };
    match client.call::<Empty>(&Request::Shutdown {}, END_TIMEOUT) {
        // An older daemon may answer more than nothing, or be gone before it answers.
        Ok(_) | Err(CallError::Closed | CallError::Invalid(_)) => {}
        Err(error) => return Err(failure_of(error)),
    }
    client.wait_closed(END_TIMEOUT).map_err(|_| {
        let pid = DaemonFile::read(&settings.place.daemon_file()).map(|file| file.pid);
        Failure {
            code: ErrorCode::TimedOut,
            message: format!("the daemon did not end within {} s", END_TIMEOUT.as_secs()),
            hint: Some(pid.map_or_else(
                |_| "see its log: pychatctl daemon logs".to_owned(),
                |pid| format!("end process {pid} by hand"),
            )),
            sent: None,
        }
    })?;
    Ok(true)
}

/// How long the daemon may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(10);

fn say(context: &mut Context, hello: Option<&Hello>, text: &str) -> Result<(), Failed> {
    let place = &context.settings.place;
    match context.out.form {
        Form::Text => context.out.line(text)?,
        Form::Quiet => {}
        Form::Json => {
            let file = hello.and_then(|_| DaemonFile::read(&place.daemon_file()).ok());
            let running = Running {
                running: hello.is_some(),
                profile: place.profile().as_str(),
                pid: hello.map(|hello| hello.pid),
                version: hello.map(|hello| hello.version.as_str()),
                started_at: file.as_ref().map(|file| file.started_at.as_str()),
                address: place.address().to_string(),
                state_dir: place.state_dir().display().to_string(),
            };
            context.out.json(&Versioned::new(running))?;
        }
    }
    Ok(())
}
