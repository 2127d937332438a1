//! `daemon.json`: what a running daemon says about itself, for people and other programs. Whether a
//! daemon runs is told by its socket, not by this file.

use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

/// The content of `daemon.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonFile {
    /// The socket's path, on Windows the pipe's name.
    pub address: String,
    /// The daemon's process id.
    pub pid: u32,
    /// When it started.
    pub started_at: String,
    /// The daemon's version.
    pub version: String,
    /// The newest protocol version that it speaks.
    pub protocol: u32,
}

/// Why `daemon.json` cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DaemonFileError {
    /// The file itself.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Its content.
    #[error("{path} is damaged: {source}")]
    Damaged {
        /// Which file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl DaemonFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn read(path: &Path) -> Result<Self, DaemonFileError> {
        let shown = || path.display().to_string();
        let bytes =
            fs::read(path).map_err(|source| DaemonFileError::Io { path: shown(), source })?;
        serde_json::from_slice(&bytes)
            .map_err(|source| DaemonFileError::Damaged { path: shown(), source })
    }

    /// Writes the file at `path`; a reader sees the old one or the new one, never a part.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DaemonFileError> {
        let failed = |source| DaemonFileError::Io { path: path.display().to_string(), source };
        let mut json = serde_json::to_vec_pretty(self).map_err(io::Error::from).map_err(failed)?;
        json.push(b'\n');
        let fresh = path.with_extension("json.new");
        fs::write(&fresh, json).map_err(failed)?;
        fs::rename(&fresh, path).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("daemon.json");
        assert!(matches!(DaemonFile::read(&path), Err(DaemonFileError::Io { .. })));
        let file = DaemonFile {
            address: "/s".into(),
            pid: 7,
            started_at: "2026-01-31T12:00:00.000Z".into(),
            version: "0.1.0".into(),
            protocol: 1,
        };
        file.write(&path).unwrap();
        file.write(&path).unwrap();
        assert_eq!(DaemonFile::read(&path).unwrap(), file);
        fs::write(&path, "{").unwrap();
        assert!(matches!(DaemonFile::read(&path), Err(DaemonFileError::Damaged { .. })));
    }
}
