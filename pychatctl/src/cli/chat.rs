//! What can be typed to chat.

use clap::Args;

/// Arguments of `chat`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ChatArgs {
    /// The user to write with; without, the latest conversation is opened.
    #[arg(value_name = "PEER")]
    pub(crate) peer: Option<String>,
    /// Line by line, for screen readers and terminals that cannot be drawn on: what comes is
    /// printed, and each line that you type is sent.
    #[arg(long)]
    pub(crate) plain: bool,
}

const HELP: &str = "\
For example:
  pychatctl chat                 all conversations; F1 shows the keys
  pychatctl chat bob             begins with bob
  pychatctl chat --plain bob     line by line; /help shows the commands";
