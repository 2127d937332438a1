//! What only the outside can do with the programs: press keys in their console, and be Windows' manager of
//! services.

use super::{build::Windows, wine::Wine};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

type Scene = fn(&Windows, &Wine) -> Result<()>;

/// All, in their order.
pub(super) const ALL: [(&str, Scene); 3] = [
    ("Ctrl-C in its console ends a server in order, and an operator reaches it", server_in_console),
    ("Ctrl-C in its console ends a daemon in order", daemon_in_console),
    ("the server is registered, started, asked, stopped and removed as a service", service),
];

fn server_in_console(windows: &Windows, wine: &Wine) -> Result<()> {
    let server = windows.program("pychat-server");
    let data = r"C:\console";
    let command = wine.command(&server, &["--listen", "127.0.0.1:0", "--data", data]);
    let console = Console::start(command, "ready on ")?;
    let stats = wine.told(&server, &["admin", "--data", data, "--json", "stats"])?;
    ensure!(stats.contains("\"sessions\":0"), "the operator is told {stats}");
    let (code, said) = console.press_ctrl_c()?;
    ensure!(code == Some(0), "it ended with {code:?}: {said}");
    ensure!(said.contains("stopping") && said.contains("stopped"), "it said {said}");
    Ok(())
}

fn daemon_in_console(windows: &Windows, wine: &Wine) -> Result<()> {
    let arguments = ["--foreground", "--state-dir", r"C:\console-state"];
    let command = wine.command(&windows.program("pychatd"), &arguments);
    let (code, said) = Console::start(command, "the daemon is ready")?.press_ctrl_c()?;
    ensure!(code == Some(0), "it ended with {code:?}: {said}");
    ensure!(said.contains("the daemon ends"), "it said {said}");
    Ok(())
}

/// The manager of services is Wine's, the account that it runs the server as is the only one there.
fn service(windows: &Windows, wine: &Wine) -> Result<()> {
    let server = windows.program("pychat-server");
    let manage = |verb| wine.told(Path::new("sc"), &[verb, "pychat-server"]);
    let by_hand = wine.run(&server, &["service", "run"])?;
    ensure!(!by_hand.status.success(), "a person becomes a service");
    let data = ["--listen", "127.0.0.1:0", "--data", r"C:\service data"];
    wine.told(&server, &[&["service", "install"][..], &data].concat())?;
    manage("start")?;
    until("it runs", || Ok(manage("query")?.contains("RUNNING")))?;
    // Without a word where: the service is all that there is.
    let stats = wine.told(&server, &["admin", "--json", "stats"])?;
    ensure!(stats.contains("\"sessions\":0"), "the operator is told {stats}");
    manage("stop")?;
    until("it has stopped", || Ok(manage("query")?.contains("STOPPED")))?;
    manage("start")?;
    until("it runs again", || Ok(manage("query")?.contains("RUNNING")))?;
    wine.told(&server, &["service", "remove"])?;
    until("it is gone", || {
        Ok(!wine.run(Path::new("sc"), &["query", "pychat-server"])?.status.success())
    })
}

/// A program in a console of its own. Wine makes Ctrl-C of the signal that a terminal sends.
struct Console {
    child: Child,
    said: String,
    errors: BufReader<std::process::ChildStderr>,
}

impl Console {
    /// Starts it, and waits until it says that it is ready.
    fn start(mut command: Command, ready: &str) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting Wine")?;
        let errors = child.stderr.take().context("standard error was asked for")?;
        let mut console = Self { child, said: String::new(), errors: BufReader::new(errors) };
        while !console.said.contains(ready) {
            if console.errors.read_line(&mut console.said).context("reading what it says")? == 0 {
                bail!("it ended before it was ready: {}", console.said);
            }
        }
        Ok(console)
    }

    /// Its exit code, and all that it said.
    fn press_ctrl_c(mut self) -> Result<(Option<i32>, String)> {
        let process = self.child.id().to_string();
        workspace::run(workspace::command("kill").args(["-INT", &process]))?;
        self.errors.read_to_string(&mut self.said).context("reading what it says")?;
        let status = self.child.wait().context("waiting for its end")?;
        Ok((status.code(), std::mem::take(&mut self.said)))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}

fn until(what: &str, look: impl Fn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + DEADLINE;
    while !look()? {
        ensure!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// A service has done what it was asked to within this time, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
