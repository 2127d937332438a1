//! A real `pychat-server`.

use super::{
    Output, Programs, link_via,
    log::{Log, NoLine},
    run::{self, exit_code},
};
use pychat_proto::JoinLink;
use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// A server is ready within this time, also after a crash with much to recover.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// A server that is asked to stop has stopped within this time.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the programs are; without, beside the running test.
    pub programs: Option<Programs>,
    /// More arguments.
    pub arguments: Vec<OsString>,
    /// More environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Another server's exported key, which it takes over before its first start.
    pub key: Option<PathBuf>,
}

/// A server in a private directory, on a loopback port of its own. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    options: Options,
    directory: TempDir,
    address: SocketAddr,
    link: JoinLink,
    log: Log,
    /// Absent between a stop and a restart.
    child: Option<Child>,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let directory = tempfile::Builder::new().prefix("pychat-server-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        if let Some(key) = &options.key {
            let mut command = program(options);
            command.args(["key", "import"]).arg(key).arg("--data").arg(directory.path());
            let imported = run_to_end(command);
            assert_eq!(imported.code, 0, "{imported}");
        }
        let log = Log::default();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (child, address, link) = spawn(options, directory.path(), free, &log);
        let options = options.clone();
        Self { options, directory, address, link, log, child: Some(child) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its join link, by way of its loopback address.
    #[must_use]
    pub fn link(&self) -> String {
        self.link_via(self.address)
    }

    /// Its join link by way of a proxy.
    #[must_use]
    pub fn link_via(&self, proxy: SocketAddr) -> String {
        link_via(&self.link, proxy).to_string()
    }

    /// The join link as the server printed it.
    #[must_use]
    pub const fn printed_link(&self) -> &JoinLink {
        &self.link
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    /// All that it wrote to standard error, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Its process's id, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it the hard way and waits until it is gone.
    ///
    /// # Panics
    /// It was stopped already.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("a child can be killed");
        child.wait().expect("a killed child ends");
    }

    /// Asks it to stop and waits for its exit code.
    ///
    /// # Panics
    /// It was stopped already, or does not stop.
    #[must_use]
    pub fn terminate(&mut self) -> i32 {
        let mut child = self.child.take().expect("the server runs");
        ask_to_stop(&mut child);
        let pid = child.id();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(child.wait()));
        match end.recv_timeout(STOP_DEADLINE) {
            Ok(status) => exit_code(status.expect("a child can be waited for")),
            Err(_) => {
                super::kill9_and_wait(pid);
                panic!("the server did not stop within {STOP_DEADLINE:?}\n{}", self.log());
            }
        }
    }

    /// Starts it again, on the same port and data. A server that still runs is killed first.
    ///
    /// # Panics
    /// It does not become ready.
    pub fn restart(&mut self) {
        if self.child.is_some() {
            self.kill9();
        }
        let (child, address, link) =
            spawn(&self.options, self.directory.path(), self.address, &self.log);
        self.child = Some(child);
        (self.address, self.link) = (address, link);
    }

    /// Runs `pychat-server admin` with more words against it, in JSON.
    ///
    /// # Panics
    /// It is not done in time.
    #[must_use]
    pub fn admin(&self, words: &[&str]) -> Output {
        self.admin_as(&["--json"], words)
    }

    /// Runs `pychat-server admin` with more words against it, as a person reads it.
    ///
    /// # Panics
    /// It is not done in time.
    #[must_use]
    pub fn admin_text(&self, words: &[&str]) -> Output {
        self.admin_as(&[], words)
    }

    fn admin_as(&self, form: &[&str], words: &[&str]) -> Output {
        let mut command = program(&self.options);
        command.arg("admin").arg("--data").arg(self.data()).args(form).args(words);
        run_to_end(command)
    }

    /// Runs the program with these words alone.
    ///
    /// # Panics
    /// It is not done in time.
    #[must_use]
    pub fn program(&self, words: &[&str]) -> Output {
        let mut command = program(&self.options);
        command.args(words);
        run_to_end(command)
    }

    /// Asks it to read its configuration again.
    ///
    /// # Panics
    /// It does not run.
    #[cfg(unix)]
    pub fn hang_up(&self) {
        use rustix::process::{Pid, Signal, kill_process};
        let pid = Pid::from_child(self.child.as_ref().expect("the server runs"));
        kill_process(pid, Signal::HUP).expect("a child takes signals");
    }

    /// Loses all that it has on disk and gets what a backup holds; to be restarted then.
    ///
    /// # Panics
    /// The disk cannot be wiped, or the backup is not taken.
    pub fn lose_and_restore(&mut self, backup: &Path) {
        if self.child.is_some() {
            self.kill9();
        }
        let directory = self.directory.path();
        for entry in std::fs::read_dir(directory).expect("the directory is there") {
            let path = entry.expect("the directory can be read").path();
            std::fs::remove_file(path).expect("what is in it are files");
        }
        let mut command = program(&self.options);
        command.arg("restore").arg(backup).arg("--data").arg(directory);
        let restored = run_to_end(command);
        assert_eq!(restored.code, 0, "{restored}");
    }

    /// Waits until it writes a line that holds `text`, from now on.
    ///
    /// # Panics
    /// No such line comes before the deadline.
    pub fn wait_for_log(&self, text: &str, deadline: Duration) {
        let found =
            self.log.wait(self.log.position(), deadline, |line| line.contains(text).then_some(()));
        assert!(found.is_ok(), "{text:?} did not appear within {deadline:?}\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have crashed meanwhile; there is nothing left to kill then.
            let _gone = child.kill();
            let _code = child.wait();
        }
        if thread::panicking() {
            eprintln!("--- pychat-server at {}\n{}", self.address, self.log());
        }
    }
}

fn spawn(
    options: &Options,
    data: &Path,
    listen: SocketAddr,
    log: &Log,
) -> (Child, SocketAddr, JoinLink) {
    let mut command = program(options);
    command.arg("--listen").arg(listen.to_string()).arg("--data").arg(data);
    command.args(&options.arguments).envs(options.environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let position = log.position();
    let mut child = command.spawn().expect("pychat-server can be started");
    log.add(child.stderr.take().expect("it is piped"));
    let why = match log.wait(position, READY_DEADLINE, parse_ready) {
        Ok((address, link)) => return (child, address, link),
        Err(NoLine::Ended) => "ended before it was ready",
        Err(NoLine::TimedOut) => "was not ready in time",
    };
    let _gone = child.kill();
    let _code = child.wait();
    panic!("pychat-server {why}\n{}", log.text());
}

fn program(options: &Options) -> Command {
    let programs = options.programs.clone().unwrap_or_else(Programs::find);
    let mut command = Command::new(programs.path("pychat-server"));
    super::profile::forget_environment(&mut command);
    command
}

fn run_to_end(command: Command) -> Output {
    match run::run(command, b"", STOP_DEADLINE) {
        Ok(output) => output,
        Err(expired) => panic!("not done within {STOP_DEADLINE:?}: {}", expired.so_far),
    }
}

/// `pychat-server: ready on ADDRESS, join with LINK`
fn parse_ready(line: &str) -> Option<(SocketAddr, JoinLink)> {
    let (_, rest) = line.split_once("pychat-server: ready on ")?;
    let (address, link) = rest.split_once(", join with ")?;
    Some((address.parse().ok()?, link.trim().parse().ok()?))
}

#[cfg(unix)]
fn ask_to_stop(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::TERM).expect("a child takes signals");
}

/// There is no gentle way on this system.
#[cfg(not(unix))]
fn ask_to_stop(child: &mut Child) {
    child.kill().expect("a child can be killed");
}
