//! Into the background, before any thread exists. The process that was called waits until the
//! daemon says that it is ready, or why it is not.
//!
//! On Unix the process splits in two, on Windows it starts its own program anew. Either way the daemon has
//! a pipe to the one that waits ([`Caller`]).

#[cfg(unix)]
#[path = "background/split.rs"]
mod system;
#[cfg(windows)]
#[path = "background/anew.rs"]
mod system;

use super::{Fault, cli::Cli, lock::Lock};
use pychat_control::Place;
use system::Caller;

/// Which of the two processes this is.
pub(super) enum Detached {
    /// The one that was called, and how the daemon's start went.
    Called(Result<(), Fault>),
    /// The daemon, which holds the lock, and who waits for it.
    #[cfg_attr(windows, expect(dead_code, reason = "there it is another program's run"))]
    Daemon(Lock, Readiness),
}

/// Whom to tell that the daemon is ready.
#[derive(Debug)]
pub(super) enum Readiness {
    /// Nobody: the daemon is yet to go into the background.
    Called,
    /// Nobody but a service manager.
    Foreground,
    /// The process that was called.
    Waiting(Caller),
    /// All have been told.
    Told,
}

/// Detaches from the terminal. In the process that was called, returns once the daemon is ready.
pub(super) fn detach(cli: &Cli, place: &Place, lock: Lock) -> Result<Detached, Fault> {
    system::detach(cli, place, lock)
}

fn failed(why: impl std::fmt::Display) -> Fault {
    Fault::failed(format!("cannot go into the background: {why}"))
}

/// What the daemon said in its pipe, up to its end.
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
    /// As the command line says.
    pub(super) fn of(cli: &Cli) -> Result<Self, Fault> {
        if cli.foreground {
            return Ok(Self::Foreground);
        }
        #[cfg(windows)]
        if let Some(pipe) = &cli.caller {
            return system::caller(pipe).map(Self::Waiting).map_err(failed);
        }
        Ok(Self::Called)
    }

    /// The socket answers.
    pub(super) fn tell_ready(&mut self) {
        match std::mem::replace(self, Self::Told) {
            Self::Waiting(caller) => system::tell(caller, READY),
            Self::Foreground => system::notify_ready(),
            Self::Called | Self::Told => {}
        }
    }

    /// The daemon will not run. Once it was ready, this is for the log alone.
    pub(super) fn tell_fault(&mut self, fault: &Fault) {
        match std::mem::replace(self, Self::Told) {
            Self::Waiting(caller) => system::tell(caller, &fault.encode()),
            Self::Foreground => system::notify_fault(fault),
            Self::Called | Self::Told => {}
        }
    }
}

/// The daemon begins to end.
pub(super) fn tell_stopping() {
    system::notify_stopping();
}

const READY: &str = "ready";

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Read;

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
