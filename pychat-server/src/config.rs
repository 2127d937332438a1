//! The configuration file, and what it, the flags and the variables come to.

mod nodes;

pub use nodes::NodeSettings;

use crate::{
    admin::client::socket_beside,
    cli::{LinkArgs, ServeArgs},
    metrics::MetricsAddress,
    shard::Registration,
    store::{
        Quota,
        jetstream::{self, BadOptions},
    },
};
use pychat_proto::{InvalidLink, Place as NodePlace};
use serde::Deserialize;
use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{NonZeroU8, NonZeroU64},
    path::{Path, PathBuf},
    time::Duration,
};

/// The port where none is given.
pub const DEFAULT_PORT: u16 = 7420;

/// A configuration file with every setting at its default.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// Over how long the clients of a stopped server come back at most: what 300,000 sessions of one shard take at
/// [`crate::shard::RETURNS_PER_S`]. Fewer take less.
const RESTART_SPREAD: Duration = Duration::from_secs(300);

/// All that `serve` needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; never empty.
    pub listen: Vec<SocketAddr>,
    /// Where keys and mailboxes are kept.
    pub data: PathBuf,
    /// The cluster that mailboxes are kept in, if they are not kept in `data`.
    pub store: Option<jetstream::Options>,
    /// For the join link.
    pub host: Option<String>,
    /// Which node of a server this is, if it has several.
    pub nodes: NodeSettings,
    /// Threads that serve sessions.
    pub shards: u8,
    /// What to log.
    pub log: String,
    /// Over how long clients are to come back after a stop.
    pub restart_spread: Duration,
    /// What a mailbox holds.
    pub quota: Quota,
    /// Whether texts are written too that their recipients have made safe before.
    pub always_write: bool,
    /// Who may claim a name.
    pub registration: Registration,
    /// How lines of the log look.
    pub log_format: LogFormat,
    /// Where the operator's requests come in.
    pub admin_socket: PathBuf,
    /// Where metrics and health are told, if they are.
    pub metrics: Option<MetricsAddress>,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// JSON Lines, for programs.
    Json,
}

/// What `link` needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Where the keys are.
    pub data: PathBuf,
    /// The name under which people reach the server.
    pub host: Option<String>,
    /// The nodes that people reach, where no name was chosen.
    pub nodes: NodeSettings,
    /// Where it listens, or the port that was asked for.
    pub address: SocketAddr,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file makes no sense at one place.
    #[error("{}:{place}: {message}", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// Metrics would be told to whoever asks.
    #[error("metrics and health would be open to the network at {0}")]
    Exposed(SocketAddr),
    /// The link to the store makes no sense.
    #[error("the store cannot be used: {0}")]
    Store(#[from] BadOptions),
    /// The name for the join link is none.
    #[error("host: {0}")]
    Host(InvalidLink),
    /// There are nodes, and none of them is this one.
    #[error("nodes are named, but not which of them this server is")]
    NodeWithoutName,
    /// Clients cannot be told of so many.
    #[error("{named} nodes are named, and clients can be told of {told} with names of this length")]
    TooManyNodes {
        /// As many as fit.
        told: usize,
        /// As many as there are.
        named: usize,
    },
    /// There is no place for the data.
    #[error("there is no data directory: neither --data nor {HOME_VARIABLES} is set")]
    NoData,
    /// More threads than can share a port there.
    #[error(
        "{0} shards are wanted, and on this system sockets cannot share a port: there is one shard"
    )]
    Shards(u8),
}

