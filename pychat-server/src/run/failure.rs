//! Why the program ends otherwise than asked, as a person and a script see it.

use crate::{
    admin::client::AskError,
    config::ConfigError,
    identity::{DataError, key_file::KeyFileError},
    metrics::MetricsAddress,
    migrate::MigrateError,
    store::{
        embedded::{OpenError, backup::BackupError},
        jetstream,
    },
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// What made the program fail. Each kind has its exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What to log makes no sense.
    #[error("{0:?} is no log filter: {1}")]
    Log(String, String),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The mailbox store cannot be opened.
    #[error("the mailbox store cannot be opened: {}: {source}", path.display())]
    Store {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The cluster cannot be used.
    #[error(transparent)]
    Cluster(#[from] jetstream::OpenError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Metrics cannot be told where that was asked for.
    #[error("metrics cannot be told at {address}: {source}")]
    Metrics {
        /// Where.
        address: MetricsAddress,
        /// Why.
        source: io::Error,
    },
    /// A socket of the service manager's is of no use.
    #[error("the socket that the service manager passed cannot be used: {0}")]
    Inherited(io::Error),
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The store must be opened anew.
    #[error("the mailbox store failed for good: {0}")]
    StoreBroken(String),
    /// A running server could not be asked, or said no.
    #[error(transparent)]
    Admin(#[from] AskError),
    /// A backup was not restored.
    #[error(transparent)]
    Restore(#[from] BackupError),
    /// Mailboxes were not moved, or not all of them.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A key was not exported or imported.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A bug.
    #[error("{0} ended unexpectedly")]
    Panicked(String),
    /// Threads did not end.
    #[error("not everything ended in time")]
    Hung,
}

impl Failure {
    /// For `map_err`: the operating system refused `doing`.
    pub(super) fn system(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }

    /// The program's exit code. `pychat-server --help` lists them.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Log(..) => 3,
            Self::Data(DataError::InUse(_))
            | Self::Key(KeyFileError::Data(DataError::InUse(_)))
            | Self::Store { source: OpenError::InUse, .. } => 5,
            Self::Migrate(error) if error.is_in_use() => 5,
            Self::Migrate(MigrateError::Differ { .. } | MigrateError::RulesDiffer) => 10,
            Self::Migrate(_) => 4,
            Self::Data(_) | Self::Key(_) | Self::Store { .. } | Self::Cluster(_) => 4,
            Self::Listen { .. } | Self::Metrics { .. } | Self::Inherited(_) => 6,
            Self::StoreBroken(_) => 7,
            Self::Admin(AskError::Refused(_)) => 9,
            Self::Admin(_) => 8,
            Self::Restore(_) => 4,
            Self::System { .. } | Self::Panicked(_) | Self::Hung => 1,
        }
    }

    /// What to do about it, where that is not plain.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(ConfigError::NoData) => Some("name one with --data".into()),
            Self::Config(ConfigError::Exposed(_)) => Some(
                "choose 127.0.0.1 or [::1], and a proxy with a password before it; or, in a network of \
                 your own, set expose = true in [metrics] or --metrics-expose"
                    .into(),
            ),
            Self::Config(ConfigError::NodeWithoutName) => Some(
                "say where clients reach this node: advertise = \"host:port\", or --advertise HOST:PORT".into(),
            ),
            Self::Config(ConfigError::TooManyNodes { .. }) => {
                Some("leave some out: a client needs one that is there".into())
            }
            Self::Config(_) => Some("`pychat-server config default` prints a good file".into()),
            Self::Log(..) => Some("use error, warn, info, debug or trace".into()),
            Self::Data(error) => Some(error.hint()),
            Self::Key(error) => Some(error.hint()),
            Self::Admin(error) => error.hint(),
            Self::Restore(error) => Some(error.hint().into()),
            Self::Migrate(error) => error.hint(),
            Self::Listen { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => Some(
                    "another program listens there, maybe another pychat-server; stop it, or \
                     choose another address with --listen"
                        .into(),
                ),
                io::ErrorKind::AddrNotAvailable => {
                    Some("this machine has no such address; use [::] for all that it has".into())
                }
                io::ErrorKind::PermissionDenied => {
                    Some("ports below 1024 need privileges; choose a higher one".into())
                }
                _ => None,
            },
            Self::Metrics { .. } => Some(
                "choose another address with --metrics or in [metrics]; without any, metrics are off"
                    .into(),
            ),
            Self::StoreBroken(_) => Some(
                "check the disk, then start the server again; nothing that was acknowledged is lost"
                    .into(),
            ),
            Self::Store { path, source: OpenError::Damaged(_) } => Some(damaged_hint(path)),
            Self::Store { .. }
            | Self::Cluster(_)
            | Self::Inherited(_)
            | Self::System { .. }
            | Self::Panicked(_)
            | Self::Hung => None,
        }
    }
}

/// The server does not begin anew by itself: every user name would be free for anybody to claim.
fn damaged_hint(path: &Path) -> String {
    let name = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let there = ["", "-wal", "-shm"].map(name).into_iter().filter(|file| file.exists());
    let files: Vec<String> = there.map(|file| quoted(&file)).collect();
    let (files, aside) = (files.join(" "), quoted(&name(".damaged")));
    format!(
        "nothing was changed. Move the damaged store away: mkdir {aside} && mv {files} {aside}\n\
         hint: then put a backup in its place and start again. Without a backup the server begins \
         with no mailboxes, and every user name belongs to whoever claims it next"
    )
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_store_comes_with_the_command_that_moves_it_away() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("it's.db");
        for end in ["it's.db", "it's.db-wal"] {
            std::fs::write(directory.path().join(end), b"x").unwrap();
        }
        let source = OpenError::Damaged("torn".into());
        let failure = Failure::Store { path: path.clone(), source };
        assert_eq!(failure.exit_code(), 4);
        let hint = failure.hint().unwrap();
        let command = hint.lines().next().unwrap().split_once(": ").unwrap().1;
        let ran = std::process::Command::new("sh").args(["-c", command]).status().unwrap();
        assert!(ran.success(), "{command}");
        assert!(!path.exists() && directory.path().join("it's.db.damaged/it's.db-wal").exists());
    }
}
