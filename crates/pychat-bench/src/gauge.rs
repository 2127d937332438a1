//! What a process uses, as the kernel counts it. Nothing on systems without `/proc`.

use std::{fs, path::Path};

/// Looks at one process.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    pid: u32,
}

/// Resident memory of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Resident set size.
    pub rss_kib: f64,
    /// The same, pages shared with other processes counted in part.
    pub pss_kib: f64,
}

impl Memory {
    /// What came on top of `before`.
    #[must_use]
    pub fn less(self, before: Self) -> Self {
        Self { rss_kib: self.rss_kib - before.rss_kib, pss_kib: self.pss_kib - before.pss_kib }
    }
}

impl Gauge {
    /// For the process of this id.
    #[must_use]
    pub const fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// For this program.
    #[must_use]
    pub fn own() -> Self {
        Self::of(std::process::id())
    }

    /// Processor seconds of all its threads: to the nanosecond where the scheduler tells, otherwise
    /// in clock ticks (10 ms).
    #[must_use]
    pub fn cpu_s(&self) -> Option<f64> {
        self.scheduled_s().or_else(|| ticks_s(&self.read("stat")?))
    }

    /// What it holds in memory.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        memory(&self.read("smaps_rollup")?)
    }

    fn scheduled_s(&self) -> Option<f64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).ok()?;
        let nanos = threads.map(|thread| {
            let told = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            told.split_whitespace().next()?.parse::<u64>().ok()
        });
        Some(nanos.sum::<Option<u64>>()? as f64 / 1e9)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(Path::new("/proc").join(self.pid.to_string()).join(name)).ok()
    }
}

/// Processor seconds that the whole machine has spent on anything but idling.
#[must_use]
pub fn machine_cpu_s() -> Option<f64> {
    busy_s(&fs::read_to_string("/proc/stat").ok()?)
}

/// The first line: user, nice, system, idle, waiting, interrupts (two kinds), stolen.
fn busy_s(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
    let busy = fields.enumerate().filter(|(index, _)| !matches!(index, 3 | 4));
    let ticks = busy.map(|(_, field)| field.parse::<f64>().ok()).sum::<Option<f64>>()?;
    Some(ticks / ticks_per_s())
}

fn memory(rollup: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Memory { rss_kib: field("Rss:")?, pss_kib: field("Pss:")? })
}

/// User and system time; the program's name, in parentheses, may hold anything.
fn ticks_s(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().ok());
    Some(ticks.sum::<Option<f64>>()? / ticks_per_s())
}

#[cfg(unix)]
fn ticks_per_s() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// Never asked: there is no `/proc`.
#[cfg(not(unix))]
fn ticks_per_s() -> f64 {
    100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0";
        assert_eq!(ticks_s(stat), Some(42.0 / ticks_per_s()));
        assert_eq!(ticks_s("7 (a"), None);
    }

    #[test]
    fn a_machine_that_idles_or_waits_is_not_busy() {
        let stat = "cpu  1 2 3 1000 2000 4 5 6 7 8\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(busy_s(stat), Some(21.0 / ticks_per_s()));
    }

    #[test]
    fn both_sizes_are_found() {
        let rollup =
            "7f00-7fff ---p 0 0 0 [rollup]\nRss:   120 kB\nPss:  100 kB\nPss_Dirty: 7 kB\n";
        assert_eq!(memory(rollup), Some(Memory { rss_kib: 120.0, pss_kib: 100.0 }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_process_is_seen_and_its_time_grows() {
        let before = Gauge::own().cpu_s().unwrap();
        let mut sum = 0_u64;
        while Gauge::own().cpu_s().unwrap() < before + 0.02 {
            sum = (0..100_000).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        assert!(Gauge::own().memory().unwrap().rss_kib > 1024.0, "{sum}");
    }
}