/// A place in a file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Vec<SocketAddr>,
    data: Option<PathBuf>,
    store: Option<String>,
    host: Option<String>,
    advertise: Option<NodePlace>,
    nodes: Option<Vec<NodePlace>>,
    shards: Option<NonZeroU8>,
    log: Option<String>,
    log_format: LogFormat,
    restart_spread_s: Option<u16>,
    mailbox: Mailbox,
    registration: RegistrationTable,
    admin: AdminTable,
    metrics: MetricsTable,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AdminTable {
    socket: Option<PathBuf>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MetricsTable {
    listen: Option<MetricsAddress>,
    expose: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Mailbox {
    messages: Option<NonZeroU64>,
    bytes: Option<NonZeroU64>,
    always_write: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RegistrationTable {
    policy: Policy,
    invites: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Policy {
    #[default]
    Open,
    Invite,
    Closed,
}

impl Settings {
    /// Flags and variables over the file over the defaults.
    ///
    /// # Errors
    /// The file cannot be used, or there is no place for the data.
    pub fn resolve(args: &ServeArgs) -> Result<Self, ConfigError> {
        let path = config_path(args.common.config.as_deref());
        let file = path.as_deref().map(read).transpose()?.unwrap_or_default();
        let data = args.common.data.clone().or(file.data);
        let data = data.map_or_else(|| default_data(args.dev), Ok)?;
        let default_quota = Quota::default();
        let expose = args.metrics_expose || file.metrics.expose;
        let advertise = args.advertise.clone().or(file.advertise);
        let listed = if args.nodes.is_empty() { file.nodes } else { Some(args.nodes.clone()) };
        Ok(Self {
            metrics: private(args.metrics.clone().or(file.metrics.listen), expose)?,
            admin_socket: file.admin.socket.unwrap_or_else(|| socket_beside(&data)),
            log_format: file.log_format,
            listen: first_listed([&args.listen, &file.listen], args.dev),
            data,
            store: cluster(args.store.clone().or(file.store))?,
            host: checked_host(args.common.host.clone().or(file.host))?,
            nodes: NodeSettings::of(advertise, listed)?,
            shards: shards(args.shards.or(file.shards))?,
            log: args.log.clone().or(file.log).unwrap_or_else(|| "info".into()),
            restart_spread: file
                .restart_spread_s
                .map_or(RESTART_SPREAD, |seconds| Duration::from_secs(seconds.into())),
            quota: Quota {
                entries: file.mailbox.messages.map_or(default_quota.entries, NonZeroU64::get),
                bytes: file.mailbox.bytes.map_or(default_quota.bytes, NonZeroU64::get),
            },
            always_write: args.always_write || file.mailbox.always_write,
            registration: match file.registration.policy {
                Policy::Open => Registration::Open,
                Policy::Invite => Registration::Invite(file.registration.invites),
                Policy::Closed => Registration::Closed,
            },
        })
    }
}

impl LinkSettings {
    /// Flags and variables over the file over the defaults.
    ///
    /// # Errors
    /// As for [`Settings::resolve`].
    pub fn resolve(args: &LinkArgs) -> Result<Self, ConfigError> {
        let serve =
            ServeArgs { common: args.common.clone(), dev: args.dev, ..ServeArgs::default() };
        let settings = Settings::resolve(&serve)?;
        let mut address = settings.listen[0];
        match (args.port, address.port()) {
            (Some(port), _) => address.set_port(port),
            (None, 0) => address.set_port(DEFAULT_PORT),
            (None, _) => {}
        }
        let Settings { data, host, nodes, .. } = settings;
        Ok(Self { data, host, nodes, address })
    }
}

/// The data directory that was named, or the default one.
///
/// # Errors
/// There is no place for one.
pub fn data_directory(named: Option<&Path>, dev: bool) -> Result<PathBuf, ConfigError> {
    named.map_or_else(|| default_data(dev), |path| Ok(path.to_owned()))
}

/// Checks a file.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(path: &Path) -> Result<(), ConfigError> {
    checked(read(path)?)
}

/// Checks a file's text; `path` is for what is said about it.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_text(path: &Path, text: &str) -> Result<(), ConfigError> {
    checked(parse(path, text)?)
}

fn checked(file: File) -> Result<(), ConfigError> {
    cluster(file.store)?;
    checked_host(file.host)?;
    NodeSettings::of(file.advertise, file.nodes)?;
    private(file.metrics.listen, file.metrics.expose).map(drop)
}

/// The cluster that a link names; nothing is no link.
fn cluster(link: Option<String>) -> Result<Option<jetstream::Options>, ConfigError> {
    let link = link.filter(|link| !link.is_empty());
    Ok(link.map(|link| jetstream::Options::parse(&link)).transpose()?)
}

fn checked_host(host: Option<String>) -> Result<Option<String>, ConfigError> {
    if let Some(host) = &host {
        NodePlace::new(host, DEFAULT_PORT).map_err(ConfigError::Host)?;
    }
    Ok(host)
}

/// Refuses what others than this machine's programs could reach, unless that is wanted.
fn private(
    address: Option<MetricsAddress>,
    expose: bool,
) -> Result<Option<MetricsAddress>, ConfigError> {
    match address {
        Some(MetricsAddress::Tcp(address))
            if !expose && !address.ip().to_canonical().is_loopback() =>
        {
            Err(ConfigError::Exposed(address))
        }
        address => Ok(address),
    }
}

/// The file that was asked for, or the one that the service manager's directory holds.
fn config_path(asked: Option<&Path>) -> Option<PathBuf> {
    let of_the_service = || {
        let path = Path::new(&std::env::var_os("CONFIGURATION_DIRECTORY")?).join("config.toml");
        path.exists().then_some(path)
    };
    asked.map(Path::to_owned).or_else(of_the_service)
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Parse {
        path: path.to_owned(),
        place: place(text, error.span().map_or(0, |span| span.start)),
        message: error.message().trim_end().replace('\n', ", "),
    })
}

fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

fn first_listed(lists: [&Vec<SocketAddr>; 2], dev: bool) -> Vec<SocketAddr> {
    let default = if dev {
        SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT))
    };
    lists.into_iter().find(|list| !list.is_empty()).cloned().unwrap_or_else(|| vec![default])
}

