//! What can be typed about people and single messages.

use crate::{complete, config::parse_wait, duration};
use clap::Args;
use pychat_control::State;
use std::time::Duration;

/// Arguments of `connect`.
#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// Your unique name: 1 to 32 of a-z 0-9 . _ -
    #[arg(allow_hyphen_values = false)]
    pub(crate) user: String,
    /// What others see, such as 'Alice Doe'.
    pub(crate) name: String,
    /// The server, as a join link: pychat://HOST:PORT#KEY, or several hosts with commas between [default: the server of the last time].
    #[arg(long, value_name = "LINK", env = "PYCHAT_SERVER", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// Take this as the server's new key, in place of the one known so far.
    #[arg(long, value_name = "KEY")]
    pub(crate) trust_key: Option<String>,
    /// A code that the server's operator gave you, where newcomers need one.
    #[arg(long, value_name = "CODE")]
    pub(crate) invite: Option<String>,
}

/// Arguments of `users`.
#[derive(Debug, Args)]
pub(crate) struct UsersArgs {
    /// Show users who are offline too.
    #[arg(short, long)]
    pub(crate) all: bool,
}

/// Arguments of `send`.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The user to write to.
    #[arg(value_name = "PEER", add = complete::users())]
    pub(crate) peer: String,
    /// The text, in quotes; `-` reads it from standard input.
    #[arg(value_name = "TEXT", required = true)]
    pub(crate) text: Vec<String>,
    /// Wait until the message is queued, accepted (by the server), delivered or read
    /// [default: accepted].
    #[arg(long, value_name = "STATE", env = "PYCHAT_WAIT", hide_env_values = true, value_parser = parse_wait)]
    pub(crate) wait: Option<State>,
    /// Your own key for this message: repeating a command with the same key sends nothing twice.
    #[arg(long, value_name = "KEY")]
    pub(crate) id: Option<String>,
    /// Give up if the message could not be handed to the network within this time.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) expire: Option<Duration>,
}

/// Arguments of `trace` and `cancel`.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// The message's id, or the key given to `send --id`.
    pub(crate) id: String,
}
