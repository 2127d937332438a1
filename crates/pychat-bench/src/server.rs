//! The server under test: a private one, or one that runs already.

use crate::gauge::{Gauge, Memory};
use anyhow::{Context, Result, bail, ensure};
use pychat_proto::{JoinLink, PublicKey};
use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A private server is ready within this time.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How often its log is looked at until then.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Lines of its log that an error shows.
const LOG_LINES: usize = 8;

/// Which server to measure.
#[derive(Clone, Debug)]
pub enum Choice {
    /// A fresh one in a temporary directory, by this program, with these arguments on top.
    Private(Private),
    /// One that runs.
    Running {
        /// Where it is and who it is.
        link: JoinLink,
        /// Its process, if it runs on this machine.
        pid: Option<u32>,
    },
}

/// How to start a private server.
#[derive(Clone, Debug)]
pub struct Private {
    /// `pychat-server`.
    pub program: PathBuf,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// More arguments.
    pub arguments: Vec<OsString>,
    /// The network namespace in which it runs, if it is another one than ours.
    pub namespace: Option<OsString>,
}

/// A server to be measured. A private one is killed when this is dropped, and its data with it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    key: PublicKey,
    version: String,
    gauge: Option<Gauge>,
    started: Option<Started>,
}

/// A private server that runs.
#[derive(Debug)]
struct Started {
    private: Private,
    child: Child,
    directory: TempDir,
}

/// How a private server ends before it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is asked to, and says goodbye.
    Orderly,
    /// It is killed in the middle of everything.
    Killed,
}

impl Server {
    /// Starts it, or finds the running one.
    ///
    /// # Errors
    /// It does not become ready, or its link names no key or no address.
    pub async fn start(choice: &Choice) -> Result<Self> {
        match choice {
            Choice::Private(private) => Self::start_private(private),
            Choice::Running { link, pid } => {
                let place = link.first();
                let found = pychat_udp::resolve(place.host(), place.port()).await;
                let address = found.ok().and_then(|all| all.first().copied());
                let address = address.with_context(|| format!("{place} has no address"))?;
                let key = link.key.context("the link names no key: take the whole line")?;
                let (version, gauge) = ("unknown".into(), pid.map(Gauge::of));
                Ok(Self { address, key, version, gauge, started: None })
            }
        }
    }

    fn start_private(private: &Private) -> Result<Self> {
        let version = version_of(&private.program)?;
        let directory = tempfile::Builder::new().prefix("pychat-bench-").tempdir()?;
        let child = private.spawn(directory.path())?;
        let mut started = Started { private: private.clone(), child, directory };
        let (address, key) = started.wait_until_ready()?;
        // Where it listens stays the same if it starts again.
        started.private.listen = address;
        let gauge = started.gauge();
        Ok(Self { address, key, version, gauge, started: Some(started) })
    }

    /// Tells a private one to end; see [`Self::has_ended`].
    ///
    /// # Errors
    /// It is not ours to end.
    pub fn end(&mut self, ending: Ending) -> Result<()> {
        let started = self.started.as_mut().context("only a private server can be restarted")?;
        match ending {
            Ending::Orderly => terminate(&started.child),
            Ending::Killed => started.child.kill().context("killing the server"),
        }
    }

    /// Whether a private one is gone.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        let started = self.started.as_mut();
        Ok(started.is_none_or(|started| started.child.try_wait().is_ok_and(|it| it.is_some())))
    }

    /// Starts a private one again that has ended, with the same data at the same address; see
    /// [`Self::is_ready`].
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&mut self) -> Result<()> {
        let started = self.started.as_mut().context("only a private server can be restarted")?;
        started.child = started.private.spawn(started.directory.path())?;
        self.gauge = started.gauge();
        Ok(())
    }

    /// Whether a private one has said that it is ready.
    ///
    /// # Errors
    /// It ended instead.
    pub fn is_ready(&mut self) -> Result<bool> {
        self.started.as_mut().map_or(Ok(true), |started| Ok(started.ready()?.is_some()))
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// What it calls its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its processor seconds, where they can be seen.
    #[must_use]
    pub fn cpu_s(&self) -> Option<f64> {
        self.gauge?.cpu_s()
    }

    /// Its memory, where it can be seen.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        self.gauge?.memory()
    }

    /// The last lines that a private one logged.
    #[must_use]
    pub fn log(&self) -> Option<String> {
        self.started.as_ref().map(Started::log)
    }
}

