//! One person: a profile with its daemon, behind a bad network of its own.

use crate::{
    clock::Clock,
    disk::SmallDisk,
    process::{Process, Signal},
    timeline::Timeline,
};
use anyhow::{Context, Result};
use pychat_testkit::{
    harness::{Profile, Programs, link_via},
    proxy::Proxy,
};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// A command is done within this time, though it or its daemon is frozen meanwhile. Above the longest
/// freeze and the longest wait of its own together.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// The output of a command that ended is closed within this time: a daemon that it was just starting
/// may be frozen while it still has it.
const OUTPUT_DEADLINE: Duration = Duration::from_secs(30);

/// Somebody who talks.
#[derive(Debug)]
pub(crate) struct Person {
    /// The disk of the daemon's state, if it has one of its own.
    pub(crate) disk: Option<SmallDisk>,
    pub(crate) clock: Option<Clock>,
    pub(crate) proxy: Proxy,
    profile: Profile,
    daemon_program: PathBuf,
    commands: Mutex<Vec<Process>>,
}

/// What a command said and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// The exit code; 128 and the signal's number if one ended it; `None` if it hung.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Said {
    /// Standard output as JSON, if it is that, whole.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.stdout).ok()
    }
}

/// Where a person's programs and files are.
pub(crate) struct Home<'a> {
    /// The directory of the real programs.
    pub(crate) programs: &'a Path,
    /// Where the run keeps its files.
    pub(crate) place: &'a Path,
    /// Whether the state is to be on a small disk.
    pub(crate) small_disk: bool,
}

impl Person {
    /// A new person, not yet connected.
    pub(crate) fn new(
        name: &str,
        home: &Home<'_>,
        proxy: Proxy,
        timeline: &Timeline,
    ) -> Result<Self> {
        let profile = Profile::with_programs(name, Programs::inside(home.programs));
        let mut disk = None;
        if home.small_disk {
            match SmallDisk::mount(&profile.state())? {
                Ok(mounted) => disk = Some(mounted),
                Err(why) => timeline.note("skipped", name, &format!("no small disk: {why}")),
            }
        }
        let clock = Clock::new(home.place.join(format!("{name}.clock")))?;
        let program = home.programs.join("pychatd");
        let daemon_program = match &clock {
            Some(clock) => {
                let script = home.place.join(format!("{name}.pychatd"));
                clock.wrap(&program, &script)?;
                script
            }
            None => program,
        };
        Ok(Self { disk, clock, proxy, profile, daemon_program, commands: Mutex::default() })
    }

    /// The user's name.
    pub(crate) fn name(&self) -> &str {
        self.profile.name()
    }

    /// The daemon's state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.profile.state()
    }

    /// Logs in for the first time, by way of the proxy.
    pub(crate) fn connect(&self, link: &pychat_proto::JoinLink) -> Result<()> {
        let link = link_via(link, self.proxy.address()).to_string();
        let said = self.ctl(&["connect", self.name(), self.name(), "--server", &link], None)?;
        anyhow::ensure!(said.code == Some(0), "{} cannot connect: {said:?}", self.name());
        Ok(())
    }

    /// Runs `pychatctl --json`, which may be killed meanwhile.
    pub(crate) fn ctl(&self, arguments: &[&str], input: Option<&str>) -> Result<Said> {
        let mut command = self.profile.command(&[&["--json"], arguments].concat());
        command.env("PYCHATD", &self.daemon_program).env("PYCHAT_LOG", "info,pychatd=debug");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting pychatctl")?;
        let process =
            Process::open(child.id()).context("a child that was not waited for is there")?;
        self.commands().push(process.clone());
        let stdout = follow(child.stdout.take().expect("it is piped"));
        let stderr = follow(child.stderr.take().expect("it is piped"));
        if let Some(mut stdin) = child.stdin.take() {
            // A command that was killed does not read to the end.
            let _not_read = stdin.write_all(input.unwrap_or_default().as_bytes());
        }
        let in_time = process.has_ended(COMMAND_DEADLINE);
        self.commands().retain(|other| other.pid() != process.pid());
        if !in_time {
            process.signal(Signal::KILL);
        }
        let status = child.wait().context("waiting for pychatctl")?;
        let stdout = stdout.recv_timeout(OUTPUT_DEADLINE);
        let stderr = stderr.recv_timeout(OUTPUT_DEADLINE);
        let code = status.signal().map_or_else(|| status.code().unwrap_or(-1), |it| 128 + it);
        let code = (in_time && stdout.is_ok() && stderr.is_ok()).then_some(code);
        let (stdout, stderr) = (stdout.unwrap_or_default(), stderr.unwrap_or_default());
        Ok(Said { code, stdout, stderr })
    }

    /// A command under way, if one is.
    pub(crate) fn command(&self) -> Option<Process> {
        self.commands().first().cloned()
    }

    /// The daemon, if it runs or is just starting.
    pub(crate) fn daemon(&self) -> Option<Process> {
        let is_daemon = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim() == "pychatd")
        };
        Process::open(self.profile.processes().into_iter().find(is_daemon)?)
    }

    fn commands(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a pipe to its end, on a thread of its own.
fn follow(mut source: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (whole, read) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is what was said.
        let _broken = source.read_to_end(&mut bytes);
        // Nobody may wait any more.
        let _late = whole.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    read
}
