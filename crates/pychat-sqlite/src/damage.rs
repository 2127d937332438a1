//! Damage in a write-ahead log, which SQLite takes for its end.
//!
//! Each frame of a log holds a page and a checksum over all before it. SQLite reads up to the first
//! frame that does not check, because that is what a power cut in the middle of a transaction leaves
//! behind. Where a failing disk is the reason, whole transactions after it are passed over in
//! silence. The two can be told apart: a transaction is synced before the next one begins, so what a
//! power cut leaves behind a bad frame is one transaction at most.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
};

/// A file that is smaller holds no page, and so no database. SQLite takes one of no byte, or of one,
/// for a new database and deletes the log beside it: to be looked at before SQLite does.
pub const DATABASE_BYTES_MIN: u64 = 512;

/// <https://sqlite.org/fileformat2.html#the_write_ahead_log>
const LOG_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// The lowest bit says in which order of bytes checksums are made.
const MAGIC: u32 = 0x377f_0682;

/// SQLite's smallest and largest page.
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;

/// The number of the first frame, from 1, that is damaged in the log of the database at `path`;
/// `None` where there is no log, or nothing but what a power cut may leave. Damage in the last
/// transaction cannot be told from a power cut.
///
/// # Errors
/// The log cannot be read.
pub fn log_damage(path: &Path) -> io::Result<Option<u64>> {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push("-wal");
    match File::open(PathBuf::from(name)) {
        Ok(log) => find(&mut BufReader::new(log)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What SQLite's checks say, for an error's line: without the heading that they begin with.
#[must_use]
pub fn one_line(said: &str) -> String {
    let lines = said.lines().filter(|line| !line.starts_with("***"));
    lines.collect::<Vec<_>>().join("; ")
}

fn find(log: &mut impl Read) -> io::Result<Option<u64>> {
    let mut header = [0; LOG_HEADER_BYTES];
    if !fill(log, &mut header)? {
        return Ok(None);
    }
    let order = if word(&header, 0) & 1 == 1 { Order::Big } else { Order::Little };
    let page_bytes = word(&header, 8) as usize;
    let is_sound = word(&header, 0) & !1 == MAGIC
        && PAGE_BYTES.contains(&page_bytes)
        && page_bytes.is_power_of_two()
        && order.sum((0, 0), &header[..24]) == pair(&header, 24);
    if !is_sound {
        // Without its header nothing of it can be told, not even whether it was still needed.
        return Ok(None);
    }
    let mut scan = Scan { order, salts: pair(&header, 16), expected: pair(&header, 24), bad: None };
    let mut before = None;
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    for number in 1.. {
        if !fill(log, &mut frame)? {
            break;
        }
        let read = scan.read(number, &frame);
        // After a bad frame, one that ends a transaction, with one that follows it.
        if let (Some(bad), Some(Frame { ends: true, sum }), Some(_)) = (scan.bad, before, &read)
            && bad < number
            && scan.follows(sum, &frame)
        {
            return Ok(Some(bad));
        }
        before = read;
    }
    Ok(None)
}

/// A frame that says that it belongs to this log.
#[derive(Clone, Copy)]
struct Frame {
    ends: bool,
    /// The checksum that it says, good or not.
    sum: (u32, u32),
}

struct Scan {
    order: Order,
    salts: (u32, u32),
    /// What the next good frame's checksum builds on.
    expected: (u32, u32),
    bad: Option<u64>,
}

impl Scan {
    fn read(&mut self, number: u64, frame: &[u8]) -> Option<Frame> {
        if self.bad.is_none() {
            if self.follows(self.expected, frame) {
                self.expected = pair(frame, 16);
            } else {
                self.bad = Some(number);
            }
        }
        let ours = pair(frame, 8) == self.salts;
        ours.then(|| Frame { ends: word(frame, 4) != 0, sum: pair(frame, 16) })
    }

    /// Whether a frame was written right after the one of that checksum.
    fn follows(&self, sum: (u32, u32), frame: &[u8]) -> bool {
        pair(frame, 8) == self.salts && {
            let sum = self.order.sum(sum, &frame[..8]);
            self.order.sum(sum, &frame[FRAME_HEADER_BYTES..]) == pair(frame, 16)
        }
    }
}

#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

impl Order {
    fn sum(self, mut sum: (u32, u32), bytes: &[u8]) -> (u32, u32) {
        for pair in bytes.chunks_exact(8) {
            let word = |at: usize| {
                let bytes = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
                match self {
                    Self::Big => u32::from_be_bytes(bytes),
                    Self::Little => u32::from_le_bytes(bytes),
                }
            };
            sum.0 = sum.0.wrapping_add(word(0)).wrapping_add(sum.1);
            sum.1 = sum.1.wrapping_add(word(4)).wrapping_add(sum.0);
        }
        sum
    }
}

/// Whether there was so much.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn pair(bytes: &[u8], at: usize) -> (u32, u32) {
    (word(bytes, at), word(bytes, at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;
    use std::fs;

    const FRAME: usize = FRAME_HEADER_BYTES + 4096;

    /// A log of `transactions`, each of as many frames as it has blobs, after an older, longer
    /// generation; as a killed program leaves it.
    fn log(transactions: &[usize]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
                 CREATE TABLE t(id INTEGER PRIMARY KEY, b);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
                 INSERT INTO t SELECT i, zeroblob(3000) FROM n;
                 PRAGMA wal_checkpoint(RESTART)",
            )
            .unwrap();
        for count in transactions {
            connection
                .execute("UPDATE t SET b = randomblob(3000) WHERE id <= ?1", [*count as i64])
                .unwrap();
        }
        fs::read(directory.path().join("test.db-wal")).unwrap()
    }

    fn found(log: &[u8]) -> Option<u64> {
        find(&mut &*log).unwrap()
    }

    /// Where the frame of a number begins.
    fn at(number: usize) -> usize {
        LOG_HEADER_BYTES + (number - 1) * FRAME
    }

    #[test]
    fn a_whole_log_is_whole_and_so_is_one_that_ends_early() {
        let log = log(&[3, 2, 4]);
        assert!(log.len() > at(12), "the older generation is longer");
        assert_eq!(found(&log), None);
        for end in [0, 10, LOG_HEADER_BYTES, at(2) + 5, at(5), at(9) + FRAME] {
            assert_eq!(found(&log[..end]), None, "{end}");
        }
    }

    #[test]
    fn damage_before_the_last_two_transactions_is_found_wherever_it_is() {
        let whole = log(&[3, 2, 4]);
        for number in 1..=3 {
            for offset in [0, 4, 9, 17, FRAME_HEADER_BYTES, FRAME - 1] {
                let mut log = whole.clone();
                log[at(number) + offset] ^= 0x10;
                assert_eq!(found(&log), Some(number as u64), "frame {number}, byte {offset}");
            }
        }
        let mut log = whole;
        log[at(2)..at(4)].fill(0);
        assert_eq!(found(&log), Some(2));
    }

    #[test]
    fn what_a_power_cut_leaves_of_the_last_transaction_is_no_damage() {
        let whole = log(&[3, 2, 4]);
        for missing in 6..=9 {
            let mut log = whole.clone();
            log[at(missing)..at(missing + 1)].fill(0);
            assert_eq!(found(&log), None, "frame {missing}");
        }
    }

    #[test]
    fn what_a_check_says_fits_a_line() {
        assert_eq!(
            one_line("*** in database main ***\nTree 2: bad\nPage 3: never used"),
            "Tree 2: bad; Page 3: never used"
        );
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let whole = log(&[2, 2]);
        for at in 0..LOG_HEADER_BYTES {
            let mut log = whole.clone();
            log[at] ^= 0xff;
            assert_eq!(found(&log), None, "without a header nothing can be told");
        }
    }
}
