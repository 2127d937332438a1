//! Where mailboxes are moved from or to, and how it is had for this alone.

use super::MigrateError;
use crate::{
    cluster::Sentry,
    identity::{DataDirectory, STORE_FILE},
    store::{
        embedded::{
            marks,
            whole::{FillError, WholeFile},
        },
        jetstream::{BadOptions, Nats, Options, whole::WholeLog},
        whole::{Begun, Start, Whole},
    },
};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

/// A server's store: a data directory, or a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The directory that `--data` names.
    Directory(PathBuf),
    /// The cluster that `--store` names.
    Cluster(Box<Options>),
}

impl FromStr for Place {
    type Err = BadOptions;

    fn from_str(text: &str) -> Result<Self, BadOptions> {
        if text.contains("://") {
            return Ok(Self::Cluster(Box::new(Options::parse(text)?)));
        }
        Ok(Self::Directory(text.into()))
    }
}

/// The same for the same place, in whichever way it was named, and without a password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => {
                let path = path.canonicalize().or_else(|_| std::path::absolute(path));
                path.unwrap_or_default().display().fmt(f)
            }
            Self::Cluster(options) => {
                let mut hosts: Vec<&str> = options.hosts.iter().map(String::as_str).collect();
                hosts.sort_unstable();
                let scheme = if options.tls { "tls" } else { "nats" };
                write!(f, "{scheme}://{}?prefix={}", hosts.join(","), options.prefix)
            }
        }
    }
}

/// A place that nobody else uses for as long as this lives.
pub(super) enum End {
    /// A file in a data directory that is locked.
    File {
        /// The store.
        file: WholeFile,
        /// Its path when it is complete.
        path: PathBuf,
        /// The lock.
        _data: DataDirectory,
    },
    /// A cluster whose nodes are listened for.
    Log {
        /// The log.
        log: WholeLog<Nats>,
        /// The listener.
        sentry: Arc<Sentry>,
    },
}

/// Takes a data directory; answers it and its store's path.
fn take(place: &Place, path: &Path) -> Result<(DataDirectory, PathBuf), MigrateError> {
    let data = DataDirectory::take(path)
        .map_err(|error| MigrateError::Data { place: place.to_string(), error })?;
    let store = data.store();
    Ok((data, store))
}

/// Listens until it is sure that no node is there.
fn post(place: &Place, options: &Options) -> Result<Arc<Sentry>, MigrateError> {
    let sentry = Sentry::post(options).map_err(|error| MigrateError::Listen(error.to_string()))?;
    sentry.wait();
    refuse_nodes(place, &sentry)?;
    Ok(Arc::new(sentry))
}

/// Refuses a cluster where nodes are.
pub(super) fn refuse_nodes(place: &Place, sentry: &Sentry) -> Result<(), MigrateError> {
    let nodes = sentry.nodes();
    if nodes.is_empty() {
        return Ok(());
    }
    Err(MigrateError::NodesThere { place: place.to_string(), nodes: nodes.join(", ") })
}

impl End {
    /// Opens a place to be read; and where its mailboxes went, if they did.
    pub(super) fn read(place: &Place) -> Result<(Self, Option<String>), MigrateError> {
        match place {
            Place::Directory(directory) => {
                // What is only read is not made.
                if !directory.join(STORE_FILE).is_file() {
                    return Err(MigrateError::NoStore(directory.clone()));
                }
                let (data, path) = take(place, directory)?;
                let opened = WholeFile::open(&path);
                let moved = marks::moved_to(&path);
                let opened = opened.and_then(|file| Ok((file, moved?)));
                let (file, moved) =
                    opened.map_err(|error| MigrateError::File { path: path.clone(), error })?;
                Ok((Self::File { file, path, _data: data }, moved))
            }
            Place::Cluster(options) => {
                let sentry = post(place, options)?;
                let (nats, moved) = Nats::open_to_read(options)?;
                Ok((Self::Log { log: WholeLog::new(nats, Begun::Before), sentry }, moved))
            }
        }
    }

    /// Opens a place to be filled from another one.
    pub(super) fn fill(
        place: &Place,
        from: &Place,
        start: Start,
    ) -> Result<(Self, Begun), MigrateError> {
        match place {
            Place::Directory(directory) => {
                let (data, path) = take(place, directory)?;
                let filled = WholeFile::fill(&path, &from.to_string(), start);
                let (file, begun) = filled.map_err(|error| match error {
                    FillError::Open(error) => MigrateError::File { path: path.clone(), error },
                    FillError::Gone(path) => MigrateError::Gone(path.display().to_string()),
                    FillError::Occupied(path) => MigrateError::Occupied(path),
                    FillError::Other { path, from } => MigrateError::Other { path, from },
                })?;
                Ok((Self::File { file, path, _data: data }, begun))
            }
            Place::Cluster(options) => {
                let sentry = post(place, options)?;
                let (nats, begun) = Nats::open_to_fill(options, &from.to_string(), start)?;
                Ok((Self::Log { log: WholeLog::new(nats, begun), sentry }, begun))
            }
        }
    }

    /// What it holds.
    pub(super) fn whole(&mut self) -> &mut dyn Whole {
        match self {
            Self::File { file, .. } => file,
            Self::Log { log, .. } => log,
        }
    }

    /// Who sees to it that it is had for this alone. Nobody does for a directory, which is locked.
    pub(super) fn sentry(&self) -> Option<Arc<Sentry>> {
        match self {
            Self::File { .. } => None,
            Self::Log { sentry, .. } => Some(Arc::clone(sentry)),
        }
    }

    /// Has it say that its mailboxes went elsewhere, or that they did not.
    pub(super) fn set_moved(&self, to: Option<&str>) -> Result<(), MigrateError> {
        match self {
            Self::File { path, .. } => marks::set_moved(path, to)
                .map_err(|error| MigrateError::File { path: path.clone(), error }),
            Self::Log { log, .. } => Ok(log.broker().set_moved(to)?),
        }
    }

    /// What was filled is complete: servers may use it.
    pub(super) fn finish(self) -> Result<(), MigrateError> {
        match self {
            Self::File { file, path, _data } => {
                file.finish().map_err(|error| MigrateError::File { path, error })
            }
            Self::Log { log, .. } => Ok(log.broker().finish_filling()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Place>().unwrap().to_string()
    }

    #[test]
    fn a_place_has_one_name_and_it_tells_no_password() {
        let one = shown("nats://joe:secret@n2,n1:4222?replicas=1");
        assert_eq!(one, "nats://n1:4222,n2?prefix=pychat");
        assert_eq!(shown("nats://n1:4222,n2?streams=4"), one);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        assert_eq!(shown(path.join(".").to_str().unwrap()), path.display().to_string());
        assert!("tls://".parse::<Place>().is_err());
    }
}
