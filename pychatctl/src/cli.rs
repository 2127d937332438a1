//! What can be typed.

mod chat;
mod daemon;
mod help;
mod history;
mod keys;
mod scripts;
mod talk;

pub(crate) use chat::ChatArgs;
pub(crate) use daemon::{DaemonCommand, ProfileCommand};
pub(crate) use help::Page;
pub(crate) use history::{
    ExportFormat, ExportHistoryArgs, HistoryArgs, HistoryCommand, RemoveArgs, SearchArgs, ShowArgs,
};
pub(crate) use keys::{TrustArgs, VerifyArgs};
pub(crate) use scripts::{EventName, InboxArgs, ReadersCommand, UnreadArgs, WatchArgs};
pub(crate) use talk::{ConnectArgs, IdArgs, SendArgs, UsersArgs};

use crate::{complete, config::ColorWhen, duration};
use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::BoolishValueParser, parser::ValueSource,
};
use clap_complete::Shell;
use pychat_control::Profile;
use std::{ffi::OsString, path::PathBuf, time::Duration};

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
    infer_long_args = false
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads what was typed.
    pub(crate) fn read(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        // The whole command line with its help is put together only for somebody who needs it.
        let matches = match parse_one_verb(&words) {
            Some(matches) => matches,
            None => command().try_get_matches_from(&words)?,
        };
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.globals.ends_after = cli.globals.timeout.filter(|_| was_typed(&matches, "timeout"));
        Ok(cli)
    }
}

/// The whole command line.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command().after_help(first_steps()).after_long_help(long_after());
    help::complete(command)
}

/// Reads words that make sense with the first verb among them alone, which those of nearly every run do:
/// a sixth of the work. Of all others the whole command line says what they mean, or what is wrong.
fn parse_one_verb(words: &[OsString]) -> Option<ArgMatches> {
    let verb = words.iter().skip(1).filter_map(|word| word.to_str()).find_map(one_verb)?;
    let root = Globals::augment_args(clap::Command::new("pychatctl"));
    let mut root = root.subcommand_required(true).infer_long_args(false).subcommand(verb);
    let matches = root.try_get_matches_from_mut(words).ok();
    // The process ends soon, and gives all of it back at once.
    std::mem::forget(root);
    matches
}

/// The verbs that scripts and status bars run all day, each without the others and without its help.
fn one_verb(word: &str) -> Option<clap::Command> {
    Some(match word {
        "users" => UsersArgs::augment_args(clap::Command::new("users")),
        "send" => SendArgs::augment_args(clap::Command::new("send")),
        "inbox" => InboxArgs::augment_args(clap::Command::new("inbox")),
        "status" => clap::Command::new("status"),
        "unread" => UnreadArgs::augment_args(clap::Command::new("unread")),
        _ => return None,
    })
}

/// Whether a flag is on the command line itself, before or after the verb.
fn was_typed(matches: &ArgMatches, id: &str) -> bool {
    let here = matches.value_source(id) == Some(ValueSource::CommandLine);
    here || matches.subcommand().is_some_and(|(_, below)| was_typed(below, id))
}

/// What somebody new types, in this order.
pub(crate) const FIRST_EXAMPLES: &[(&str, &str)] = &[
    ("pychatctl connect alice 'Alice Doe' --server LINK", ""),
    ("pychatctl users", ""),
    ("pychatctl send bob 'Hello!'", ""),
    ("pychatctl chat", ""),
];

/// What each exit code means.
pub(crate) const EXIT_CODES: &str =
    "  0  done                          6  timed out (a message stays queued)
  1  failed                        7  a key changed or is not trusted
  2  wrong usage                   8  rate limited or full
  3  the daemon is out of reach    9  the daemon is of another version
  4  not connected                10  refused (name taken, not permitted)
  5  no such user                130  interrupted";

/// Where files are.
pub(crate) const FILES: &str =
    "  $XDG_CONFIG_HOME/pychat/config.toml                    configuration
  $XDG_CONFIG_HOME/pychat/profiles/PROFILE/config.toml   configuration of a profile
  $XDG_STATE_HOME/pychat/PROFILE/                        identity, messages, log, socket

Keys of the configuration: profile, server, color, timeout, autostart, json, quiet, wait.
A flag goes before a PYCHAT_* variable, before the profile's file, before the user's file.";

fn first_steps() -> String {
    let lines = FIRST_EXAMPLES.iter().map(|(typed, _)| format!("  {typed}"));
    format!(
        "First steps, with the LINK that the server's operator gave you:\n{}",
        lines.collect::<Vec<_>>().join("\n")
    )
}

fn long_after() -> String {
    format!("{}\n\nExit codes:\n{EXIT_CODES}\n\nFiles:\n{FILES}", first_steps())
}

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
        add = complete::profiles(),
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

    /// The same, if it was typed: only then it ends what otherwise goes on until interrupted.
    #[arg(skip)]
    pub(crate) ends_after: Option<Duration>,

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
    /// Show what happens, as it happens.
    Watch(WatchArgs),
    /// Show earlier messages, sent and received.
    History(HistoryArgs),
    /// Look for words in all messages, sent and received.
    Search(SearchArgs),
    /// Show how the connection is.
    Status,
    /// Find out what stands in the way, and what to do about it.
    Doctor,
    /// Show how many messages wait to be read, and from whom.
    Unread(UnreadArgs),
    /// Show who takes each message once, and how far it is.
    Readers {
        /// What to do with them.
        #[command(subcommand)]
        what: Option<ReadersCommand>,
    },
    /// Show what happened to a message, step by step.
    Trace(IdArgs),
    /// Take back a message that was not handed to the network yet.
    Cancel(IdArgs),
    /// Compare keys with somebody: does anybody stand between you?
    Verify(VerifyArgs),
    /// Accept the new key of somebody whose key changed.
    Trust(TrustArgs),
    /// Show whom you know by key, and how well.
    Contacts,
    /// Control the background daemon.
    #[command(subcommand)]
    Daemon(DaemonCommand),
    /// Show, back up or move the identities on this machine.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Print the completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print a manual page, or write all of them into a directory.
    Man {
        /// The command, such as: history export [default: pychatctl itself].
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,
        /// Write a page for each command into this directory.
        #[arg(long, value_name = "DIR", conflicts_with = "words")]
        dir: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests;
