//! Processes that are not our children.

use crate::command_line;
use std::{ffi::OsString, io, path::Path, time::Duration};
use winsafe::{
    CreateProcess, FILETIME, HPROCESS, STARTUPINFO, SysResult, co,
    guard::{CloseHandleGuard, CloseHandlePiGuard},
};

/// A process. Its number is nobody else's for as long as this is kept.
pub struct Process {
    handle: Handle,
}

enum Handle {
    Opened(CloseHandleGuard<HPROCESS>),
    Started(CloseHandlePiGuard),
}

impl Process {
    /// The process with this number, to be waited for and killed.
    ///
    /// # Errors
    /// It is gone, or not ours.
    pub fn open(pid: u32) -> io::Result<Self> {
        let access = co::PROCESS::SYNCHRONIZE
            | co::PROCESS::TERMINATE
            | co::PROCESS::QUERY_LIMITED_INFORMATION;
        let handle = HPROCESS::OpenProcess(access, false, pid).map_err(failed)?;
        Ok(Self { handle: Handle::Opened(handle) })
    }

    /// Starts a program that outlives us and our console: with a console of its own that has no window,
    /// and out of the reach of our Ctrl-C. It inherits no handles, so that no pipe that we were given
    /// stays open in it. `directory` is where it runs.
    ///
    /// # Errors
    /// It cannot be started, or a path or an argument is no Unicode.
    pub fn start_in_background(
        program: &Path,
        arguments: &[OsString],
        directory: &Path,
    ) -> io::Result<Self> {
        let line = command_line::of(program, arguments);
        let (Some(line), Some(directory)) = (line, directory.to_str()) else {
            let why = "an argument is not Unicode";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        let flags = co::CREATE::NO_WINDOW | co::CREATE::NEW_PROCESS_GROUP;
        // A terminal or a remote session may end all that it began: leave it, where it lets us.
        let left = start(&line, directory, flags | co::CREATE::BREAKAWAY_FROM_JOB);
        let started = left.or_else(|_| start(&line, directory, flags)).map_err(failed)?;
        Ok(Self { handle: Handle::Started(started) })
    }

    /// Waits for its end, and says whether it came.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn wait(&self, patience: Duration) -> io::Result<bool> {
        let patience = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX - 1);
        let waited = self.handle().WaitForSingleObject(Some(patience)).map_err(failed)?;
        Ok(waited != co::WAIT::TIMEOUT)
    }

    /// Ends it the hard way.
    ///
    /// # Errors
    /// It has ended, or it is not ours.
    pub fn kill(&self) -> io::Result<()> {
        self.handle().TerminateProcess(1).map_err(failed)
    }

    /// The processor time that this very process has taken, in the program and in the kernel.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn own_cpu_time() -> io::Result<Duration> {
        let (_, _, kernel, user) =
            HPROCESS::GetCurrentProcess().GetProcessTimes().map_err(failed)?;
        let ticks =
            |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
        Ok(Duration::from_nanos((ticks(kernel) + ticks(user)).saturating_mul(TICK_NANOS)))
    }

    /// Its number.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn id(&self) -> io::Result<u32> {
        self.handle().GetProcessId().map_err(failed)
    }

    fn handle(&self) -> &HPROCESS {
        match &self.handle {
            Handle::Opened(process) => process,
            Handle::Started(started) => &started.hProcess,
        }
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("id", &self.id().ok()).finish()
    }
}

fn start(line: &str, directory: &str, flags: co::CREATE) -> SysResult<CloseHandlePiGuard> {
    let mut startup = STARTUPINFO::default();
    let directory = Some(directory);
    CreateProcess(None, Some(line), None, None, false, flags, &[], directory, &mut startup)
}

/// What the system counts times in.
const TICK_NANOS: u64 = 100;

/// The system's error, as std has them.
pub(crate) fn failed(error: co::ERROR) -> io::Error {
    io::Error::from_raw_os_error(error.raw().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::Process;
    use std::{process::Command, time::Duration};

    #[test]
    fn a_process_is_waited_for_and_killed_by_its_number() {
        // It waits for a line that never comes.
        let mut command = Command::new("cmd.exe");
        command.args(["/d", "/c", "pause"]).stdin(std::process::Stdio::piped());
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        assert_eq!(process.id().unwrap(), child.id());
        assert!(!process.wait(Duration::ZERO).unwrap());
        process.kill().unwrap();
        assert!(process.wait(Duration::from_secs(10)).unwrap());
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }

    #[test]
    fn a_program_that_is_not_there_is_not_started() {
        let missing = std::path::Path::new(r"C:\nowhere\at all.exe");
        assert!(Process::start_in_background(missing, &[], missing).is_err());
    }
}
