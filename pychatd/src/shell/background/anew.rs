//! The daemon is this program, started anew without a window and without anything of ours that is open.
//! It tells us over a named pipe of our user how its start went.

use super::{Cli, Detached, Fault, Lock, Place, failed, outcome};
use interprocess::local_socket::{tokio::Listener, traits::tokio::Listener as _};
use pychat_windows::{Pipe, Process, Sid, pipe};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf, absolute},
    time::Duration,
};
use tokio::io::AsyncReadExt;

/// The pipe to the process that was called.
pub(super) type Caller = Pipe;

/// The checks before this are the daemon's again, and so is the lock.
pub(super) fn detach(cli: &Cli, place: &Place, lock: Lock) -> Result<Detached, Fault> {
    drop(lock);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let _within = runtime.enter();
    let name = pipe_name().map_err(failed)?;
    let listener = pipe::listen(&name).map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    // A directory in use cannot be removed there.
    let root = place.state_dir().ancestors().last().unwrap_or(place.state_dir());
    let daemon = Process::start_in_background(&program, &arguments(cli, place, &name), root);
    let said = runtime.block_on(said(&listener, &daemon.map_err(failed)?));
    Ok(Detached::Called(outcome(&said.map_err(failed)?)))
}

/// What we were called with, in full: the daemon's directory is another one.
fn arguments(cli: &Cli, place: &Place, caller: &Path) -> Vec<OsString> {
    let base = place.state_dir().parent().unwrap_or(place.state_dir());
    let mut arguments: Vec<OsString> = vec![
        "--profile".into(),
        place.profile().as_str().into(),
        "--state-dir".into(),
        base.into(),
        "--log-level".into(),
        cli.log_level.as_str().into(),
        "--caller".into(),
        caller.into(),
    ];
    if let Some(file) = &cli.config {
        let file = absolute(file).unwrap_or_else(|_| file.clone());
        arguments.extend(["--config".into(), file.into()]);
    }
    arguments
}

/// Nobody else's: processes have numbers of their own.
fn pipe_name() -> io::Result<PathBuf> {
    let (user, process) = (Sid::own()?, std::process::id());
    Ok(format!(r"\\.\pipe\pychat-start-{user}-{process}").into())
}

/// All that the daemon says, which is nothing if it ends before.
async fn said(listener: &Listener, daemon: &Process) -> io::Result<String> {
    let mut text = String::new();
    tokio::select! {
        connected = listener.accept() => connected?.read_to_string(&mut text).await.map(drop)?,
        ended = ended(daemon) => ended?,
    }
    Ok(text)
}

async fn ended(process: &Process) -> io::Result<()> {
    while !process.wait(Duration::ZERO)? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The process that was called, which waits at this pipe.
pub(super) fn caller(pipe: &Path) -> io::Result<Caller> {
    Pipe::connect(pipe, CALLER_PATIENCE).map_err(io::Error::other)
}

/// Whoever waited may have been killed; the daemon runs on. On a thread of its own: this one may be in the
/// midst of what a runtime does, and the pipe has one for itself.
pub(super) fn tell(mut caller: Caller, text: &str) {
    let text = text.to_owned();
    let telling = std::thread::spawn(move || caller.write_all(text.as_bytes(), CALLER_PATIENCE));
    let _ = telling.join();
}

/// Nobody watches over a daemon there.
pub(super) fn notify_ready() {}

pub(super) fn notify_fault(_fault: &Fault) {}

pub(super) fn notify_stopping() {}

/// Between two looks whether the daemon has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Whoever waits reads at once.
const CALLER_PATIENCE: Duration = Duration::from_secs(5);
