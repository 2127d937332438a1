//! Wine, with a Windows of its own that nobody else uses.

use super::build::Windows;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A fresh Windows. Whatever still runs in it ends with it.
pub(super) struct Wine {
    prefix: PathBuf,
}

impl Wine {
    /// What runs a program.
    pub(super) const LOADER: &'static str = "/usr/lib/wine/wine64";
    const SERVER: &'static str = "/usr/lib/wine/wineserver64";

    /// Makes it anew, so that nothing of an earlier run is found.
    pub(super) fn start(windows: &Windows) -> Result<Self> {
        let prefix = windows.directory().join("wine");
        let wine = Self { prefix };
        wine.end();
        if wine.prefix.exists() {
            fs::remove_dir_all(&wine.prefix).context("removing an earlier run's Windows")?;
        }
        println!("preparing a Windows in {}", wine.prefix.display());
        let prepared = wine.run(Path::new("wineboot"), &["--init"])?;
        if !prepared.status.success() {
            let said = String::from_utf8_lossy(&prepared.stderr).into_owned();
            bail!("Wine cannot prepare its directory: {}", said.trim());
        }
        Ok(wine)
    }

    /// A program with its arguments, not yet started.
    pub(super) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = workspace::command(Self::LOADER);
        command.arg(program).args(arguments);
        self.set_environment(&mut command);
        command
    }

    /// Runs a program to its end.
    pub(super) fn run(&self, program: &Path, arguments: &[&str]) -> Result<Output> {
        let output = self.command(program, arguments).output();
        output.with_context(|| format!("starting {} under Wine", program.display()))
    }

    /// Runs a program, which must succeed; what it printed.
    pub(super) fn told(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let output = self.run(program, arguments)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            let name = program.display();
            bail!("{name} {arguments:?} ended with {}: {said}{errors}", output.status);
        }
        Ok(said)
    }

    /// For a command that runs something in it.
    pub(super) fn set_environment(&self, command: &mut Command) {
        command.env("WINEPREFIX", &self.prefix);
        // Complaints about what it has not: none of these are ours.
        command.env("WINEDEBUG", "-all");
        // No desktop, and nothing fetched from the network for it.
        command.env("WINEDLLOVERRIDES", "mscoree,mshtml=").env_remove("DISPLAY");
    }

    /// Ends all that runs in it.
    fn end(&self) {
        let mut command = workspace::command(Self::SERVER);
        self.set_environment(&mut command);
        // Nothing may run.
        let _ = command.arg("-k").output();
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        self.end();
    }
}
