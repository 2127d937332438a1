//! One run of a program: a clean environment, messages on its standard input, a time limit for it and all that it
//! started.

use pychat_control::Message;
use std::{env, ffi::OsString, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

/// What is passed on of the daemon's own environment: what programs need to find their way, and a person's
/// desktop.
const PASSED_ON: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
];

/// Where programs are, if the daemon was started without a `PATH`.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// What is kept of what a program says of its failure.
const SAID_BYTES_MAX: u64 = 4096;

/// Characters of it that are shown.
const SAID_CHARS_SHOWN: usize = 200;

/// A program for messages.
#[derive(Clone, Debug)]
pub(super) struct Program {
    hook: &'static str,
    /// The program and its arguments.
    words: Vec<OsString>,
    profile: String,
    time: Duration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With code 0.
    Well,
    /// It ran, and failed: why, for a person.
    Badly(String),
    /// It did not run: why, for a person.
    NotStarted(String),
}

impl Program {
    pub(super) fn new(
        hook: &'static str,
        words: Vec<OsString>,
        profile: &str,
        time: Duration,
    ) -> Self {
        Self { hook, words, profile: profile.to_owned(), time }
    }

    /// Runs it with these messages, one JSON object a line.
    pub(super) async fn run(&self, messages: &[Message]) -> Ended {
        let Some((program, arguments)) = self.words.split_first() else {
            return Ended::NotStarted("no program is named".into());
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        self.set_environment(&mut command, messages);
        #[cfg(unix)]
        command.process_group(0);
        let shown = program.display();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Ended::NotStarted(format!("{shown} cannot be started: {error}")),
        };
        let group = child.id();
        let mut input = Vec::new();
        for message in messages {
            // Plain data is always JSON.
            input.extend(serde_json::to_vec(message).unwrap_or_default());
            input.push(b'\n');
        }
        match tokio::time::timeout(self.time, drive(&mut child, group, &input)).await {
            Ok(ended) => ended,
            Err(_) => {
                end_group(group);
                Ended::Badly(format!("it was not done within {:?} and was ended", self.time))
            }
        }
    }

    fn set_environment(&self, command: &mut Command, messages: &[Message]) {
        command.env_clear().env("PATH", PATH_DEFAULT);
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.env("PYCHAT_HOOK", self.hook).env("PYCHAT_PROFILE", &self.profile);
        if let [message] = messages {
            command.env("PYCHAT_FROM", &message.from).env("PYCHAT_ID", &message.id);
        }
        if let Some(home) = env::home_dir().filter(|home| home.is_dir()) {
            command.current_dir(home);
        }
    }
}

/// Feeds it and waits for its end.
async fn drive(child: &mut Child, group: Option<u32>, input: &[u8]) -> Ended {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program need not read its input.
            let _ = stdin.write_all(input).await;
        }
    };
    let listen = async {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = (&mut stderr).take(SAID_BYTES_MAX).read_to_end(&mut said).await;
            // The rest is read, so that it need not wait, and let go.
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
        said
    };
    let wait = async {
        // What it started in the background may keep its standard error open.
        let status = child.wait().await;
        end_group(group);
        status
    };
    let ((), said, status) = tokio::join!(feed, listen, wait);
    match status {
        Ok(status) if status.success() => Ended::Well,
        Ok(status) => Ended::Badly(match first_line(&said) {
            Some(line) => format!("it ended with {status}: {line}"),
            None => format!("it ended with {status}"),
        }),
        Err(error) => Ended::Badly(format!("its end cannot be waited for: {error}")),
    }
}

fn first_line(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(SAID_CHARS_SHOWN).collect())
}

/// Ends a program and what it started.
#[cfg(unix)]
fn end_group(leader: Option<u32>) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let group = leader.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        // There may be nobody left in it.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// What it started is its own there.
#[cfg(not(unix))]
fn end_group(_: Option<u32>) {}
