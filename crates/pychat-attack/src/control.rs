//! A real `pychatd`, attacked over its control socket by a program of the same user, and an honest one
//! that asks it for its status beside that.

use pychat_testkit::harness::{Profile, Programs};
use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// An honest question is answered within this time.
const DEADLINE: Duration = Duration::from_secs(30);

/// Between two honest questions.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// The first thing that a client says.
pub(crate) const HELLO: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"hello","params":{"client":"attack","version":"1","#,
    r#""protocol_min":1,"protocol_max":1}}"#,
    "\n"
);

/// A question that every daemon answers.
pub(crate) const STATUS: &str =
    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"status\",\"params\":{}}\n";

/// A daemon of its own profile.
#[derive(Debug)]
pub struct Daemon {
    profile: Profile,
    pid: u32,
}

impl Daemon {
    /// Starts one, as `pychatctl` does.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(programs: &Programs) -> Self {
        let profile = Profile::with_programs("attacked", programs.clone());
        let output = profile.ctl(&["status"]);
        assert_eq!(output.code, 0, "{output}");
        let pid = profile.daemon_pid().expect("a daemon that answered runs");
        Self { profile, pid }
    }

    /// The profile.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Its process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.profile.state().join("control.sock")
    }

    /// Connects to it.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.socket())
    }
}

/// An honest client that has a connection and asks on it, again and again, in a thread of its own.
#[derive(Debug)]
pub struct Talker {
    ending: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Instant, Duration)>>,
}

impl Talker {
    /// Connects and begins to ask.
    ///
    /// # Panics
    /// The daemon does not let us in.
    #[must_use]
    pub fn start(daemon: &Daemon) -> Self {
        let stream = daemon.connect().expect("the daemon listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time that is not zero");
        let mut lines = BufReader::new(stream.try_clone().expect("a stream can be shared"));
        let mut ask = move |question: &str| {
            let mut answer = String::new();
            (&stream).write_all(question.as_bytes()).expect("the daemon reads");
            lines.read_line(&mut answer).expect("the daemon answers in time");
            assert!(answer.contains(r#""result""#), "{answer}");
        };
        ask(HELLO);
        let ending = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let ending = ending.clone();
            move || {
                let (start, mut asked, mut answers) = (Instant::now(), 0, Vec::new());
                while !ending.load(Ordering::Relaxed) {
                    let due = start + ASK_EVERY * asked;
                    asked += 1;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    ask(STATUS);
                    answers.push((due, due.elapsed()));
                }
                answers
            }
        });
        Self { ending, thread }
    }

    /// Asks no more; when each question was due, and how long its answer took from then.
    ///
    /// # Panics
    /// A question was not answered.
    #[must_use]
    pub fn finish(self) -> Vec<(Instant, Duration)> {
        self.ending.store(true, Ordering::Relaxed);
        self.thread.join().expect("every question is answered")
    }
}
