//! The daemon as a process: its directory, lock, log, background and end. What it does there is the
//! core's business, which [`main`] is given.
//!
//! In order, because each needs the one before: the command line, the state directory, the lock,
//! the background (before any thread exists), the log, the runtime.

mod background;
mod cli;
mod fault;
mod job;
mod lock;
mod log;
mod serve;
mod signals;
mod state_dir;

pub use fault::Fault;

use crate::handle::ToCore;
use background::{Detached, Readiness};
use clap::Parser;
use cli::Cli;
use pychat_control::{DaemonConfig, Place, StateBase};
use std::{future::Future, path::PathBuf, process::ExitCode};
use tokio::sync::{mpsc, watch};

/// What the core is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The state directory, which exists and is ours.
    pub state_dir: PathBuf,
    /// The profile.
    pub profile: String,
    /// Now, in milliseconds since 1970.
    pub unix_ms: u64,
    /// What the configuration says.
    pub config: DaemonConfig,
}

/// Runs the daemon: `core` is called once, within the runtime, and its future is the daemon's life.
/// When the watch turns true, it flushes and returns.
pub fn main<C, F>(core: C) -> ExitCode
where
    C: FnOnce(Start, mpsc::Receiver<ToCore>, watch::Receiver<bool>) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    match run(&Cli::parse(), core) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprint!("{fault}");
            fault.exit_code()
        }
    }
}

fn run<C, F>(cli: &Cli, core: C) -> Result<(), Fault>
where
    C: FnOnce(Start, mpsc::Receiver<ToCore>, watch::Receiver<bool>) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    state_dir::keep_files_private();
    let base = match &cli.state_dir {
        Some(path) => StateBase::at(path),
        None => StateBase::from_env().map_err(|error| Fault::no_place(&error))?,
    };
    let place = Place::new(&base, cli.profile.clone());
    if let Some(job) = &cli.job {
        return job::run(&place, job);
    }
    let mut readiness = Readiness::of(cli)?;
    let lived = live(cli, &place, &mut readiness, core);
    // There may be nobody to read what is printed: faults go to the log, and to whoever waits for the
    // daemon to be ready.
    lived.inspect_err(|fault| {
        tracing::error!(reason = fault.message(), "the daemon ends");
        readiness.tell_fault(fault);
    })
}

fn live<C, F>(cli: &Cli, place: &Place, readiness: &mut Readiness, core: C) -> Result<(), Fault>
where
    C: FnOnce(Start, mpsc::Receiver<ToCore>, watch::Receiver<bool>) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let config = DaemonConfig::load(cli.config.as_deref(), place.profile());
    let config = config.map_err(|error| Fault::usage(error.to_string()))?;
    state_dir::prepare(place)?;
    log::check(&cli.log_level)?;
    let mut lock = lock::acquire(place)?;
    if matches!(readiness, Readiness::Called) {
        match background::detach(cli, place, lock)? {
            Detached::Called(outcome) => return outcome,
            Detached::Daemon(ours, waiting) => (lock, *readiness) = (ours, waiting),
        }
    }
    log::open(place, &cli.log_level, readiness)?;
    serve::serve(place, config, lock, readiness, core)
}