fn default_data(dev: bool) -> Result<PathBuf, ConfigError> {
    let name = if dev { "pychat-server-dev" } else { "pychat-server" };
    #[cfg(unix)]
    if !dev && rustix::process::geteuid().is_root() {
        return Ok(Path::new("/var/lib").join(name));
    }
    let directory = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
    let base = if cfg!(windows) {
        directory("LOCALAPPDATA").map(PathBuf::from)
    } else {
        let in_home = || directory("HOME").map(|home| Path::new(&home).join(".local/state"));
        directory("XDG_STATE_HOME").map(PathBuf::from).or_else(in_home)
    };
    let base = base.ok_or(ConfigError::NoData)?;
    Ok(base.join(name))
}

/// Unless asked for, one for each two cores: the committer, the kernel's part and other programs want the
/// rest, and two people on one shard need no second thread to talk.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps)]
fn shards(asked: Option<NonZeroU8>) -> Result<u8, ConfigError> {
    let half_the_cores = || {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        u8::try_from(cores.div_ceil(2)).unwrap_or(u8::MAX)
    };
    Ok(asked.map_or_else(half_the_cores, NonZeroU8::get))
}

/// Each shard has a socket of its own, and no system but Unix lets these share a port.
#[cfg(not(unix))]
fn shards(asked: Option<NonZeroU8>) -> Result<u8, ConfigError> {
    match asked.map_or(1, NonZeroU8::get) {
        1 => Ok(1),
        more => Err(ConfigError::Shards(more)),
    }
}

