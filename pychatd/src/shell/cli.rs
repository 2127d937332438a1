//! The daemon's command line.

use clap::{Parser, Subcommand};
use pychat_control::{EXPORT_JOB, IMPORT_JOB, Profile};
use std::path::PathBuf;

/// PyChat's per-user background daemon: keeps the connection to the server, sends, receives and
/// stores. `pychatctl` starts it when it is needed.
#[derive(Debug, Parser)]
#[command(name = "pychatd", version, max_term_width = 100, disable_help_subcommand = true)]
pub(super) struct Cli {
    /// The identity to serve.
    #[arg(
        long,
        value_name = "NAME",
        env = "PYCHAT_PROFILE",
        hide_env_values = true,
        default_value_t
    )]
    pub(super) profile: Profile,

    /// Stay in the foreground and log to standard error too, for service managers.
    #[arg(long)]
    pub(super) foreground: bool,

    #[arg(help = STATE_DIR_HELP, long, value_name = "DIR", env = "PYCHAT_STATE_DIR", hide_env_values = true)]
    pub(super) state_dir: Option<PathBuf>,

    /// What to log: error, warn, info, debug or trace, also for parts: "info,pychatd=debug".
    #[arg(
        long,
        value_name = "LEVEL",
        env = "PYCHAT_LOG",
        hide_env_values = true,
        default_value = "info"
    )]
    pub(super) log_level: String,

    /// Read this file in place of the user's configuration.
    #[arg(long, value_name = "FILE", env = "PYCHAT_CONFIG", hide_env_values = true)]
    pub(super) config: Option<PathBuf>,

    /// The pipe of the process that was called, which waits to hear that the daemon is ready.
    #[cfg(windows)]
    #[arg(long, value_name = "PIPE", hide = true, conflicts_with = "foreground")]
    pub(super) caller: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) job: Option<Job>,
}

/// Something other than to be the daemon, for `pychatctl`.
#[derive(Debug, Subcommand)]
pub(super) enum Job {
    /// Writes the profile into a file.
    #[command(name = EXPORT_JOB, hide = true)]
    ProfileExport {
        /// Which; `-` is standard output.
        file: PathBuf,
        /// Overwrite it.
        #[arg(long)]
        force: bool,
    },
    /// Makes the profile of a file.
    #[command(name = IMPORT_JOB, hide = true)]
    ProfileImport {
        /// Which; `-` is standard input, after the passphrase.
        file: PathBuf,
    },
}

#[cfg(not(windows))]
const STATE_DIR_HELP: &str = "Keep the profiles' state directories in DIR \
                              [default: $XDG_STATE_HOME/pychat, else ~/.local/state/pychat]";
#[cfg(windows)]
const STATE_DIR_HELP: &str = "Keep the profiles' state directories in DIR \
                              [default: %LOCALAPPDATA%\\pychat]";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_profile_that_would_leave_its_directory_is_refused() {
        let parsed = Cli::try_parse_from(["pychatd", "--profile", "../x"]);
        assert_eq!(parsed.unwrap_err().exit_code(), 2);
    }
}
