//! `pychat-server` under a supervisor that starts it again whenever it ends, as systemd does.

use crate::{
    clock::Clock,
    disk::SmallDisk,
    process::{Process, Signal},
    timeline::Timeline,
};
use anyhow::{Context, Result, bail};
use pychat_proto::JoinLink;
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The first start is over within this time.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// Between an end and the next start. systemd's unit says a second; less is harder.
const RESTART_AFTER: Duration = Duration::from_millis(300);

/// What was done to a server since it started, which explains how it ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// kill -9.
    pub(crate) killed: bool,
    /// SIGTERM.
    pub(crate) terminated: bool,
    /// Calls on its database failed.
    pub(crate) broken: bool,
    /// Its disk was full.
    pub(crate) full: bool,
}

/// A server that is always there again. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    shared: Arc<Shared>,
    supervisor: Option<JoinHandle<()>>,
    address: SocketAddr,
    link: JoinLink,
    /// Its disk, if it has one of its own. Before the directory, which can be removed then.
    pub(crate) disk: Option<SmallDisk>,
    directory: tempfile::TempDir,
}

#[derive(Debug)]
struct Shared {
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
    pub(crate) clock: Option<Clock>,
    life: Mutex<Life>,
    ending: AtomicBool,
    timeline: Arc<Timeline>,
}

#[derive(Debug, Default)]
struct Life {
    process: Option<Process>,
    marks: Marks,
    full_now: bool,
    /// How often it ended with which code.
    ends: BTreeMap<i32, u64>,
    /// Ends that nothing explains.
    surprises: Vec<String>,
}

impl Server {
    /// Starts it with its data in a new directory, on a small disk where that is possible.
    pub(crate) fn start(program: PathBuf, place: &Path, timeline: Arc<Timeline>) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("pychat-server-").tempdir()?;
        let disk = match SmallDisk::mount(directory.path())? {
            Ok(disk) => Some(disk),
            Err(why) => {
                timeline.note("skipped", "server", &format!("no small disk: {why}"));
                None
            }
        };
        let log = place.join("server.log");
        let clock = Clock::new(place.join("server.clock"))?;
        let life = Mutex::default();
        let (data, ending) = (directory.path().to_owned(), AtomicBool::new(false));
        let shared = Arc::new(Shared { program, data, log, clock, life, ending, timeline });
        let child = shared.spawn(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let (address, link) = shared.wait_ready()?;
        let supervisor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.supervise(child, address))
        };
        Ok(Self { shared, supervisor: Some(supervisor), address, link, disk, directory })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its join link.
    pub(crate) const fn link(&self) -> &JoinLink {
        &self.link
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> &Path {
        self.directory.path()
    }

    /// Its clock, if that can be stepped.
    pub(crate) fn clock(&self) -> Option<&Clock> {
        self.shared.clock.as_ref()
    }

    /// Its present process, if it runs.
    pub(crate) fn process(&self) -> Option<Process> {
        self.shared.life().process.clone()
    }

    /// Notes what is done to the present process.
    pub(crate) fn mark(&self, mark: impl FnOnce(&mut Marks)) {
        mark(&mut self.shared.life().marks);
    }

    /// Notes whether its disk is full, now and for the next starts.
    pub(crate) fn set_full(&self, full: bool) {
        let mut life = self.shared.life();
        life.full_now = full;
        life.marks.full |= full;
    }

    /// How often it ended with which code.
    pub(crate) fn ends(&self) -> BTreeMap<i32, u64> {
        self.shared.life().ends.clone()
    }

    /// Ends that nothing explains, since the last call.
    pub(crate) fn surprises(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.life().surprises)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        if let Some(process) = self.process() {
            process.signal(Signal::KILL);
        }
        if let Some(supervisor) = self.supervisor.take() {
            // If it panicked, that was shown.
            let _shown = supervisor.join();
        }
    }
}

impl Shared {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, listen: SocketAddr) -> Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let mut command = Command::new(&self.program);
        command.arg("--listen").arg(listen.to_string()).arg("--data").arg(&self.data);
        command.args(["--log", "info,pychat_server=debug"]);
        if let Some(clock) = &self.clock {
            command.envs(clock.environment());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log.context("opening the server's log")?);
        let child = command.spawn().context("starting pychat-server")?;
        let mut life = self.life();
        life.process = Process::open(child.id());
        life.marks = Marks { full: life.full_now, ..Marks::default() };
        Ok(child)
    }

    fn wait_ready(&self) -> Result<(SocketAddr, JoinLink)> {
        let end = Instant::now() + READY_DEADLINE;
        while Instant::now() < end {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(ready) = text.lines().find_map(parse_ready) {
                return Ok(ready);
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the server was not ready in time; see {}", self.log.display())
    }

    fn supervise(&self, mut child: Child, address: SocketAddr) {
        loop {
            let status = child.wait().expect("a child can be waited for");
            if self.ending.load(Ordering::Relaxed) {
                return;
            }
            self.note_end(status);
            thread::sleep(RESTART_AFTER);
            if self.ending.load(Ordering::Relaxed) {
                return;
            }
            match self.spawn(address) {
                Ok(next) => child = next,
                Err(error) => {
                    self.life().surprises.push(format!("{error:#}"));
                    return;
                }
            }
            self.timeline.note("started", "server", &format!("process {}", child.id()));
        }
    }

    fn note_end(&self, status: ExitStatus) {
        let code = status.signal().map_or_else(|| status.code().unwrap_or(-1), |it| 128 + it);
        let mut life = self.life();
        life.process = None;
        let marks = life.marks;
        *life.ends.entry(code).or_default() += 1;
        let text = format!("ended with {code} after {marks:?}");
        self.timeline.note("ended", "server", &text);
        if !is_explained(code, marks) {
            life.surprises.push(format!("the server {text}"));
        }
    }
}

/// Whether a server may end so, after what was done to it. The numbers are in its `--help`.
const fn is_explained(code: i32, marks: Marks) -> bool {
    match code {
        0 => marks.terminated,
        // SIGTERM before the program could ask to be told of it.
        143 => marks.terminated,
        137 => marks.killed,
        // At the start: the directory or the store could not be used.
        4 => marks.broken || marks.full,
        // In the middle: a failed fsync, after which nobody knows what the disk holds.
        7 => marks.broken,
        _ => false,
    }
}

/// `pychat-server: ready on ADDRESS, join with LINK`
fn parse_ready(line: &str) -> Option<(SocketAddr, JoinLink)> {
    let (_, rest) = line.split_once("pychat-server: ready on ")?;
    let (address, link) = rest.split_once(", join with ")?;
    Some((address.parse().ok()?, link.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_explained_only_by_what_was_done() {
        let none = Marks::default();
        assert!(!is_explained(0, none) && is_explained(0, Marks { terminated: true, ..none }));
        assert!(!is_explained(137, none) && is_explained(137, Marks { killed: true, ..none }));
        assert!(!is_explained(7, none) && is_explained(7, Marks { broken: true, ..none }));
        assert!(!is_explained(7, Marks { full: true, ..none }), "a full disk is no failed fsync");
        assert!(!is_explained(4, none) && is_explained(4, Marks { full: true, ..none }));
        let all = Marks { killed: true, terminated: true, broken: true, full: true };
        for code in [1, 101, 134, 139] {
            assert!(!is_explained(code, all), "{code}");
        }
    }
}
