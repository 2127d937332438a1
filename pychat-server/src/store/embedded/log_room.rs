//! Room in the write-ahead log, made before it is needed: a commit then changes bytes that the file has, and its sync
//! need not write how long the file is and where the new bytes lie. That was a third of what a small commit's sync cost the
//! processor, and a quarter of its time (docs/PERFORMANCE.md, "Syncs").

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

/// Bytes by which the log grows at once. They go to the disk with the next commit.
pub(super) const STEP_BYTES: u64 = 512 * 1024;

/// The log grows when less than this is left: a batch's entries, with what they share pages with, are at most some two
/// MiB, and most are far below. A batch beyond what is left makes its own room, as any would without this.
const LEFT_MIN_BYTES: u64 = STEP_BYTES / 4;

const HEADER_BYTES: u64 = 32;
const FRAME_BYTES: u64 = 24 + 4096;

static ZEROS: [u8; STEP_BYTES as usize] = [0; STEP_BYTES as usize];

/// The log's file, beside SQLite, which has it open too.
#[derive(Debug)]
pub(super) struct LogRoom {
    /// None once room could not be made: commits do without it.
    log: Option<File>,
    bytes: u64,
}

impl LogRoom {
    /// For the log of the store at `path`, which is open.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::of(OpenOptions::new().write(true).open(super::open::with(path, "-wal"))?)
    }

    pub(super) fn of(log: File) -> io::Result<Self> {
        let bytes = log.metadata()?.len();
        Ok(Self { log: Some(log), bytes })
    }

    /// Makes room behind the log's last frame, of which it has so many, if little is left. Nobody may write to the log
    /// meanwhile. Zeros are no frame, so whoever reads the log stops before them.
    pub(super) fn make(&mut self, frames: u32) {
        let used = HEADER_BYTES + u64::from(frames) * FRAME_BYTES;
        // What a batch made for itself is there too.
        self.bytes = self.bytes.max(used);
        if self.bytes - used >= LEFT_MIN_BYTES {
            return;
        }
        if let Some(log) = &mut self.log {
            match grow(log) {
                Ok(bytes) => self.bytes = bytes,
                Err(_) => self.log = None,
            }
        }
    }
}

/// Appends a step; the log's length then.
fn grow(log: &mut File) -> io::Result<u64> {
    let end = log.seek(SeekFrom::End(0))?;
    log.write_all(&ZEROS)?;
    Ok(end + STEP_BYTES)
}
