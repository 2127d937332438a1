//! Runs a program to its end or its deadline, or line by line.

use super::log::{Log, NoLine};
use std::{
    io::Write,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Most bytes of output that are read; a program that writes more runs into its deadline.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;

/// What a program said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 and the signal's number if one ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// The output of a program that must succeed.
    ///
    /// # Panics
    /// It did not.
    #[must_use]
    pub fn expect_ok(self) -> String {
        assert_eq!(self.code, 0, "{self}");
        self.stdout
    }

    /// Standard output as one JSON value.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }

    /// Standard error as one JSON value: the shape of errors under `--json`.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn error_json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stderr)
            .unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit code {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A program that was not done in time and was killed.
#[derive(Debug)]
pub(super) struct Expired {
    /// What it had written so far.
    pub(super) so_far: Output,
    /// Whether it had ended, but something that it started kept its output open.
    pub(super) ended: bool,
}

/// Runs `command` to its end, feeding it `stdin`. Kills it at the deadline.
pub(super) fn run(
    command: Command,
    stdin: &[u8],
    deadline: Duration,
) -> Result<Output, Box<Expired>> {
    // On a thread of its own, since a runtime may be under way on this one.
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be had").block_on(run_async(command, stdin, deadline))
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn run_async(
    mut command: Command,
    stdin: &[u8],
    deadline: Duration,
) -> Result<Output, Box<Expired>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_owned();
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
    let (mut input, output, errors) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut output = output.expect("it is piped").take(OUTPUT_BYTES_MAX);
    let mut errors = errors.expect("it is piped").take(OUTPUT_BYTES_MAX);
    let (mut stdout, mut stderr, mut status) = (Vec::new(), Vec::new(), None);
    let feed = async {
        if let Some(mut input) = input.take() {
            // A program may end without reading its input to the end.
            let _not_read = input.write_all(stdin).await;
        }
    };
    let whole = async {
        let ended = async { status = Some(child.wait().await.expect("a child can be waited for")) };
        let (out, err, (), ()) = tokio::join!(
            output.read_to_end(&mut stdout),
            errors.read_to_end(&mut stderr),
            feed,
            ended,
        );
        out.and(err).expect("a pipe can be read");
    };
    let in_time = tokio::time::timeout(deadline, whole).await.is_ok();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = status.map_or(-1, exit_code);
    let output = Output { code, stdout: text(stdout), stderr: text(stderr) };
    if in_time {
        Ok(output)
    } else {
        Err(Box::new(Expired { so_far: output, ended: status.is_some() }))
    }
}

/// The code of an end, as a shell gives it.
pub(super) fn exit_code(status: std::process::ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}

/// A program that runs on, such as `pychatctl watch`. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Log,
    stderr: Log,
    read: usize,
}

impl Running {
    pub(super) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{} cannot be started: {error}", command.get_program().display())
        });
        let stdout = Log::follow(child.stdout.take().expect("it is piped"));
        let stderr = Log::follow(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr, read: 0 }
    }

    /// Waits for the next line of standard output; `None` at its end.
    ///
    /// # Panics
    /// No line comes before the deadline.
    pub fn next_line(&mut self, deadline: Duration) -> Option<String> {
        match self.stdout.wait(self.read, deadline, |line| Some(line.to_owned())) {
            Ok(line) => {
                self.read += 1;
                Some(line)
            }
            Err(NoLine::Ended) => None,
            Err(NoLine::TimedOut) => {
                panic!("no line within {deadline:?}\n--- stderr\n{}", self.stderr.text())
            }
        }
    }

    /// Writes a line to standard input.
    ///
    /// # Panics
    /// The program does not read it any more.
    pub fn write_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").expect("the program reads its input");
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}
