//! One person: a profile with its daemon, behind a bad network of its own.

use crate::{
    clock::Clock,
    disk::SmallDisk,
    process::Process,
    said::{Said, Saying},
    timeline::Timeline,
};
use anyhow::Result;
use pychat_testkit::{
    harness::{Profile, Programs, link_via},
    proxy::Proxy,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A command is done within this time, though it or its daemon is frozen meanwhile. Above the longest
/// freeze and the longest wait of its own together.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

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
        let saying = Saying::start(command, input)?;
        let process = saying.process.clone();
        self.commands().push(process.clone());
        let said = saying.finish(COMMAND_DEADLINE);
        self.commands().retain(|other| other.pid() != process.pid());
        said
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
