//! `daemon start|stop|restart|status|logs`.

use super::Context;
use crate::{
    defaults,
    output::{Failed, Form, Versioned},
    screen::clean_text,
    session::{Session, connect, failure_of},
    settings::Settings,
};
use pychat_control::{CallError, DaemonFile, Empty, ErrorCode, Failure, Hello, Request};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

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

/// `daemon logs`.
pub(super) fn logs(context: &mut Context, lines: Option<usize>) -> Result<(), Failed> {
    let dir = context.settings.place.log_dir();
    let Some(newest) = newest_log(&dir) else {
        return Err(Failed::from(Failure {
            code: ErrorCode::Other,
            message: format!("there is no log in {}", dir.display()),
            hint: Some("the daemon writes one: pychatctl daemon start".into()),
            sent: None,
        }));
    };
    let text = tail(&newest, lines.unwrap_or(defaults::LOG_LINES)).map_err(|error| Failure {
        code: ErrorCode::Other,
        message: format!("{} cannot be read: {error}", newest.display()),
        hint: None,
        sent: None,
    })?;
    context.out.remark(&newest.display().to_string())?;
    context.out.text(&clean_text(&text))?;
    Ok(())
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

/// The files' names end in their dates.
fn newest_log(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max()
}

/// The last lines of a file, which may be large.
fn tail(path: &Path, lines: usize) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL_BYTES_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    // The first line is a part of one where the file was not read from its beginning.
    let whole = &all[usize::from(from > 0).min(all.len())..];
    let last = &whole[whole.len().saturating_sub(lines)..];
    Ok(last.iter().flat_map(|line| [*line, "\n"]).collect())
}

/// The most that is read of a log.
const TAIL_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_logs_last_lines_are_shown() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(newest_log(temp.path()), None);
        for (name, text) in [
            ("pychatd.2026-01-30.log", "old\n"),
            ("pychatd.2026-01-31.log", "a\nb\nc\n"),
            ("x.txt", ""),
        ] {
            std::fs::write(temp.path().join(name), text).unwrap();
        }
        let newest = newest_log(temp.path()).unwrap();
        assert_eq!(tail(&newest, 2).unwrap(), "b\nc\n");
        assert_eq!(tail(&newest, 9).unwrap(), "a\nb\nc\n");
        assert_eq!(tail(&newest, 0).unwrap(), "");
    }
}
