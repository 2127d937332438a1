//! The log: to standard error, for people or as JSON Lines; ids and addresses, never what people write.

use super::Failure;
use crate::config::{LogFormat, Settings};
use std::{
    fmt,
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, fmt::writer::BoxMakeWriter, prelude::*, reload,
};

/// Changes what is logged while the program runs.
#[derive(Clone)]
pub struct LogControl {
    handle: reload::Handle<EnvFilter, Registry>,
    filter: Arc<Mutex<String>>,
}

impl LogControl {
    /// Begins to log what the settings say.
    ///
    /// # Errors
    /// The filter makes no sense.
    pub fn start(settings: &Settings) -> Result<Self, Failure> {
        let filter = settings.log.as_str();
        let parsed = parse(filter).map_err(|error| Failure::Log(filter.to_owned(), error))?;
        let (reloading, handle) = reload::Layer::new(parsed);
        let (writer, coloured) = writer(settings)?;
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(writer)
            .with_ansi(coloured && std::env::var_os("NO_COLOR").is_none())
            .with_target(false);
        let lines = match settings.log_format {
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

/// Where to, and whether there may be colours.
#[allow(clippy::unnecessary_wraps)]
fn writer(_settings: &Settings) -> Result<(BoxMakeWriter, bool), Failure> {
    #[cfg(windows)]
    if super::is_service() {
        return in_file(&_settings.data).map(|writer| (writer, false));
    }
    Ok((BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()))
}

/// Nobody sees what a service prints: its log is a file a day, beside its data.
#[cfg(windows)]
fn in_file(data: &std::path::Path) -> Result<BoxMakeWriter, Failure> {
    use tracing_appender::rolling::{RollingFileAppender, Rotation};
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("pychat-server")
        .filename_suffix("log")
        .max_log_files(FILES_MAX)
        .build(data.join("log"))
        .map_err(std::io::Error::other)
        .map_err(Failure::system("opening the log"))?;
    Ok(BoxMakeWriter::new(file))
}

/// Files kept, one a day.
#[cfg(windows)]
const FILES_MAX: usize = 7;

/// Whether a filter makes sense.
pub(super) fn check(filter: &str) -> Result<(), String> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(filter).map_err(|error| error.to_string())
}