#[cfg(not(windows))]
const HOME_VARIABLES: &str = "XDG_STATE_HOME nor HOME";
#[cfg(windows)]
const HOME_VARIABLES: &str = "LOCALAPPDATA";

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> String {
        parse(Path::new("server.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn the_default_file_says_the_defaults() {
        let file = parse(Path::new("default.toml"), DEFAULT_FILE).unwrap();
        assert_eq!(file.listen, first_listed([&vec![], &vec![]], false));
        let quota = Quota::default();
        assert_eq!(file.mailbox.messages.map(NonZeroU64::get), Some(quota.entries));
        assert_eq!(file.mailbox.bytes.map(NonZeroU64::get), Some(quota.bytes));
        assert_eq!(file.restart_spread_s.map(u64::from), Some(RESTART_SPREAD.as_secs()));
        assert_eq!(file.log.as_deref(), Some("info"));
        assert_eq!(file.registration, RegistrationTable::default());
    }

    #[test]
    fn every_setting_that_is_commented_out_is_one() {
        let lines = DEFAULT_FILE.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
        let set: Vec<&str> = lines.filter(|line| !line.starts_with(' ')).collect();
        let file = parse(Path::new("default.toml"), &set.join("\n")).unwrap();
        assert!(file.data.is_some() && file.host.is_some() && file.shards.is_some());
        assert!(NodeSettings::of(file.advertise, file.nodes).unwrap().told.is_some());
    }

    #[test]
    fn an_error_names_file_line_and_column() {
        let unknown = failure("log = \"info\"\n\n[mailbox]\n  massages = 3\n");
        assert!(unknown.starts_with("server.toml:4:3: unknown field `massages`"), "{unknown}");
        let address = failure("listen = [\"nowhere\"]\n");
        assert!(address.starts_with("server.toml:1:11: invalid socket address"), "{address}");
        let zero = failure("shards = 0\n");
        assert!(zero.starts_with("server.toml:1:10: "), "{zero}");
        let broken = failure("é = \n");
        assert!(broken.starts_with("server.toml:1:"), "{broken}");
        let metrics = failure("[metrics]\nlisten = \"here\"\n");
        assert!(metrics.starts_with("server.toml:2:10: \"here\" is no address"), "{metrics}");
    }

    #[test]
    fn metrics_are_off_and_stay_on_this_machine_unless_that_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("server.toml");
        let resolve = |text: &str, flag: Option<&str>, expose: bool| {
            std::fs::write(&config, format!("data = \"/a\"\n{text}")).unwrap();
            let mut args = ServeArgs { metrics_expose: expose, ..ServeArgs::default() };
            args.common.config = Some(config.clone());
            args.metrics = flag.map(|flag| flag.parse().unwrap());
            let metrics = Settings::resolve(&args)?.metrics;
            Ok::<_, ConfigError>(metrics.map(|address| address.to_string()))
        };
        let is_refused = |resolved| matches!(resolved, Err(ConfigError::Exposed(_)));
        assert_eq!(resolve("", None, false).unwrap(), None);
        assert_eq!(resolve("[metrics]\nexpose = true", None, false).unwrap(), None);
        for open in ["0.0.0.0:7421", "[::]:7421", "192.0.2.1:7421", "[::ffff:192.0.2.1]:7421"] {
            let table = format!("[metrics]\nlisten = {open:?}\n");
            assert!(is_refused(resolve(&table, None, false)), "{open}");
            assert!(is_refused(resolve("", Some(open), false)), "{open}");
            assert!(matches!(check(&config), Ok(())), "the file alone is good");
            let exposed = resolve(&format!("{table}expose = true"), None, false).unwrap();
            assert_eq!(exposed.as_deref(), Some(open));
            assert_eq!(resolve(&table, None, true).unwrap().as_deref(), Some(open));
            std::fs::write(&config, table).unwrap();
            assert!(is_refused(check(&config).map(|()| None)), "{open}");
        }
        for private in ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "unix:/run/metrics.sock"] {
            let table = format!("[metrics]\nlisten = {private:?}\n");
            assert_eq!(resolve(&table, None, false).unwrap().as_deref(), Some(private));
            let flag = resolve("[metrics]\nlisten = \"0.0.0.0:1\"", Some(private), false);
            assert_eq!(flag.unwrap().as_deref(), Some(private), "flags go before the file");
        }
    }

    #[test]
    fn flags_go_before_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("server.toml");
        std::fs::write(&config, "listen = [\"127.0.0.1:1\"]\nshards = 2\ndata = \"/a\"\n").unwrap();
        let mut args = ServeArgs::default();
        args.common.config = Some(config);
        let settings = Settings::resolve(&args).unwrap();
        assert_eq!((settings.shards, settings.data), (2, PathBuf::from("/a")));
        args.shards = NonZeroU8::new(5);
        args.common.data = Some("/b".into());
        args.listen = vec!["[::1]:3".parse().unwrap()];
        let settings = Settings::resolve(&args).unwrap();
        assert_eq!((settings.shards, settings.data), (5, PathBuf::from("/b")));
        assert_eq!(settings.listen, args.listen);
    }
}
