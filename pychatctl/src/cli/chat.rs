//! What can be typed to chat.

use crate::complete;
use clap::Args;

/// Arguments of `chat`.
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// The user to write with; without, the latest conversation is opened.
    #[arg(value_name = "PEER", add = complete::users())]
    pub(crate) peer: Option<String>,
    /// Line by line, for screen readers and terminals that cannot be drawn on: what comes is
    /// printed, and each line that you type is sent.
    #[arg(long)]
    pub(crate) plain: bool,
}
