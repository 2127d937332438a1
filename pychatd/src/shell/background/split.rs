//! The process splits, and one half leaves the terminal. Service managers are told by systemd's socket.

use super::{Cli, Detached, Fault, Lock, Place, Readiness, failed, outcome};
use daemonize::{Daemonize, Outcome};
use std::io::{PipeWriter, Read, Write};

/// The pipe to the half that waits.
pub(super) type Caller = PipeWriter;

pub(super) fn detach(_cli: &Cli, _place: &Place, lock: Lock) -> Result<Detached, Fault> {
    let (mut said, say) = std::io::pipe().map_err(failed)?;
    match Daemonize::new().umask(0o077).execute() {
        Outcome::Child(Ok(_)) => Ok(Detached::Daemon(lock, Readiness::Waiting(say))),
        Outcome::Child(Err(error)) => {
            // This is not the process that was called: nobody sees what it returns.
            Readiness::Waiting(say).tell_fault(&failed(error));
            std::process::exit(1);
        }
        Outcome::Parent(Err(error)) => Err(failed(error)),
        Outcome::Parent(Ok(_)) => {
            // With our end open we would wait for ourselves.
            drop(say);
            let mut text = String::new();
            said.read_to_string(&mut text).map_err(failed)?;
            Ok(Detached::Called(outcome(&text)))
        }
    }
}

/// Whoever waited may have been killed; the daemon runs on.
pub(super) fn tell(mut caller: Caller, text: &str) {
    let _ = caller.write_all(text.as_bytes());
}

pub(super) fn notify_ready() {
    notify(&[sd_notify::NotifyState::Ready]);
}

pub(super) fn notify_fault(fault: &Fault) {
    notify(&[sd_notify::NotifyState::Status(fault.message())]);
}

pub(super) fn notify_stopping() {
    notify(&[sd_notify::NotifyState::Stopping]);
}

/// Without a service manager this does nothing.
fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
