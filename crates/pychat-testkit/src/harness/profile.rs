//! One person: a profile with its own directories, used through the real `pychatctl`.

use super::{Output, Programs, Running, process, run};
use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// A command is done within this time. Above the longest timeout that the command line has by
/// default, so that its own error comes first.
pub const CTL_DEADLINE: Duration = Duration::from_secs(30);

/// How much of a log is shown when a test fails.
const LOG_TAIL_BYTES: usize = 8_192;

/// A person's profile. Its daemon is killed when it is dropped.
#[derive(Debug)]
pub struct Profile {
    name: String,
    programs: Programs,
    directory: TempDir,
}

impl Profile {
    /// A new profile in a private directory, with the programs beside the running test.
    ///
    /// # Panics
    /// There is no directory or no program.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::with_programs(name, Programs::find())
    }

    /// A new profile in a private directory, with these programs.
    ///
    /// # Panics
    /// No temporary directory can be made.
    #[must_use]
    pub fn with_programs(name: &str, programs: Programs) -> Self {
        // Short, since a socket's path has little room.
        let directory = tempfile::Builder::new().prefix("pyc-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        for part in ["home", "state", "config", "run"] {
            make_private(&directory.path().join(part));
        }
        Self { name: name.into(), programs, directory }
    }

    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The daemon's state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state/pychat").join(&self.name)
    }

    /// The directory that holds everything of this profile.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Runs `pychatctl` without input.
    ///
    /// # Panics
    /// It is not done in time.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        self.ctl_with(arguments, b"", CTL_DEADLINE)
    }

    /// Runs `pychatctl` with this standard input and deadline.
    ///
    /// # Panics
    /// It is not done in time.
    pub fn ctl_with(&self, arguments: &[&str], stdin: &[u8], deadline: Duration) -> Output {
        run::run(self.command(arguments), stdin, deadline).unwrap_or_else(|expired| {
            let why = if expired.ended {
                "ended, but something that it started keeps its output open"
            } else {
                "is not done"
            };
            let (so_far, logs) = (expired.so_far, self.logs());
            panic!("pychatctl {arguments:?} {why} after {deadline:?}\n{so_far}\n{logs}")
        })
    }

    /// Runs `pychatctl --json`, which must succeed, and reads its answer.
    ///
    /// # Panics
    /// It fails, is not done in time or answers no JSON.
    #[must_use]
    pub fn ctl_json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.ctl(&[&["--json"], arguments].concat());
        assert_eq!(output.code, 0, "pychatctl --json {arguments:?}: {output}\n{}", self.logs());
        output.json()
    }

    /// Starts a `pychatctl` that runs on, such as `watch`.
    #[must_use]
    pub fn start_ctl(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// A `pychatctl` command with this profile's environment, not yet started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.path("pychatctl"));
        self.set_environment(&mut command);
        command.env("PYCHATD", self.programs.path("pychatd"));
        command.arg("--profile").arg(&self.name).args(arguments);
        command
    }

    /// A `pychatd` command with this profile's environment, not yet started.
    #[must_use]
    pub fn daemon_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.path("pychatd"));
        self.set_environment(&mut command);
        command.arg("--profile").arg(&self.name).args(arguments);
        command
    }

    /// The running daemon's process id, from its `daemon.json`.
    #[must_use]
    pub fn daemon_pid(&self) -> Option<u32> {
        let text = fs::read(self.state().join("daemon.json")).ok()?;
        let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let pid = u32::try_from(json["pid"].as_u64()?).ok()?;
        // The file of a killed daemon names a process that may be somebody else's by now.
        (process::is_running(pid) && self.owns(pid)).then_some(pid)
    }

    /// Kills the daemon the hard way and waits until it is gone.
    ///
    /// # Panics
    /// No daemon runs, or it does not die.
    pub fn kill_daemon9(&self) {
        let pid = self.daemon_pid();
        let pid = pid.unwrap_or_else(|| panic!("no daemon of {} runs\n{}", self.name, self.logs()));
        process::kill9_and_wait(pid);
    }

    /// All processes with this profile's environment: its daemon, and `pychatctl`s under way.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| self.owns(*pid) && process::is_running(*pid)).collect()
    }

    /// The ends of the daemon's logs, for a failing test's message.
    #[must_use]
    pub fn logs(&self) -> String {
        let places = [self.state(), self.state().join("log")];
        let entries = places.iter().filter_map(|place| fs::read_dir(place).ok()).flatten();
        let paths = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
        let mut logs: Vec<PathBuf> =
            paths.filter(|path| path.to_string_lossy().contains(".log")).collect();
        logs.sort();
        logs.iter().map(|path| format!("--- {}\n{}\n", path.display(), tail(path))).collect()
    }

    fn set_environment(&self, command: &mut Command) {
        forget_environment(command);
        let root = self.directory.path();
        command
            .env("HOME", root.join("home"))
            .env("XDG_STATE_HOME", root.join("state"))
            .env("XDG_CONFIG_HOME", root.join("config"))
            .env("XDG_RUNTIME_DIR", root.join("run"))
            .env("LOCALAPPDATA", root.join("state"))
            .env("APPDATA", root.join("config"));
    }

    /// Whether a process carries this profile's environment.
    #[cfg(target_os = "linux")]
    fn owns(&self, pid: u32) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let mine = self.directory.path().join("state");
        let mine = [b"XDG_STATE_HOME=", mine.as_os_str().as_bytes()].concat();
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|line| line == mine))
    }

    #[cfg(not(target_os = "linux"))]
    fn owns(&self, _pid: u32) -> bool {
        self.state().is_dir()
    }

    #[cfg(target_os = "linux")]
    fn stop_all(&self) {
        self.processes().into_iter().for_each(process::kill9_and_wait);
    }

    #[cfg(not(target_os = "linux"))]
    fn stop_all(&self) {
        self.daemon_pid().into_iter().for_each(process::kill9_and_wait);
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- profile {}\n{}", self.name, self.logs());
        }
        self.stop_all();
    }
}

/// A program under test sees nothing of the tester's own settings.
pub(super) fn forget_environment(command: &mut Command) {
    let ours = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("PYCHAT") || name.starts_with("XDG_") || name == "NOTIFY_SOCKET"
    };
    for (name, _) in env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
}

fn make_private(directory: &Path) {
    fs::create_dir(directory).expect("a directory can be made in our own");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(directory, private).expect("our own directory can be made private");
    }
}

fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
}
