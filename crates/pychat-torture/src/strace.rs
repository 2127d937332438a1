//! Failing system calls: strace attaches to a running program and makes calls on its database files
//! fail, so that our real code and the real SQLite meet the error where a broken disk would raise it.

use crate::{
    plan::Breakage,
    process::{Process, Signal},
};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// strace lets go of its program within this time.
const DETACH_DEADLINE: Duration = Duration::from_secs(10);

/// How strace marks a call that it made fail.
const MARK: &str = "(INJECTED)";

/// strace at work. It lets go when dropped.
#[derive(Debug)]
pub(crate) struct Strace {
    child: Child,
    log: PathBuf,
}

impl Strace {
    /// Attaches to a program. From now on each of its threads' `nth` call of this kind on one of
    /// `files` fails.
    pub(crate) fn attach(
        victim: &Process,
        files: &[PathBuf],
        breakage: Breakage,
        nth: u64,
        log: PathBuf,
    ) -> Result<Self> {
        let (calls, error) = match breakage {
            Breakage::SyncFails => ("fsync,fdatasync", "EIO"),
            Breakage::WriteFails => ("write,pwrite64", "EIO"),
            Breakage::WriteHasNoRoom => ("write,pwrite64", "ENOSPC"),
        };
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-p", &victim.pid().to_string()]);
        command.arg("-e").arg(format!("trace={calls}"));
        command.arg("-e").arg(format!("inject={calls}:error={error}:when={nth}"));
        command.arg("-o").arg(&log);
        for file in files {
            command.arg("-P").arg(file);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { child: command.spawn().context("starting strace")?, log })
    }

    /// Whether strace can be used here.
    pub(crate) fn is_here() -> bool {
        let mut command = Command::new("strace");
        command.args(["-qq", "-o", "/dev/null", "true"]).stdin(Stdio::null());
        command.stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Lets go, and tells how many calls failed.
    pub(crate) fn detach(mut self) -> usize {
        self.let_go();
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).matches(MARK).count()
    }

    fn let_go(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        if let Some(strace) = Process::open(self.child.id()) {
            strace.signal(Signal::TERM);
            if !strace.has_ended(DETACH_DEADLINE) {
                strace.signal(Signal::KILL);
            }
        }
        let _code = self.child.wait();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// How the names of our databases' files end.
const ENDINGS: [&str; 4] = [".db", ".db-wal", ".sqlite3", ".sqlite3-wal"];

/// The database files in a directory: SQLite's main files and their logs.
pub(crate) fn database_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_database = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ENDINGS.iter().any(|end| name.ends_with(end))
    };
    paths.filter(is_database).collect()
}
