//! The command line.

use crate::scenario::{Load, Relay};
use clap::{Args, Parser, Subcommand};
use pychat_proto::JoinLink;
use std::{path::PathBuf, time::Duration};

/// What the program is asked to do.
#[derive(Debug, Parser)]
#[command(
    name = "pychat-bench",
    version,
    about = "Measures a PyChat server: a private one, or any that takes logins",
    after_help = NOTES
)]
pub struct Cli {
    /// What to measure.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Texts between pairs, as fast as the server accepts them
    Throughput(Throughput),
    /// Texts between pairs at a steady rate: how long each one takes
    Latency(Latency),
    /// Sessions that do nothing: the server's memory for each
    Idle(Idle),
    /// Storms of logins: how many a second, and what each costs
    Logins(Logins),
    /// Texts for somebody who is away, and how long they take to be collected
    Mailbox(Mailbox),
}

/// Closed loop.
#[derive(Debug, Args)]
pub struct Throughput {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub pairs: Pairs,
    /// Texts that a sender keeps under way, that is not accepted by the server
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub window: u64,
}

/// Open loop.
#[derive(Debug, Args)]
pub struct Latency {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub pairs: Pairs,
    /// Texts a second that each sender writes, whatever comes back
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = positive)]
    pub rate: f64,
}

/// Sessions that do nothing.
#[derive(Debug, Args)]
pub struct Idle {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=SESSIONS_MAX))]
    pub sessions: u32,
}

/// Storms of logins.
#[derive(Debug, Args)]
pub struct Logins {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    /// How many log in, and then again
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=SESSIONS_MAX))]
    pub sessions: u32,
}

/// Texts for somebody who is away.
#[derive(Debug, Args)]
pub struct Mailbox {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    /// How many; a mailbox holds 10000 unless the server is configured otherwise
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub messages: u64,
    /// Texts that the sender keeps under way, that is not accepted by the server
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub window: u64,
}

/// Most sessions: the names have five digits for a pair.
const SESSIONS_MAX: i64 = 199_999;

/// Who writes, and for how long.
#[derive(Clone, Copy, Debug, Args)]
pub struct Pairs {
    /// Senders, with a recipient each
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub pairs: u32,
    /// Measured time
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = positive)]
    pub seconds: f64,
    /// Time before that, which is not measured
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = positive)]
    pub warmup: f64,
}

/// What all scenarios take.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Runs to take medians of; each private server is a fresh one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub reps: u16,
    /// Measure the server of this join link instead of a private one; texts are written there by
    /// users named b00000a, b00000b, ...
    #[arg(long, value_name = "LINK", verbatim_doc_comment)]
    pub server: Option<JoinLink>,
    /// The process of that server, to see what it uses, if it runs on this machine
    #[arg(long, value_name = "PID", requires = "server")]
    pub server_pid: Option<u32>,
    /// The private server's program [default: pychat-server beside this program]
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub server_program: Option<PathBuf>,
    /// Another argument for the private server; may be given several times
    #[arg(long, value_name = "ARG", conflicts_with = "server", allow_hyphen_values = true)]
    pub server_arg: Vec<String>,
    /// The private server writes each text to disk, also those that their recipients hold already
    #[arg(long, conflicts_with = "server")]
    pub always_write: bool,
    /// Sockets that all clients share: fewer than clients, as a hundred thousand do not fit into
    /// file descriptors, and more than one, as the server's threads each get a share of them
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000), verbatim_doc_comment)]
    pub sockets: u16,
    /// Logins under way at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub parallel: u32,
    /// Determines the clients' keys: the same ones may use a server again
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Scenario {
    /// What all of them take.
    #[must_use]
    pub const fn common(&self) -> &Common {
        match self {
            Self::Throughput(asked) => &asked.common,
            Self::Latency(asked) => &asked.common,
            Self::Idle(asked) => &asked.common,
            Self::Logins(asked) => &asked.common,
            Self::Mailbox(asked) => &asked.common,
        }
    }

    /// What is measured, in words that name what changes it.
    #[must_use]
    pub fn label(&self) -> String {
        let work = match self {
            Self::Throughput(asked) => {
                format!("throughput P={} W={}", asked.pairs.pairs, asked.window)
            }
            Self::Latency(asked) => {
                format!("latency P={} at {}/s each", asked.pairs.pairs, asked.rate)
            }
            Self::Idle(asked) => format!("idle {} sessions", asked.sessions),
            Self::Logins(asked) => format!("logins {}", asked.sessions),
            Self::Mailbox(asked) => format!("mailbox {} messages", asked.messages),
        };
        work + if self.common().always_write { ", always written" } else { "" }
    }
}

impl Pairs {
    /// The work of these pairs.
    #[must_use]
    pub fn relay(&self, common: &Common, load: Load) -> Relay {
        Relay {
            pairs: self.pairs,
            load,
            parallel: common.parallel,
            warmup: Duration::from_secs_f64(self.warmup),
            measured: Duration::from_secs_f64(self.seconds),
        }
    }
}

/// A number above zero and below a million.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number < 1e6 => Ok(number),
        Ok(_) | Err(_) => Err("not a number above 0 and below 1000000".into()),
    }
}

const NOTES: &str = "\
No figure is printed for a run in which a text was lost, doubled or out of order.
Exit codes: 0 measured, 1 a run failed, 2 wrong usage.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
