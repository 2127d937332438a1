//! A process by a descriptor, which names it for good though its number may be given away again.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal},
};
use std::{fs, os::fd::OwnedFd, sync::Arc, time::Duration};

pub(crate) use rustix::process::Signal;

/// A process that runs, or ran. Clones name the same one.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pid: u32,
    descriptor: Arc<OwnedFd>,
}

impl Process {
    /// The process with this number, if there is one.
    pub(crate) fn open(pid: u32) -> Option<Self> {
        let raw = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let descriptor = Arc::new(pidfd_open(raw, PidfdFlags::empty()).ok()?);
        Some(Self { pid, descriptor })
    }

    /// Its number.
    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends it a signal; `false` if it had ended before.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        !self.has_ended(Duration::ZERO) && pidfd_send_signal(&self.descriptor, signal).is_ok()
    }

    /// Waits until it has ended; `false` if it has not by then.
    pub(crate) fn has_ended(&self, deadline: Duration) -> bool {
        let mut ended = [PollFd::new(&self.descriptor, PollFlags::IN)];
        let deadline = Timespec::try_from(deadline).expect("a deadline of seconds fits");
        poll(&mut ended, Some(&deadline)).is_ok_and(|ready| ready > 0)
    }

    /// How much memory it has resident, if it runs.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }
}
