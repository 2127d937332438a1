//! The command line.

use crate::scenario::{Load, Relay};
use clap::{Args, Parser, Subcommand};
use pychat_proto::JoinLink;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

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
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    /// Texts between pairs, as fast as the server accepts them
    Throughput(Throughput),
    /// Texts between pairs at a steady rate: how long each one takes
    Latency(Latency),
    /// Sessions that do nothing: the server's memory for each
    Idle(Idle),
    /// Storms of logins: how many a second, and what each costs
    Logins(Logins),
    /// The server restarts under its sessions: how long until all are back
    Storm(Storm),
    /// Texts for somebody who is away, and how long they take to be collected
    Mailbox(Mailbox),
    /// Texts at a steady rate across a link that loses datagrams: how long each one takes
    Lossy(Lossy),
}

/// Closed loop.
#[derive(Clone, Debug, Args)]
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
    /// Measure with each of these numbers of pairs in turn, instead of one
    #[arg(long, value_name = "N,..", value_delimiter = ',', conflicts_with = "crowd", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub sweep: Vec<u32>,
    /// Draw texts a second by the number of sessions of a sweep to this file, or the server's processor
    /// time of a text by the crowd
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Open loop.
#[derive(Clone, Debug, Args)]
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
    /// Draw how the latencies of all runs are spread to this file, or the server's processor time of a
    /// text by the crowd
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Sessions that do nothing.
#[derive(Clone, Debug, Args)]
pub struct Idle {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=SESSIONS_MAX))]
    pub sessions: u32,
}

/// Storms of logins.
#[derive(Clone, Debug, Args)]
pub struct Logins {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    /// How many log in, and then again
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=SESSIONS_MAX))]
    pub sessions: u32,
}

/// A restart under many sessions.
#[derive(Clone, Debug, Args)]
pub struct Storm {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    /// How many sessions the server has when it ends
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=SESSIONS_MAX))]
    pub sessions: u32,
    /// It is killed, without a goodbye
    #[arg(long)]
    pub kill: bool,
}

/// Texts for somebody who is away.
#[derive(Clone, Debug, Args)]
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

/// Open loop across a bad link.
#[derive(Clone, Debug, Args)]
pub struct Lossy {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    /// Senders, with a recipient each
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub pairs: u32,
    /// Texts a second that each sender writes, whatever comes back
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = positive)]
    pub rate: f64,
    /// Time in which texts are written; all are measured
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = positive)]
    pub seconds: f64,
    /// Share of datagrams that a proxy before the private server loses, each way; with --server the
    /// link there is what it is
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    pub loss: f64,
    /// Time that the proxy takes for a datagram, each way
    #[arg(long, value_name = "MS", default_value_t = 25)]
    pub delay_ms: u32,
    /// No proxy: the private server runs in another network namespace, named by the variable
    /// `WIRE_B`, at the address `WIRE_B_ADDR`, across whatever link there is between there and here
    #[arg(long, conflicts_with = "server")]
    pub wire: bool,
    /// Draw how the latencies of all runs are spread to this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Most sessions: the names have five digits for a pair.
const SESSIONS_MAX: i64 = 199_999;

/// Most sessions of a crowd: as many pairs as there can be take the rest of the names.
const CROWD_MAX: i64 = 100_000;

