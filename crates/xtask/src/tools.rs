//! Cargo's tools that are programs of their own: found, or built once below the target directory.

use super::report::Outcome;
use crate::workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// How a person does it.
pub(super) const ALONE: &str = "cargo install --locked cargo-deny cargo-nextest";

/// A tool from crates.io.
pub(super) struct Tool {
    name: &'static str,
    version: &'static str,
    options: &'static [&'static str],
}

/// Runs tests, each in a process of its own.
/// Without the feature that lets it replace itself, which brings TLS and doubles its build time.
pub(super) const NEXTEST: Tool =
    Tool { name: "cargo-nextest", version: "0.9.151", options: &["--no-default-features"] };
/// Checks licences, sources, bans and advisories.
pub(super) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", options: &[] };

/// Installs what is missing. Without nextest the tests run all the same, only not as well.
pub(super) fn install_missing(target: &Path) -> Result<Outcome> {
    DENY.find_or_install(target)?;
    match NEXTEST.find_or_install(target) {
        Ok(_) => Ok(Outcome::Passed),
        Err(error) => Ok(Outcome::Told(format!("but going on without nextest: {error:#}"))),
    }
}

impl Tool {
    /// The program, which must be there.
    pub(super) fn program(&self, target: &Path) -> Result<PathBuf> {
        self.find(target).with_context(|| format!("{} is not installed", self.name))
    }

    /// The program: on the `PATH`, or as this function built it before.
    pub(super) fn find(&self, target: &Path) -> Option<PathBuf> {
        let built = self.directory(target).join("bin").join(self.name);
        workspace::on_path(self.name).or_else(|| built.is_file().then_some(built))
    }

    /// The program, built now if it is not to be found.
    ///
    /// Optimizing takes most of a tool's build time and pays nothing in its few seconds of work.
    fn find_or_install(&self, target: &Path) -> Result<PathBuf> {
        if let Some(program) = self.find(target) {
            return Ok(program);
        }
        let directory = self.directory(target);
        let build = target.join("tools").join("build");
        let mut command = workspace::cargo();
        command
            .args(["install", "--quiet", "--locked", "--debug", "--version", self.version])
            .arg("--root")
            .arg(&directory)
            .arg("--target-dir")
            .arg(&build)
            .args(self.options)
            .arg(self.name)
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
        println!("building {} {} from crates.io, once", self.name, self.version);
        workspace::run(&mut command)?;
        // What is left of building is of no use again. A failure here costs only space.
        let _ = std::fs::remove_dir_all(&build);
        self.program(target)
    }

    fn directory(&self, target: &Path) -> PathBuf {
        target.join("tools").join(format!("{}-{}", self.name, self.version))
    }
}
