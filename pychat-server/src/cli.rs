//! The command line.

mod admin;

pub use admin::{AdminArgs, AdminCommand};

use crate::{metrics::MetricsAddress, migrate::Place as StorePlace};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use pychat_proto::Place;
use std::{net::SocketAddr, num::NonZeroU8, path::PathBuf};

/// What the program is asked to do.
#[derive(Debug, Parser)]
#[command(
    name = "pychat-server",
    version,
    about = "The PyChat server: relays and keeps messages until their recipients have them",
    after_help = EXIT_CODES,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// Without one: `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// For `serve` without the word.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until stopped (the default)
    #[command(after_help = EXIT_CODES)]
    Serve(ServeArgs),
    /// Print the join link that people need to connect
    Link(LinkArgs),
    /// Ask a running server, or have it do something
    #[command(after_help = admin::EXAMPLES)]
    Admin(AdminArgs),
    /// Make a data directory of a backup that `admin backup` made
    Restore(RestoreArgs),
    /// Move all mailboxes, accounts and keys from a data directory to a cluster, or back
    #[command(after_help = MIGRATE_HELP)]
    Migrate(MigrateArgs),
    /// Share the server's key with another node, or take it over
    #[command(subcommand)]
    Key(KeyCommand),
    /// Check a configuration file, or print one with all defaults
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Serve as a Windows service
    #[cfg(windows)]
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Print the completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// The directory; it is made if there is none
        dir: PathBuf,
    },
}

/// What both `serve` and `link` look at. A flag goes before its variable, and both before the file.
#[derive(Clone, Debug, Default, Args)]
pub struct CommonArgs {
    /// Where keys and mailboxes are kept
    /// [default: $XDG_STATE_HOME/pychat-server; for root: /var/lib/pychat-server; on Windows:
    /// %LOCALAPPDATA%\pychat-server]
    #[arg(long, value_name = "DIR", env = "PYCHAT_SERVER_DATA", verbatim_doc_comment)]
    pub data: Option<PathBuf>,
    /// Configuration file (TOML; see `config default`)
    #[arg(long, value_name = "FILE", env = "PYCHAT_SERVER_CONFIG")]
    pub config: Option<PathBuf>,
    /// The name under which people reach this server, for the join link
    #[arg(long, value_name = "HOST", env = "PYCHAT_SERVER_HOST")]
    pub host: Option<String>,
}

/// How to serve.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CommonArgs,
    /// Address and UDP port to listen on; may be given several times; port 0 takes a free one
    /// (default: port 7420 of all addresses; with --dev 127.0.0.1:7420)
    #[arg(
        long,
        value_name = "ADDR",
        env = "PYCHAT_SERVER_LISTEN",
        value_delimiter = ',',
        verbatim_doc_comment
    )]
    pub listen: Vec<SocketAddr>,
    /// Where mailboxes are kept instead of the data directory, for several servers at once: a NATS JetStream
    /// cluster, as `nats://n1,n2,n3` (see docs/SCALING.md for what may follow)
    #[arg(
        long,
        value_name = "LINK",
        env = "PYCHAT_SERVER_STORE",
        hide_env_values = true,
        verbatim_doc_comment
    )]
    pub store: Option<String>,
    /// Threads that serve sessions [default: one for each two cores]
    #[arg(long, value_name = "N", env = "PYCHAT_SERVER_SHARDS")]
    pub shards: Option<NonZeroU8>,
    /// Where clients reach this node, of a server that has several
    #[arg(long, value_name = "HOST:PORT", env = "PYCHAT_SERVER_ADVERTISE")]
    pub advertise: Option<Place>,
    /// Where all nodes of the server are, for clients
    #[arg(long, value_name = "HOST:PORT", env = "PYCHAT_SERVER_NODES", value_delimiter = ',')]
    pub nodes: Vec<Place>,
    /// For development: listen on this machine only, and keep data apart
    #[arg(long, env = "PYCHAT_SERVER_DEV")]
    pub dev: bool,
    /// Write every text to the disk, also one that its recipient's disk has by then. Costs more, and
    /// loses nothing less: for comparing, or where the server's copy is wanted
    #[arg(long, env = "PYCHAT_SERVER_ALWAYS_WRITE", verbatim_doc_comment)]
    pub always_write: bool,
    /// Tell metrics (Prometheus) and health over HTTP at this address of this machine, as
    /// 127.0.0.1:7421, or at a socket, as `unix:/run/metrics.sock` [default: nowhere]
    #[arg(long, value_name = "ADDR", env = "PYCHAT_SERVER_METRICS", verbatim_doc_comment)]
    pub metrics: Option<MetricsAddress>,
    /// Let --metrics be an address that other machines reach, without a password
    #[arg(long, env = "PYCHAT_SERVER_METRICS_EXPOSE")]
    pub metrics_expose: bool,
    /// What to log to standard error: error, warn, info, debug, trace, or a filter by module
    /// [default: info]
    #[arg(long, value_name = "FILTER", env = "PYCHAT_SERVER_LOG", verbatim_doc_comment)]
    pub log: Option<String>,
}

