//! Starting the daemon: which program, how, and what it says when it cannot.

use crate::settings::Settings;
use pychat_control::{ErrorCode, Failure};
use std::{
    ffi::OsString,
    io::{self, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// Starts the daemon and waits until it is ready or says why not. Another process may have started
/// it meanwhile, so a failure is final only if nobody answers afterwards.
pub(crate) fn start(settings: &Settings) -> Result<(), Failure> {
    let program = program();
    let mut command = Command::new(&program);
    command
        .arg("--profile")
        .arg(settings.profile().as_str())
        .arg("--state-dir")
        .arg(settings.base.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(file) = &settings.config_file {
        // The daemon's directory is another one.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        command.arg("--config").arg(file);
    }
    // Without this a program without a console of its own would see one open.
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(&mut command, CREATE_NO_WINDOW);
    let mut child = command.spawn().map_err(|error| not_spawned(&program, &error))?;
    let status = wait(&mut child)?;
    if status.success() {
        return Ok(());
    }
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // A part of what it said is better than nothing.
        let _ = stderr.take(SAID_BYTES_MAX).read_to_end(&mut said);
    }
    Err(not_started(&String::from_utf8_lossy(&said), status))
}

/// `PYCHATD`, else `pychatd` beside this program, else `pychatd` in `PATH`.
pub(crate) fn program() -> OsString {
    let name = format!("pychatd{}", std::env::consts::EXE_SUFFIX);
    let beside = || {
        let ours = std::env::current_exe().ok()?;
        let real = std::fs::canonicalize(&ours).unwrap_or_else(|_| ours.clone());
        let candidates = [ours, real].map(|exe| exe.with_file_name(&name));
        candidates.into_iter().find(|path| path.is_file()).map(PathBuf::into_os_string)
    };
    let named = std::env::var_os("PYCHATD").filter(|named| !named.is_empty());
    named.or_else(beside).unwrap_or_else(|| name.clone().into())
}

fn wait(child: &mut Child) -> Result<ExitStatus, Failure> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Ok(None) => {
                // It may be gone by now.
                let _ = child.kill();
                return Err(unreachable(
                    format!("the daemon was not ready within {} s", START_TIMEOUT.as_secs()),
                    "see why: pychatctl daemon logs",
                ));
            }
            Err(error) => {
                let message = format!("the daemon's start cannot be watched: {error}");
                return Err(unreachable(message, "try again"));
            }
        }
    }
}

pub(crate) fn not_spawned(program: &OsString, error: &io::Error) -> Failure {
    let shown = program.display();
    unreachable(
        format!("the daemon's program {shown} cannot be started: {error}"),
        "install pychatd beside pychatctl, or name it in the variable PYCHATD",
    )
}

/// Passes on what the daemon said in its last words.
fn not_started(said: &str, status: ExitStatus) -> Failure {
    let part = |prefix| said.lines().find_map(|line| line.strip_prefix(prefix));
    let why = part("error: ").map_or_else(|| format!("it ended with {status}"), str::to_owned);
    let hint = part("hint: ").unwrap_or("watch it start: pychatd --foreground");
    unreachable(format!("the daemon cannot be started: {why}"), hint)
}

fn unreachable(message: String, hint: &str) -> Failure {
    Failure { code: ErrorCode::DaemonUnreachable, message, hint: Some(hint.into()), sent: None }
}

/// The daemon goes into the background by itself; this is for the process that waits for it.
/// `CREATE_NO_WINDOW` of `winbase.h`.
#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// How long the daemon may take to be ready.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(15);

/// Between two looks at whether it is ready.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// More than any of its error messages.
pub(crate) const SAID_BYTES_MAX: u64 = 16 * 1024;
