//! People with a daemon of their own at one of several sites.

use super::network::{Machine, Network};
use crate::{
    process::Process,
    said::{Said, Saying},
};
use anyhow::{Context, Result, ensure};
use pychat_testkit::harness::{Profile, Programs};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A command is done within this time. Above the longest time that one waits by itself.
const COMMAND_DEADLINE: Duration = Duration::from_secs(90);

/// Somebody who writes and reads.
#[derive(Debug)]
pub(crate) struct Person {
    profile: Profile,
    /// The machine of the daemon.
    pub(crate) machine: Machine,
}

impl Person {
    /// Somebody new at a machine, not yet connected.
    pub(crate) fn new(name: &str, programs: Programs, machine: Machine) -> Self {
        Self { profile: Profile::with_programs(name, programs), machine }
    }

    /// The user's name.
    pub(crate) fn name(&self) -> &str {
        self.profile.name()
    }

    /// The daemon's state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.profile.state()
    }

    /// Starts the daemon at its machine and logs in for the first time.
    pub(crate) fn connect(&self, link: &str, network: &Network) -> Result<()> {
        let name = self.name();
        let mut inside = self.profile.command(&["--json", "connect", name, name, "--server", link]);
        inside.env("PYCHAT_LOG", "info,pychatd=debug,pychat_proto=debug");
        let mut command = network.command(self.machine);
        move_into(&inside, &mut command);
        let said = Saying::start(command, None)?.finish(COMMAND_DEADLINE)?;
        ensure!(said.code == Some(0), "{name} cannot connect: {said:?}");
        Ok(())
    }

    /// Logs in where it was logged in before.
    pub(crate) fn come_back(&self, timeout: &str) -> Result<()> {
        let name = self.name();
        self.ctl_ok(&["connect", name, name, "--timeout", timeout]).map(drop)
    }

    /// Runs `pychatctl --json`.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Result<Said> {
        let command = self.profile.command(&[&["--json"], arguments].concat());
        Saying::start(command, None)?.finish(COMMAND_DEADLINE)
    }

    /// Runs `pychatctl --json`, which must succeed.
    pub(crate) fn ctl_ok(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let said = self.ctl(arguments)?;
        let answer = said.json().filter(|_| said.code == Some(0));
        answer.with_context(|| format!("{} {arguments:?}: {said:?}", self.name()))
    }

    /// Starts a `pychatctl` that shows each message as it comes, one JSON object a line.
    pub(crate) fn follow(&self) -> Result<Child> {
        let mut command = self.profile.command(&["--json", "inbox", "-n", "1000", "--follow"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command.spawn().context("starting pychatctl")
    }

    /// How much memory the daemon has resident.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        Process::open(self.profile.daemon_pid()?)?.resident_kib()
    }

    /// Copies the daemon's logs to where they are kept.
    pub(crate) fn keep_logs(&self, place: &Path) -> io::Result<()> {
        for log in fs::read_dir(self.state().join("log"))? {
            let log = log?;
            let name = format!("{}-{}", self.name(), log.file_name().to_string_lossy());
            fs::copy(log.path(), place.join(name))?;
        }
        Ok(())
    }

    /// Lines of the daemon's logs that tell of a panic.
    pub(crate) fn panicked(&self) -> Vec<String> {
        let logs = fs::read_dir(self.state().join("log")).into_iter().flatten().flatten();
        let lines = logs.flat_map(|log| {
            let text = fs::read(log.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines().filter(|it| it.contains("panicked")).map(str::to_owned).collect::<Vec<_>>()
        });
        lines.map(|line| format!("daemon of {}: {line}", self.name())).collect()
    }
}

/// Makes `outer`, which runs what follows it, run `inner`.
fn move_into(inner: &Command, outer: &mut Command) {
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
}
