//! A running program's memory and time, as the kernel counts them.

use std::{fs, time::Duration};

/// Looks at one process.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    pid: u32,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Resident memory.
    pub rss_bytes: u64,
    /// Processor time since its start.
    pub cpu: Duration,
}

impl Gauge {
    /// For the process of this id.
    #[must_use]
    pub const fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// What it uses now.
    ///
    /// # Panics
    /// It has ended.
    #[must_use]
    pub fn read(&self) -> Used {
        let read = |name: &str| {
            let path = format!("/proc/{}/{name}", self.pid);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        Used { rss_bytes: rss_bytes(&read("status")), cpu: cpu(&read("stat")) }
    }
}

fn rss_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("a process has memory") << 10
}

fn cpu(stat: &str) -> Duration {
    // The name in parentheses may hold anything; what follows is plain.
    let (_, rest) = stat.rsplit_once(')').expect("a process has a name");
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.map(|field| field.expect("times are numbers")).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_seen() {
        let gauge = Gauge::of(std::process::id());
        let before = gauge.read();
        assert!(before.rss_bytes > 1 << 20, "{before:?}");
        let block = vec![1_u8; 64 << 20];
        let after = gauge.read();
        assert!(after.rss_bytes >= before.rss_bytes + (48 << 20), "{before:?} {after:?}");
        assert_eq!(block.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>(), 64 << 8);
    }

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0";
        let ticks = 42_000 / rustix::param::clock_ticks_per_second();
        assert_eq!(cpu(stat), Duration::from_millis(ticks));
    }
}
