//! Into the background, before any thread exists. The process that was called waits until the
//! daemon says that it is ready, or why it is not.

use super::Fault;
#[cfg(unix)]
use std::io::{PipeWriter, Read};

/// Which of the two processes this is.
pub(super) enum Detached {
    /// The one that was called, and how the daemon's start went.
    Parent(Result<(), Fault>),
    /// The daemon.
    Daemon(Readiness),
}

/// Whom to tell that the daemon is ready.
#[derive(Debug)]
pub(super) enum Readiness {
    /// Nobody but a service manager.
    Foreground,
    /// The process that was called.
    #[cfg(unix)]
    Waiting(PipeWriter),
    /// All have been told.
    Told,
}

/// Windows has no such thing there: whoever starts the daemon starts it detached.
pub(super) const AVAILABLE: bool = cfg!(unix);

/// Detaches from the terminal. In the process that was called, returns once the daemon is ready.
#[cfg(unix)]
pub(super) fn detach() -> Result<Detached, Fault> {
    use daemonize::{Daemonize, Outcome};

    let failed = |why: String| Fault::failed(format!("cannot go into the background: {why}"));
    let (mut said, say) = std::io::pipe().map_err(|error| failed(error.to_string()))?;
    match Daemonize::new().umask(0o077).execute() {
        Outcome::Child(Ok(_)) => Ok(Detached::Daemon(Readiness::Waiting(say))),
        Outcome::Child(Err(error)) => {
            // This is not the process that was called: nobody sees what it returns.
            Readiness::Waiting(say).tell_fault(&failed(error.to_string()));
            std::process::exit(1);
        }
        Outcome::Parent(Err(error)) => Err(failed(error.to_string())),
        Outcome::Parent(Ok(_)) => {
            // With our end open we would wait for ourselves.
            drop(say);
            let mut text = String::new();
            let read = said.read_to_string(&mut text);
            read.map_err(|error| failed(error.to_string()))?;
            Ok(Detached::Parent(outcome(&text)))
        }
    }
}

#[cfg(not(unix))]
pub(super) fn detach() -> Result<Detached, Fault> {
    Ok(Detached::Daemon(Readiness::Foreground))
}

#[cfg(unix)]
fn outcome(said: &str) -> Result<(), Fault> {
    if said == READY {
        return Ok(());
    }
    Err(Fault::decode(said).unwrap_or_else(|| {
        Fault::failed("the daemon ended before it was ready")
            .hint("see its log: pychatctl daemon logs; or watch it: pychatd --foreground")
    }))
}

impl Readiness {
    /// The socket answers.
    pub(super) fn tell_ready(&mut self) {
        match std::mem::replace(self, Self::Told) {
            #[cfg(unix)]
            Self::Waiting(pipe) => write(pipe, READY),
            #[cfg(unix)]
            Self::Foreground => notify(&[sd_notify::NotifyState::Ready]),
            #[cfg(not(unix))]
            Self::Foreground => {}
            Self::Told => {}
        }
    }

    /// The daemon will not run. Once it was ready, this is for the log alone.
    pub(super) fn tell_fault(&mut self, fault: &Fault) {
        match std::mem::replace(self, Self::Told) {
            #[cfg(unix)]
            Self::Waiting(pipe) => write(pipe, &fault.encode()),
            #[cfg(unix)]
            Self::Foreground => notify(&[sd_notify::NotifyState::Status(fault.message())]),
            #[cfg(not(unix))]
            Self::Foreground => {}
            Self::Told => {}
        }
    }
}

/// The daemon begins to end.
pub(super) fn tell_stopping() {
    #[cfg(unix)]
    notify(&[sd_notify::NotifyState::Stopping]);
}

/// Whoever waited may have been killed; the daemon runs on.
#[cfg(unix)]
fn write(mut pipe: PipeWriter, text: &str) {
    use std::io::Write;
    let _ = pipe.write_all(text.as_bytes());
}

/// Without a service manager this does nothing.
#[cfg(unix)]
fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(unix)]
const READY: &str = "ready";

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_learns_how_it_went() {
        let fault = Fault::refused("no").hint("do");
        for (tell, expected) in [
            (Box::new(|r: &mut Readiness| r.tell_ready()) as Box<dyn Fn(&mut Readiness)>, Ok(())),
            (
                Box::new({
                    let fault = fault.clone();
                    move |r: &mut Readiness| r.tell_fault(&fault)
                }),
                Err(fault.clone()),
            ),
        ] {
            let (mut said, say) = std::io::pipe().unwrap();
            tell(&mut Readiness::Waiting(say));
            let mut text = String::new();
            said.read_to_string(&mut text).unwrap();
            assert_eq!(outcome(&text), expected);
        }
        assert!(outcome("").unwrap_err().message().contains("before it was ready"));
    }
}
