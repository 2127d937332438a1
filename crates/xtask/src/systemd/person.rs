//! Somebody on the host who reaches the machine's server over the network.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A person with a daemon that ends when dropped.
pub(super) struct Person {
    programs: PathBuf,
    /// All that the programs write, in a place that is short enough for a socket.
    directory: PathBuf,
    daemon: Option<Child>,
}

impl Person {
    /// Starts the daemon of a new person.
    pub(super) fn new(programs: &Path) -> Result<Self> {
        let directory = env::temp_dir().join(format!("pyc-systemd-{}", std::process::id()));
        let mut person = Self { programs: programs.to_owned(), directory, daemon: None };
        for part in ["home", "state", "config", "run"] {
            fs::create_dir_all(person.directory.join(part))
                .context("making a place for a person")?;
        }
        // Ended with us, however we end.
        let mut daemon = Command::new("setpriv");
        daemon.args(["--pdeathsig", "KILL"]).arg(person.programs.join("pychatd"));
        person.set_environment(&mut daemon);
        daemon.arg("--foreground").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        person.daemon = Some(daemon.spawn().context("starting pychatd")?);
        super::machine::until("pychatd to answer", || {
            Ok(person.command(&["daemon", "status"]).output()?.status.success())
        })?;
        Ok(person)
    }

    /// What `pychatctl` says, which must succeed.
    pub(super) fn said(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(arguments);
        let output = command.output().context("starting pychatctl")?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let complained = String::from_utf8_lossy(&output.stderr);
            let line = workspace::line(&command);
            bail!("`{line}` outside: {} {said} {}", output.status, complained.trim());
        }
        Ok(said)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("pychatctl"));
        self.set_environment(&mut command);
        command.arg("--no-autostart").args(arguments).stdin(Stdio::null());
        command
    }

    fn set_environment(&self, command: &mut Command) {
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PYCHAT") || text.starts_with("XDG_") || text == "NOTIFY_SOCKET" {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.directory.join("home"))
            .env("XDG_STATE_HOME", self.directory.join("state"))
            .env("XDG_CONFIG_HOME", self.directory.join("config"))
            .env("XDG_RUNTIME_DIR", self.directory.join("run"));
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
