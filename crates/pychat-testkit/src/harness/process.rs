//! Processes that are not our children: daemons.

use std::time::Duration;

/// A killed process is gone within this time.
const DEATH_DEADLINE: Duration = Duration::from_secs(10);

/// Kills a process the hard way and waits until it is gone. One that is gone already is fine.
///
/// # Panics
/// It may not be killed, or does not die.
pub fn kill9_and_wait(pid: u32) {
    imp::kill9_and_wait(pid, DEATH_DEADLINE);
}

/// Whether a process runs (a zombie does not).
#[must_use]
pub fn is_running(pid: u32) -> bool {
    imp::is_running(pid)
}

#[cfg(target_os = "linux")]
mod imp {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        io::Errno,
        process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
    };
    use std::{os::fd::OwnedFd, time::Duration};

    pub(super) fn kill9_and_wait(pid: u32, deadline: Duration) {
        let Some(process) = open(pid) else { return };
        match pidfd_send_signal(&process, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => panic!("process {pid} cannot be killed: {error}"),
        }
        assert!(has_ended(&process, deadline), "process {pid} does not die");
    }

    pub(super) fn is_running(pid: u32) -> bool {
        open(pid).is_some_and(|process| !has_ended(&process, Duration::ZERO))
    }

    /// A descriptor names this very process, though its number may be given away again.
    fn open(pid: u32) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok()
    }

    fn has_ended(process: &OwnedFd, deadline: Duration) -> bool {
        let mut ended = [PollFd::new(process, PollFlags::IN)];
        let deadline = Timespec::try_from(deadline).expect("a deadline of seconds fits");
        poll(&mut ended, Some(&deadline)).expect("a process can be waited for") > 0
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
mod imp {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};
    use std::{
        thread,
        time::{Duration, Instant},
    };

    pub(super) fn kill9_and_wait(pid: u32, deadline: Duration) {
        let Some(id) = parse(pid) else { return };
        if kill_process(id, Signal::KILL).is_err() {
            return;
        }
        let deadline = Instant::now() + deadline;
        while is_running(pid) {
            assert!(Instant::now() < deadline, "process {pid} does not die");
            thread::yield_now();
        }
    }

    pub(super) fn is_running(pid: u32) -> bool {
        parse(pid).is_some_and(|id| test_kill_process(id).is_ok())
    }

    fn parse(pid: u32) -> Option<Pid> {
        Pid::from_raw(i32::try_from(pid).ok()?)
    }
}

#[cfg(windows)]
mod imp {
    use pychat_windows::Process;
    use std::time::Duration;

    pub(super) fn kill9_and_wait(pid: u32, deadline: Duration) {
        let Ok(process) = Process::open(pid) else { return };
        // One that has ended by itself cannot be killed.
        let killed = process.kill();
        let ended = process.wait(deadline).expect("a process can be waited for");
        assert!(ended, "process {pid} does not die: {killed:?}");
    }

    pub(super) fn is_running(pid: u32) -> bool {
        let ended = |process: Process| process.wait(Duration::ZERO);
        Process::open(pid).is_ok_and(|process| ended(process).is_ok_and(|ended| !ended))
    }
}
