//! What can be typed.

mod chat;
mod keys;

pub(crate) use chat::ChatArgs;
pub(crate) use keys::{TrustArgs, VerifyArgs};

use crate::{config::ColorWhen, config::parse_wait, duration};
use clap::{Args, Parser, Subcommand, builder::BoolishValueParser};
use clap_complete::Shell;
use pychat_control::{Profile, State};
use std::{path::PathBuf, time::Duration};

/// Chat from the terminal that survives bad networks.
///
/// pychatctl asks the background daemon, pychatd, which it starts when needed. A message that is
/// queued stays queued over lost connections and restarts until it arrives, once and in order.
#[derive(Debug, Parser)]
#[command(
    name = "pychatctl",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    infer_long_args = false,
    after_help = FIRST_STEPS,
    after_long_help = LONG_AFTER
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  pychatctl connect alice 'Alice Doe' --server pychat://chat.example.org:7420#KEY
  pychatctl users
  pychatctl send bob 'Hello!'
  pychatctl inbox";

const LONG_AFTER: &str = "\
First steps:
  pychatctl connect alice 'Alice Doe' --server pychat://chat.example.org:7420#KEY
  pychatctl users
  pychatctl send bob 'Hello!'
  pychatctl inbox

Exit codes:
  0  done                          6  timed out (a message stays queued)
  1  failed                        7  a key changed or is not trusted
  2  wrong usage                   8  rate limited or full
  3  the daemon is out of reach    9  the daemon is of another version
  4  not connected                10  refused (name taken, not permitted)
  5  no such user                130  interrupted

Files:
  $XDG_CONFIG_HOME/pychat/config.toml                    configuration
  $XDG_CONFIG_HOME/pychat/profiles/PROFILE/config.toml   configuration of a profile
  $XDG_STATE_HOME/pychat/PROFILE/                        identity, messages, log, socket

Keys of the configuration: profile, server, color, timeout, autostart, json, quiet, wait.
A flag goes before a PYCHAT_* variable, before the profile's file, before the user's file.";

/// Flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// The identity to use: each profile has its own user, messages and daemon.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "PYCHAT_PROFILE",
        hide_env_values = true
    )]
    pub(crate) profile: Option<Profile>,

    /// Print JSON: one object, or one a line for streams; errors too, on standard error.
    #[arg(
        long, global = true, env = "PYCHAT_JSON", hide_env_values = true, value_name = "BOOL", hide_possible_values = true,
        num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) json: Option<bool>,

    /// Print only what a script needs, and no remarks.
    #[arg(
        short, long, global = true, env = "PYCHAT_QUIET", hide_env_values = true, value_name = "BOOL",
        hide_possible_values = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new()
    )]
    pub(crate) quiet: Option<bool>,

    /// Tell what is done on the way.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// When to colour.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = "PYCHAT_COLOR",
        hide_env_values = true,
        value_enum
    )]
    pub(crate) color: Option<ColorWhen>,

    /// How long to wait: 500ms, 10s, 5m [default: 10s].
    #[arg(long, global = true, value_name = "TIME", env = "PYCHAT_TIMEOUT", hide_env_values = true,
          value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,

    /// Do not start the daemon if it does not run.
    #[arg(
        long, global = true, env = "PYCHAT_NO_AUTOSTART", hide_env_values = true, value_name = "BOOL",
        hide_possible_values = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new()
    )]
    pub(crate) no_autostart: Option<bool>,

    /// Read this file in place of the user's configuration.
    #[arg(long, global = true, value_name = "FILE", env = "PYCHAT_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in at a server, now and after each restart.
    Connect(ConnectArgs),
    /// Log out, and stay out until the next `connect`.
    Disconnect,
    /// Show who is there.
    Users(UsersArgs),
    /// Chat on a full screen.
    Chat(ChatArgs),
    /// Send a message.
    Send(SendArgs),
    /// Show unread messages and mark them read.
    Inbox(InboxArgs),
    /// Show earlier messages, sent and received.
    History(HistoryArgs),
    /// Show how the connection is.
    Status,
    /// Show how many messages wait to be read, and from whom.
    Unread,
    /// Show what happened to a message, step by step.
    Trace(IdArgs),
    /// Take back a message that was not handed to the network yet.
    Cancel(IdArgs),
    /// Compare keys with somebody, to know that nobody stands between you.
    Verify(VerifyArgs),
    /// Accept the new key of somebody whose key changed.
    Trust(TrustArgs),
    /// Show whom you know by key, and how well.
    #[command(after_help = keys::CONTACTS_HELP)]
    Contacts,
    /// Control the background daemon.
    #[command(subcommand)]
    Daemon(DaemonCommand),
    /// Show profiles and where their files are; back one up, or move it to another machine.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Print the completion script for a shell.
    #[command(after_help = "For example: pychatctl completions bash > \
                            ~/.local/share/bash-completion/completions/pychatctl")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a directory.
    Man {
        /// Where to write them.
        dir: Option<PathBuf>,
    },
}

/// Arguments of `connect`.
#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// Your unique name: 1 to 32 of a-z 0-9 . _ -
    #[arg(allow_hyphen_values = false)]
    pub(crate) user: String,
    /// What others see, such as 'Alice Doe'.
    pub(crate) name: String,
    /// The server, as a join link: pychat://HOST:PORT#KEY [default: the server of the last time].
    #[arg(long, value_name = "LINK", env = "PYCHAT_SERVER", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// Take this as the server's new key, in place of the one known so far.
    #[arg(long, value_name = "KEY")]
    pub(crate) trust_key: Option<String>,
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
#[command(after_help = "A text that begins with a dash goes after --, \
                        such as: pychatctl send bob -- '-5 degrees'")]
pub(crate) struct SendArgs {
    /// The user to write to.
    #[arg(value_name = "PEER")]
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

/// Arguments of `inbox`.
#[derive(Debug, Args)]
pub(crate) struct InboxArgs {
    /// Leave the messages unread.
    #[arg(long)]
    pub(crate) peek: bool,
    /// Show at most N messages; the others stay unread.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Only messages that arrived after this time: 2h (ago), 2026-01-31 or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only messages from this user.
    #[arg(long, value_name = "USER")]
    pub(crate) from: Option<String>,
    /// Then wait for more and show each as it comes.
    #[arg(short, long, conflicts_with_all = ["count", "next"])]
    pub(crate) follow: bool,
    /// Print only how many there are.
    #[arg(long, conflicts_with = "next")]
    pub(crate) count: bool,
    /// Go on from `next` of the list before (with --peek --json).
    #[arg(long, value_name = "NEXT", hide_short_help = true)]
    pub(crate) next: Option<String>,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Only the conversation with this user.
    pub(crate) peer: Option<String>,
    /// Show the last N messages [default: 50].
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Go on with older ones from `next` of the list before.
    #[arg(long, value_name = "NEXT", hide_short_help = true)]
    pub(crate) next: Option<String>,
}

/// Arguments of `trace` and `cancel`.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// The message's id, or the key given to `send --id`.
    pub(crate) id: String,
}

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

#[cfg(test)]
mod tests;
