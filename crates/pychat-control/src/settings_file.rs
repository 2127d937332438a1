//! The configuration's files: where they are and how one is read. Both programs read the same ones: what
//! concerns the daemon is in the table `[daemon]`.

use crate::Profile;
use serde::de::DeserializeOwned;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("the configuration {path} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says something that makes no sense.
    #[error("{path}:{line}:{column}: {message}")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
}

/// Where the configuration is: `$XDG_CONFIG_HOME/pychat`, else `~/.config/pychat`; on Windows
/// `%LOCALAPPDATA%\pychat-config`, as every directory in `%LOCALAPPDATA%\pychat` is a profile's.
#[must_use]
pub fn config_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return set("LOCALAPPDATA").map(|path| path.join("pychat-config"));
    }
    let base = set("XDG_CONFIG_HOME").or_else(|| {
        std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".config"))
    });
    base.map(|base| base.join("pychat"))
}

/// The user's file.
#[must_use]
pub fn user_file(dir: &Path) -> PathBuf {
    dir.join("config.toml")
}

/// A profile's file.
#[must_use]
pub fn profile_file(dir: &Path, profile: &Profile) -> PathBuf {
    dir.join("profiles").join(profile.as_str()).join("config.toml")
}

/// Reads a file; one that is not there says nothing.
///
/// # Errors
/// It is there and cannot be used.
pub fn read_config_if_there<T: DeserializeOwned + Default>(path: &Path) -> Result<T, ConfigError> {
    match read_config(path) {
        Err(ConfigError::Unreadable { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(T::default())
        }
        read => read,
    }
}

/// Reads a file.
///
/// # Errors
/// It cannot be used.
pub fn read_config<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse_config(&text, path)
}

/// Reads a file's text; `path` is for what is said about it.
///
/// # Errors
/// It says something that makes no sense.
pub fn parse_config<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ConfigError::Invalid {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: error.message().replace('\n', " "),
        }
    })
}