/// Whose link to print.
#[derive(Clone, Debug, Default, Args)]
pub struct LinkArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CommonArgs,
    /// The UDP port under which people reach this server [default: as configured, or 7420]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The data directory of `serve --dev`
    #[arg(long, env = "PYCHAT_SERVER_DEV")]
    pub dev: bool,
}

/// What to restore.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// What `pychat-server admin backup` made
    pub file: PathBuf,
    /// The data directory to make; it is empty, or not there
    #[arg(long, value_name = "DIR", env = "PYCHAT_SERVER_DATA")]
    pub data: PathBuf,
}

/// What to move where.
#[derive(Clone, Debug, Args)]
pub struct MigrateArgs {
    /// Where everything is: a data directory, or a cluster as `nats://HOST,..` (as --store of `serve`)
    #[arg(long, value_name = "PLACE", required_unless_present = "reopen", requires = "to")]
    pub from: Option<StorePlace>,
    /// Where it is to be: the other of the two, empty or half filled by the same command
    #[arg(long, value_name = "PLACE", requires = "from")]
    pub to: Option<StorePlace>,
    /// Compare what both hold, and change nothing
    #[arg(long, requires = "from")]
    pub check: bool,
    /// Let servers use a place again whose mailboxes were moved; what came since is not there
    #[arg(long, value_name = "PLACE", conflicts_with_all = ["from", "to", "check"])]
    pub reopen: Option<StorePlace>,
    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,
}

const MIGRATE_HELP: &str = "\
Stop all servers that use either place first. What is read is not changed, but for a mark at the end
that it was moved, which keeps servers from using it by mistake. Killed at any moment and started
again, the same command goes on where it was.

The server's key does not move: see `pychat-server key`. Neither do configuration files.

Examples:
  pychat-server migrate --from /var/lib/pychat-server --to 'nats://n1,n2,n3'
  pychat-server migrate --from /var/lib/pychat-server --to 'nats://n1,n2,n3' --check
  pychat-server migrate --from 'nats://n1,n2,n3' --to /srv/pychat-server
  pychat-server migrate --reopen /var/lib/pychat-server";

/// What to do with the service.
#[cfg(windows)]
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Register the service pychat-server, which starts with the system and serves with these options.
    /// It runs as the account LocalService, and keeps its data and its log in that account's home
    #[command(verbatim_doc_comment)]
    Install(ServeArgs),
    /// Stop the service and take it away; its data stays
    Remove,
    /// What the manager of services starts
    #[command(hide = true)]
    Run(ServeArgs),
}

/// What to do with the server's key.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Write the key to a file, to be imported on another node
    #[command(after_help = KEY_HELP)]
    Export(KeyArgs),
    /// Make the key in a file this server's; the server is stopped
    #[command(after_help = KEY_HELP)]
    Import(KeyArgs),
}

/// Which key, and where.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// The file with the key
    pub file: PathBuf,
    /// The data directory
    /// [default: $XDG_STATE_HOME/pychat-server; for root: /var/lib/pychat-server]
    #[arg(long, value_name = "DIR", env = "PYCHAT_SERVER_DATA", verbatim_doc_comment)]
    pub data: Option<PathBuf>,
    /// The data directory of `serve --dev`
    #[arg(long, env = "PYCHAT_SERVER_DEV")]
    pub dev: bool,
    /// Overwrite what is there
    #[arg(long)]
    pub yes: bool,
}

const KEY_HELP: &str = "\
The key is what clients know this server by. Whoever has it can pose as the server. All nodes of
one server share it; a server of its own has its own.

Examples:
  pychat-server key export server.key          on the first node
  pychat-server key import server.key          on each other one, before its first start";

/// What to do with configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a file; says nothing if it is fine
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print a configuration file with all defaults
    Default,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  stopped as asked        4  the data directory cannot be used
  1  other failure           5  another server uses the data directory
  2  wrong usage             6  the address cannot be listened on
  3  bad configuration       7  the store failed for good: start again
  8  no running server answers (admin)
  9  the running server refused what was asked (admin)
 10  two stores do not hold the same (migrate)
130  interrupted twice

Each option has a variable: PYCHAT_SERVER_LISTEN, PYCHAT_SERVER_DATA, ...";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_may_be_left_out() {
        let with = Cli::try_parse_from(["pychat-server", "serve", "--shards", "3"]).unwrap();
        let Some(Command::Serve(with)) = with.command else { panic!("not serve") };
        let without = Cli::try_parse_from(["pychat-server", "--shards", "3"]).unwrap();
        assert!(without.command.is_none());
        assert_eq!(with.shards, without.serve.shards);
    }

    #[test]
    fn several_addresses_may_be_listened_on() {
        let cli = Cli::try_parse_from([
            "pychat-server",
            "--listen",
            "127.0.0.1:1",
            "--listen",
            "[::1]:2,127.0.0.1:3",
        ]);
        let addresses: Vec<String> =
            cli.unwrap().serve.listen.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1:1", "[::1]:2", "127.0.0.1:3"]);
    }
}
