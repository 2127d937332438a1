//! Runs a `pychatctl` to its end, whatever that is.

use crate::process::{Process, Signal};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The output of a command that ended is closed within this time: a daemon that it was just starting
/// may be frozen while it still has it.
const OUTPUT_DEADLINE: Duration = Duration::from_secs(30);

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

/// A command under way.
pub(crate) struct Saying {
    child: Child,
    pub(crate) process: Process,
    stdout: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
}

impl Saying {
    /// Starts it, and gives it its input.
    pub(crate) fn start(mut command: Command, input: Option<&str>) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting pychatctl")?;
        let process =
            Process::open(child.id()).context("a child that was not waited for is there")?;
        let stdout = follow(child.stdout.take().expect("it is piped"));
        let stderr = follow(child.stderr.take().expect("it is piped"));
        if let Some(mut stdin) = child.stdin.take() {
            // A command that was killed does not read to the end.
            let _not_read = stdin.write_all(input.unwrap_or_default().as_bytes());
        }
        Ok(Self { child, process, stdout, stderr })
    }

    /// Waits for its end, and kills it if that does not come in time.
    pub(crate) fn finish(mut self, deadline: Duration) -> Result<Said> {
        let in_time = self.process.has_ended(deadline);
        if !in_time {
            self.process.signal(Signal::KILL);
        }
        let status = self.child.wait().context("waiting for pychatctl")?;
        let stdout = self.stdout.recv_timeout(OUTPUT_DEADLINE);
        let stderr = self.stderr.recv_timeout(OUTPUT_DEADLINE);
        let code = status.signal().map_or_else(|| status.code().unwrap_or(-1), |it| 128 + it);
        let code = (in_time && stdout.is_ok() && stderr.is_ok()).then_some(code);
        let (stdout, stderr) = (stdout.unwrap_or_default(), stderr.unwrap_or_default());
        Ok(Said { code, stdout, stderr })
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
