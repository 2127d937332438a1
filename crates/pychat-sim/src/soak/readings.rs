//! What is looked at, and whether it grew.

use rusqlite::{Connection, OpenFlags};
use std::{collections::BTreeMap, fs, path::Path};

/// What things were at some moment, or at most within some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading(BTreeMap<String, u64>);

/// How each thing grew from its time of comparison to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// What.
    pub what: String,
    /// At most, early.
    pub early: u64,
    /// At most, late.
    pub late: u64,
}

/// Growth by a tenth is chance: the same number of people, but not the same ones, is there each hour.
const GROWTH_PERCENT_MAX: u64 = 110;

/// In small tables a few entries more are chance, too.
const SLACK: u64 = 32;

/// Memory moves by a MiB with the allocator's mood and with SQLite's caches, a file by what it takes at once.
const SLACK_KIB: u64 = 1024;

/// What is told in KiB.
const KIB: &str = "KiB";

impl Reading {
    /// Adds to what is known of a thing.
    pub fn add(&mut self, what: &str, count: usize) {
        match self.0.get_mut(what) {
            Some(value) => *value += count as u64,
            None => {
                self.0.insert(what.to_owned(), count as u64);
            }
        }
    }

    /// Keeps of each thing the most.
    pub fn keep_most(&mut self, other: &Self) {
        for (what, value) in &other.0 {
            let most = self.0.entry(what.clone()).or_default();
            *most = (*most).max(*value);
        }
    }

    /// A thing; zero if nobody looked at it.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Each thing, early and late.
    #[must_use]
    pub fn growth(early: &Self, late: &Self) -> Vec<Growth> {
        let all = |(what, late): (&String, &u64)| {
            let (what, early) = (what.clone(), early.of(what));
            Growth { what, early, late: *late }
        };
        late.0.iter().map(all).collect()
    }
}

impl Growth {
    /// Whether it is more than chance.
    #[must_use]
    pub fn is_a_leak(&self) -> bool {
        let slack = if self.what.ends_with(KIB) { SLACK_KIB } else { SLACK };
        self.late > self.early * GROWTH_PERCENT_MAX / 100 + slack
    }
}

/// The size of a store, of its log, and of each of its tables.
pub(super) fn on_disk(store: &Path, reading: &mut Reading) {
    let kib = |path: &Path| fs::metadata(path).map_or(0, |file| file.len() / 1024) as usize;
    reading.add("store, KiB", kib(store));
    let mut log = store.as_os_str().to_owned();
    log.push("-wal");
    reading.add("its log, KiB", kib(Path::new(&log)));
    let looking = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let looking = looking.expect("the store can be read");
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let mut tables = looking.prepare(tables).expect("a store has a schema");
    let names = tables.query_map([], |row| row.get::<_, String>(0)).expect("tables have names");
    for name in names.map(|name| name.expect("a name is text")) {
        let count = format!("SELECT count(*) FROM {name}");
        let rows: i64 = looking.query_one(&count, [], |row| row.get(0)).expect("rows are counted");
        reading.add(&format!("rows of {name}"), rows.unsigned_abs() as usize);
    }
}

/// Resident memory and open descriptors of this process, where `/proc` tells.
pub(super) fn of_this_process(reading: &mut Reading) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    if let Some(kib) = resident.and_then(|it| it.split_whitespace().next()?.parse().ok()) {
        reading.add("resident memory, KiB", kib);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        reading.add("open descriptors", open.count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_beyond_chance_is_noticed_and_a_wave_is_not() {
        let growth = |what: &str, early, late| Growth { what: what.into(), early, late };
        assert!(!growth("rows", 10_000, 11_000).is_a_leak());
        assert!(growth("rows", 10_000, 11_033).is_a_leak());
        assert!(!growth("table", 0, 32).is_a_leak());
        assert!(!growth("memory, KiB", 10_000, 12_000).is_a_leak());
        assert!(growth("memory, KiB", 10_000, 12_100).is_a_leak());
        assert!(!growth("rows", 10_000, 0).is_a_leak());
    }

    #[test]
    fn readings_add_up_and_keep_the_most() {
        let (mut one, mut other) = (Reading::default(), Reading::default());
        one.add("a", 1);
        one.add("a", 2);
        other.add("b", 5);
        other.keep_most(&one);
        assert_eq!((other.of("a"), other.of("b"), other.of("c")), (3, 5, 0));
        let growth = Reading::growth(&one, &other);
        assert_eq!(growth[1], Growth { what: "b".into(), early: 0, late: 5 });
    }
}