/// Who writes, and for how long.
#[derive(Clone, Debug, Args)]
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
    /// Sessions that do nothing beside the pairs, and are measured by themselves before the pairs write;
    /// of several numbers each in turn
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=CROWD_MAX))]
    pub crowd: Vec<u32>,
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
    #[arg(long, value_name = "LINK")]
    pub server: Option<JoinLink>,
    /// Where those log in who are written to, if that is another of that server's nodes
    #[arg(long, value_name = "ADDR", requires = "server")]
    pub recipients: Option<SocketAddr>,
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
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub sockets: u16,
    /// Logins under way at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub parallel: u32,
    /// Determines the clients' keys, so that the same ones may use a server again, and what the
    /// proxy of `lossy` loses
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
            Self::Storm(asked) => &asked.common,
            Self::Mailbox(asked) => &asked.common,
            Self::Lossy(asked) => &asked.common,
        }
    }

    /// What to measure in turn: itself, or each step of a sweep, of pairs or of the crowd beside them.
    #[must_use]
    pub fn steps(&self) -> Vec<Self> {
        match self {
            Self::Throughput(asked) if !asked.sweep.is_empty() => {
                let step = |pairs| {
                    let mut step = asked.clone();
                    step.pairs.pairs = pairs;
                    Self::Throughput(step)
                };
                ascending(&asked.sweep).map(step).collect()
            }
            Self::Throughput(asked) if !asked.pairs.crowd.is_empty() => {
                let step = |crowd| {
                    let mut step = asked.clone();
                    step.pairs.crowd = vec![crowd];
                    Self::Throughput(step)
                };
                ascending(&asked.pairs.crowd).map(step).collect()
            }
            Self::Latency(asked) if !asked.pairs.crowd.is_empty() => {
                let step = |crowd| {
                    let mut step = asked.clone();
                    step.pairs.crowd = vec![crowd];
                    Self::Latency(step)
                };
                ascending(&asked.pairs.crowd).map(step).collect()
            }
            Self::Throughput(_)
            | Self::Latency(_)
            | Self::Idle(_)
            | Self::Logins(_)
            | Self::Storm(_)
            | Self::Mailbox(_)
            | Self::Lossy(_) => vec![self.clone()],
        }
    }

    /// Who writes beside a crowd, if there is one.
    #[must_use]
    pub fn crowded(&self) -> Option<&Pairs> {
        match self {
            Self::Throughput(Throughput { pairs, .. }) | Self::Latency(Latency { pairs, .. }) => {
                Some(pairs).filter(|pairs| !pairs.crowd.is_empty())
            }
            Self::Idle(_)
            | Self::Logins(_)
            | Self::Storm(_)
            | Self::Mailbox(_)
            | Self::Lossy(_) => None,
        }
    }

    /// Where to draw.
    #[must_use]
    pub fn svg(&self) -> Option<&Path> {
        match self {
            Self::Throughput(asked) => asked.svg.as_deref(),
            Self::Latency(asked) => asked.svg.as_deref(),
            Self::Lossy(asked) => asked.svg.as_deref(),
            Self::Idle(_) | Self::Logins(_) | Self::Storm(_) | Self::Mailbox(_) => None,
        }
    }

    /// What is measured, in words that name what changes it.
    #[must_use]
    pub fn label(&self) -> String {
        let work = match self {
            Self::Throughput(asked) => {
                format!("throughput {} W={}", asked.pairs.label(), asked.window)
            }
            Self::Latency(asked) => {
                format!("latency {} at {}/s each", asked.pairs.label(), asked.rate)
            }
            Self::Idle(asked) => format!("idle {} sessions", asked.sessions),
            Self::Logins(asked) => format!("logins {}", asked.sessions),
            Self::Storm(asked) => {
                let ending = if asked.kill { "killed" } else { "stopped" };
                format!("storm {} sessions, {ending}", asked.sessions)
            }
            Self::Mailbox(asked) => format!("mailbox {} messages", asked.messages),
            Self::Lossy(asked) => asked.label(),
        };
        work + if self.common().always_write { ", always written" } else { "" }
    }
}

impl Lossy {
    /// Whether a proxy of ours loses the datagrams.
    #[must_use]
    pub const fn has_proxy(&self) -> bool {
        !self.wire && self.common.server.is_none()
    }

    fn label(&self) -> String {
        let Self { pairs, rate, loss, delay_ms, .. } = self;
        let work = format!("lossy P={pairs} at {rate}/s each");
        if !self.has_proxy() {
            return work;
        }
        format!("{work}, loss {loss}, delay {delay_ms} ms, seed {}", self.common.seed)
    }
}

impl Pairs {
    /// The work of these pairs.
    #[must_use]
    pub fn relay(&self, common: &Common, load: Load) -> Relay {
        Relay {
            pairs: self.pairs,
            crowd: self.crowd.first().copied().unwrap_or(0),
            load,
            parallel: common.parallel,
            warmup: Duration::from_secs_f64(self.warmup),
            measured: Duration::from_secs_f64(self.seconds),
        }
    }

    fn label(&self) -> String {
        let Self { pairs, crowd, .. } = self;
        let crowd: Vec<String> = crowd.iter().map(u32::to_string).collect();
        if crowd.is_empty() {
            return format!("P={pairs}");
        }
        format!("P={pairs} beside {}", crowd.join(", "))
    }
}

/// Each number once.
fn ascending(numbers: &[u32]) -> impl Iterator<Item = u32> {
    let numbers: std::collections::BTreeSet<u32> = numbers.iter().copied().collect();
    numbers.into_iter()
}

/// A number above zero and below a million.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number < 1e6 => Ok(number),
        Ok(_) | Err(_) => Err("not a number above 0 and below 1000000".into()),
    }
}

/// A part of the whole.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err("not a share: at least 0 and less than 1".into()),
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
