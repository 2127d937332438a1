//! What can be typed about earlier messages.

use clap::Args;

/// Arguments of `search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Words that all have to be there; 'some words' in this order; begin* for what begins so.
    #[arg(value_name = "WORDS", required = true)]
    pub(crate) words: Vec<String>,
    /// Only what this user wrote.
    #[arg(long, value_name = "USER")]
    pub(crate) from: Option<String>,
    /// Only the conversation with this user.
    #[arg(long, value_name = "PEER")]
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
