//! The log: one file a day in the state directory, a week of them. Never a text, a name on screen
//! or a secret.

use super::{Fault, background::Readiness};
use pychat_control::Place;
use std::panic::PanicHookInfo;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Files kept, one a day.
const FILES_MAX: usize = 7;

/// Checks what `--log-level` says, while there is somebody to be told.
pub(super) fn check(level: &str) -> Result<(), Fault> {
    filter(level).map(drop)
}

/// Opens the log; in the foreground it is written to standard error too.
pub(super) fn open(place: &Place, level: &str, readiness: &Readiness) -> Result<(), Fault> {
    let dir = place.log_dir();
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("pychatd")
        .filename_suffix("log")
        .max_log_files(FILES_MAX)
        .build(&dir)
        .map_err(|error| {
            Fault::failed(format!("no log can be opened in {}: {error}", dir.display()))
        })?;
    let to_file = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(file);
    let to_terminal = match readiness {
        Readiness::Foreground => {
            let layer = tracing_subscriber::fmt::layer().with_ansi(false);
            Some(layer.with_writer(std::io::stderr).boxed())
        }
        Readiness::Called | Readiness::Waiting(_) | Readiness::Told => None,
    };
    tracing_subscriber::registry().with(filter(level)?).with(to_file).with(to_terminal).init();
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn filter(level: &str) -> Result<Targets, Fault> {
    level.parse().map_err(|error| Fault::usage(format!("{level:?} is no log level: {error}")))
}

/// Only a fixed text is logged: one that is put together may hold what people wrote.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&str>().copied().unwrap_or("(not logged)");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(message, location, "a defect: the daemon panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked_before_the_daemon_goes_into_the_background() {
        for good in ["info", "debug", "warn,pychatd=trace", "off"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert!(check("pychatd=loud").unwrap_err().message().contains("no log level"));
    }
}
