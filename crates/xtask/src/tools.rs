//! Cargo's tools that are programs of their own: found, or built once below the target directory.

use crate::workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A tool from crates.io.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    options: &'static [&'static str],
}

/// Runs tests, each in a process of its own.
/// Without the feature that lets it replace itself, which brings TLS and doubles its build time.
pub(crate) const NEXTEST: Tool =
    Tool { name: "cargo-nextest", version: "0.9.151", options: &["--no-default-features"] };
/// Checks licences, sources, bans and advisories.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", options: &[] };

/// Makes Debian's packages. Its compression library is built with it.
pub(crate) const DEB: Tool = Tool {
    name: "cargo-deb",
    version: "3.8.0",
    options: &["--no-default-features", "--features", "static-lzma"],
};
/// Makes the packages of Fedora, openSUSE and their like.
pub(crate) const RPM: Tool = Tool { name: "cargo-generate-rpm", version: "0.21.1", options: &[] };

impl Tool {
    /// The program, which must be there.
    pub(crate) fn program(&self, target: &Path) -> Result<PathBuf> {
        self.find(target).with_context(|| format!("{} is not installed", self.name))
    }

    /// The program: on the `PATH`, or as this function built it before.
    pub(crate) fn find(&self, target: &Path) -> Option<PathBuf> {
        let built = self.directory(target).join("bin").join(self.name);
        workspace::on_path(self.name).or_else(|| built.is_file().then_some(built))
    }

    /// The program, built now if it is not to be found.
    ///
    /// Optimizing takes most of a tool's build time and pays nothing in its few seconds of work.
    pub(crate) fn find_or_install(&self, target: &Path) -> Result<PathBuf> {
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
