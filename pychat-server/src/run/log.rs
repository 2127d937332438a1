//! The log: to standard error, for people or as JSON Lines; ids and addresses, never what people write.

use super::Failure;
use crate::config::LogFormat;
use std::{
    fmt,
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{EnvFilter, Layer as _, Registry, prelude::*, reload};

/// Changes what is logged while the program runs.
#[derive(Clone)]
pub struct LogControl {
    handle: reload::Handle<EnvFilter, Registry>,
    filter: Arc<Mutex<String>>,
}

impl LogControl {
    /// Begins to log what `filter` says.
    ///
    /// # Errors
    /// The filter makes no sense.
    pub fn start(filter: &str, format: LogFormat) -> Result<Self, Failure> {
        let parsed = parse(filter).map_err(|error| Failure::Log(filter.to_owned(), error))?;
        let (reloading, handle) = reload::Layer::new(parsed);
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_target(false);
        let lines = match format {
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
            // The journal has its own clock.
            LogFormat::Text if std::env::var_os("JOURNAL_STREAM").is_some() => {
                lines.without_time().boxed()
            }
            LogFormat::Text => lines.boxed(),
        };
        tracing_subscriber::registry().with(reloading).with(lines).init();
        Ok(Self { handle, filter: Arc::new(Mutex::new(filter.to_owned())) })
    }

    /// Logs what `filter` says from now on.
    ///
    /// # Errors
    /// The filter makes no sense; nothing changed.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        self.handle.reload(parse(filter)?).map_err(|error| error.to_string())?;
        filter.clone_into(&mut self.filter.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// What is logged.
    #[must_use]
    pub fn filter(&self) -> String {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogControl({:?})", self.filter())
    }
}

/// Whether a filter makes sense.
pub(super) fn check(filter: &str) -> Result<(), String> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(filter).map_err(|error| error.to_string())
}
