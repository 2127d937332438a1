//! What can be typed to take messages and events as they come.

use crate::{commands::Template, complete};
use clap::{Args, Subcommand, ValueEnum};

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
    #[arg(long, value_name = "USER", add = complete::users())]
    pub(crate) from: Option<String>,
    /// Then wait for more and show each as it comes, until interrupted or for --timeout TIME.
    #[arg(short, long, conflicts_with_all = ["count", "next"])]
    pub(crate) follow: bool,
    /// Print only how many there are.
    #[arg(long, conflicts_with = "next")]
    pub(crate) count: bool,
    /// Take each message once, for a script: those that this reader did not take yet, read or not,
    /// and leave them unread. NAME is of your choice.
    #[arg(long, value_name = "NAME", add = complete::readers(),
          conflicts_with_all = ["peek", "since", "from", "count", "next"])]
    pub(crate) reader: Option<String>,
    /// Go on from `next` of the list before (with --peek --json).
    #[arg(long, value_name = "NEXT", hide_short_help = true)]
    pub(crate) next: Option<String>,
}

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// First everything after this event's cursor; 0 is all that is kept [default: from now on].
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<u64>,
    /// Only events of these kinds.
    #[arg(long, value_name = "KINDS", value_enum, value_delimiter = ',')]
    pub(crate) events: Vec<EventName>,
    /// End after N events.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
}

/// Arguments of `unread`.
#[derive(Debug, Args)]
pub(crate) struct UnreadArgs {
    /// Print this line: {total}, {senders} (how many) and {names} are filled in, {{ and }} are
    /// braces.
    #[arg(long, value_name = "TEXT")]
    pub(crate) format: Option<Template>,
    /// Print nothing when there are none.
    #[arg(long)]
    pub(crate) if_any: bool,
    /// Print a line now and on each change, until interrupted or for --timeout TIME.
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// What can be done with readers.
#[derive(Debug, Subcommand)]
pub(crate) enum ReadersCommand {
    /// Forget a reader; a new one of that name begins with what is unread.
    Rm {
        /// Which.
        #[arg(value_name = "NAME", add = complete::readers())]
        reader: String,
    },
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventName {
    /// A message arrived.
    Message,
    /// A message of yours got further.
    State,
    /// A message to you was shown, here or in another program.
    Shown,
    /// The link to the server changed.
    Connection,
    /// Somebody came, went or fell silent.
    Presence,
    /// The server's operator tells all who are there something.
    #[value(name = "server_notice")]
    ServerNotice,
    /// Somebody's key was pinned, verified or trusted, or another one presents itself.
    Contact,
}
