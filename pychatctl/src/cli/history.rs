//! What can be typed about earlier messages.

use crate::complete;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Arguments of `history`.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// What else can be done with it.
    #[command(subcommand)]
    pub(crate) what: Option<HistoryCommand>,
}

/// What is shown of it.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct ShowArgs {
    /// Only the conversation with this user. One called `rm` goes after --: history -- rm
    #[arg(value_name = "PEER", add = complete::users())]
    pub(crate) peer: Option<String>,
    /// The same, whatever the user is called.
    #[arg(long, value_name = "PEER", add = complete::users(), conflicts_with = "peer")]
    pub(crate) with: Option<String>,
    /// Show the last N messages [default: 50].
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Only what this user wrote.
    #[arg(long, value_name = "USER", add = complete::users())]
    pub(crate) from: Option<String>,
    /// Only messages since this time: 2h (ago), 2026-01-31 or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only messages before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Go on with older ones from `next` of the list before.
    #[arg(long, value_name = "NEXT", hide_short_help = true)]
    pub(crate) next: Option<String>,
    /// The first ones after this place, in place of the last ones.
    #[arg(long, value_name = "PLACE", hide = true)]
    pub(crate) after: Option<u64>,
    /// Only those before this place.
    #[arg(long, value_name = "PLACE", hide = true)]
    pub(crate) before: Option<u64>,
}

/// What can be done with the history.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Write messages into a file, oldest first.
    Export(ExportHistoryArgs),
    /// Remove messages from this machine, for good.
    Rm(RemoveArgs),
}

/// Arguments of `history export`.
#[derive(Debug, Args)]
pub(crate) struct ExportHistoryArgs {
    /// Only the conversation with this user.
    #[arg(value_name = "PEER", add = complete::users())]
    pub(crate) peer: Option<String>,
    /// The file to write; `-` is standard output [default: -].
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The same, without a PEER before it: messages with everybody.
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) output: Option<PathBuf>,
    /// Only messages since this time: 2h (ago), 2026-01-31 or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only messages before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// How to write it [default: markdown for a FILE that ends in .md, else jsonl].
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) format: Option<ExportFormat>,
    /// Overwrite the file, if it is there.
    #[arg(long)]
    pub(crate) force: bool,
}

/// How messages are written into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One message a line, as in `--json`.
    Jsonl,
    /// A document for people.
    Markdown,
}

/// Arguments of `history rm`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true)
    .args(["peer", "until", "id", "all"]))]
pub(crate) struct RemoveArgs {
    /// Messages exchanged with this user.
    #[arg(value_name = "PEER", add = complete::users())]
    pub(crate) peer: Option<String>,
    /// Messages before this time: 90d (ago), 2026-01-31 or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Messages with these ids.
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) id: Option<Vec<String>>,
    /// Everything.
    #[arg(long, conflicts_with_all = ["peer", "until", "id"])]
    pub(crate) all: bool,
    /// Unread ones too, which nobody saw.
    #[arg(long)]
    pub(crate) unread_too: bool,
    /// Only say how many there are.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Do not ask first.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Words that all have to be there; 'some words' in this order; begin* for what begins so.
    #[arg(value_name = "WORDS", required = true)]
    pub(crate) words: Vec<String>,
    /// Only what this user wrote.
    #[arg(long, value_name = "USER", add = complete::users())]
    pub(crate) from: Option<String>,
    /// Only the conversation with this user.
    #[arg(long, value_name = "PEER", add = complete::users())]
    pub(crate) with: Option<String>,
    /// Only messages since this time: 2h (ago), 2026-01-31 or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only messages before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Show this many messages before and after each hit.
    #[arg(short = 'C', long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=20), hide_default_value = true)]
    pub(crate) context: u32,
    /// Show the newest N hits [default: 50].
    #[arg(short = 'n', long, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: Option<u32>,
    /// Go on with older ones from `next` of the list before.
    #[arg(long, value_name = "NEXT", hide_short_help = true)]
    pub(crate) next: Option<String>,
}