impl Private {
    /// Starts it on what this directory holds.
    fn spawn(&self, directory: &Path) -> Result<Child> {
        let log = File::create(directory.join("log")).context("making a log")?;
        let mut command = self.command();
        command.arg("--data").arg(directory.join("data"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().with_context(|| format!("starting {command:?}"))
    }

    /// All but where its data is. What our own environment says of servers is not meant for it.
    fn command(&self) -> Command {
        let mut command = match &self.namespace {
            // It becomes the program: the process is the server's.
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec"]).arg(namespace).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PYCHAT_")) {
                command.env_remove(name);
            }
        }
        command.arg("--listen").arg(self.listen.to_string()).args(&self.arguments);
        command
    }
}

impl Started {
    fn gauge(&self) -> Option<Gauge> {
        Some(Gauge::of(self.child.id())).filter(|gauge| gauge.cpu_s().is_some())
    }

    fn wait_until_ready(&mut self) -> Result<(SocketAddr, PublicKey)> {
        let until = Instant::now() + READY_WITHIN;
        loop {
            if let Some(ready) = self.ready()? {
                return Ok(ready);
            }
            ensure!(Instant::now() < until, "pychat-server is not ready\n{}", self.log());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// What it said when it was ready, if it is.
    fn ready(&mut self) -> Result<Option<(SocketAddr, PublicKey)>> {
        let log = self.whole_log();
        // A line without its end is still being written.
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        if let Some((address, link)) = lines.filter_map(parse_ready).next() {
            return Ok(Some((address, link.key.context("a server's link names its key")?)));
        }
        if let Some(status) = self.child.try_wait()? {
            bail!("pychat-server ended with {status}\n{}", self.log());
        }
        Ok(None)
    }

    fn whole_log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn log(&self) -> String {
        let log = self.whole_log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to kill then.
        let _gone = self.child.kill();
        let _code = self.child.wait();
    }
}

/// Asks a program to end in its own way.
#[cfg(unix)]
fn terminate(child: &Child) -> Result<()> {
    let program = rustix::process::Pid::from_child(child);
    let asked = rustix::process::kill_process(program, rustix::process::Signal::TERM);
    asked.context("asking the server to end")
}

#[cfg(not(unix))]
fn terminate(_: &Child) -> Result<()> {
    bail!("a server is asked to end by a signal, which this system has not: use --kill")
}

/// `pychat-server: ready on ADDRESS, join with LINK`
fn parse_ready(line: &str) -> Option<(SocketAddr, JoinLink)> {
    let (_, rest) = line.split_once("pychat-server: ready on ")?;
    let (address, link) = rest.split_once(", join with ")?;
    Some((address.parse().ok()?, link.trim().parse().ok()?))
}

/// The last word of what it prints for `--version`.
fn version_of(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("starting {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().last();
    Ok(version.context("pychat-server tells no version")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_ready_server_is_read() {
        let link = format!("pychat://h:7#{}", PublicKey([9; 32]));
        let line = format!("pychat-server: ready on 127.0.0.1:7, join with {link}\n");
        let (address, found) = parse_ready(&line).unwrap();
        assert_eq!((address, found), ("127.0.0.1:7".parse().unwrap(), link.parse().unwrap()));
        assert!(parse_ready("pychat-server: not ready\n").is_none());
    }
}
