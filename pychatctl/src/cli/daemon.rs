//! What can be typed about the daemon and profiles.

use clap::Subcommand;

/// What can be done with the daemon.
#[derive(Debug, Subcommand)]
pub(crate) enum DaemonCommand {
    /// Start it, if it does not run.
    Start,
    /// End it; queued messages stay on disk.
    Stop,
    /// End it and start it anew.
    Restart,
    /// Show whether it runs; exit code 3 if not.
    Status,
    /// Show the end of its log.
    Logs {
        /// How many lines [default: 50].
        #[arg(short = 'n', long, value_name = "N")]
        lines: Option<usize>,
        /// Then show each line as it comes, until interrupted or for --timeout TIME.
        #[arg(short, long)]
        follow: bool,
    },
}

/// What can be done with profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Show every profile.
    List,
    /// Show where the profile's files are and what holds for it.
    Show,
    /// Print the profile's state directory.
    Path,
    /// Write the profile into an encrypted file: a backup, or a move to another machine.
    Export(crate::commands::ExportArgs),
    /// Make a profile of a file that `profile export` wrote.
    Import(crate::commands::ImportArgs),
}
