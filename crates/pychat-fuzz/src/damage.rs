//! What a failing disk does to a file.

use crate::source::Source;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// SQLite's page, and so what a disk loses at once.
const PAGE_BYTES: usize = 4096;

/// A database and its log, as they lie on the disk of somebody who was killed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) database: Vec<u8>,
    pub(crate) log: Vec<u8>,
}

/// Which of the two were damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) database: bool,
    pub(crate) log: bool,
}

/// Beside each database.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

impl Files {
    /// Reads both.
    pub(crate) fn read(path: &Path) -> Self {
        let read = |path: &Path| fs::read(path).unwrap_or_default();
        Self { database: read(path), log: read(&log_of(path)) }
    }

    /// Writes both into an empty directory.
    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, &self.database).expect("a scratch file");
        fs::write(log_of(path), &self.log).expect("a scratch file");
    }

    /// Damages them as `source` says.
    pub(crate) fn damage(&mut self, source: &mut Source<'_>) -> Hit {
        let mut hit = Hit::default();
        let before = self.clone();
        for _ in 0..=source.below(4) {
            let bytes = if source.below(4) == 3 { &mut self.log } else { &mut self.database };
            damage(bytes, source);
        }
        hit.database = before.database != self.database;
        hit.log = before.log != self.log;
        hit
    }
}

fn damage(bytes: &mut Vec<u8>, source: &mut Source<'_>) {
    let kind = source.below(8);
    let at = source.below(bytes.len());
    let page = at / PAGE_BYTES * PAGE_BYTES;
    let page_end = (page + PAGE_BYTES).min(bytes.len());
    match kind {
        0..=2 => {
            let mask = source.u8().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        3 => bytes.truncate(at),
        4 => bytes[page..page_end].fill(0),
        // Old content is read again.
        5 => {
            let from = source.below(bytes.len()) / PAGE_BYTES * PAGE_BYTES;
            let from_end = (from + PAGE_BYTES).min(bytes.len());
            let copy = bytes[from..from_end].to_vec();
            let count = copy.len().min(page_end - page);
            bytes[page..page + count].copy_from_slice(&copy[..count]);
        }
        6 => {
            // Near a page's beginning, where its structure is.
            let at = page + source.below(128);
            let value = source.u8();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        _ => {
            let piece = source.bytes(64);
            let end = (at + piece.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&piece[..end - at]);
        }
    }
}

/// A directory in memory, where there is such a file system; empty.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a scratch directory")
}
