//! Builds for Windows, with std built from its source.

use super::wine::Wine;
use crate::workspace::{self, PROGRAMS};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const TARGET: &str = "x86_64-pc-windows-gnu";
const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const C_COMPILER: &str = "x86_64-w64-mingw32-gcc";

const STD_FROM_SOURCE: &str = "-Zbuild-std=std,panic_abort";

const PROCESS_PRNG: &str = include_str!("process_prng.c");

/// What is built for Windows. In a directory of its own: another compiler than the usual one builds it.
pub(super) struct Windows {
    target: PathBuf,
}

impl Windows {
    /// Below cargo's target directory.
    pub(super) fn below(target: &Path) -> Self {
        Self { target: target.join("windows") }
    }

    /// Where all of it is, and Wine's own files.
    pub(super) fn directory(&self) -> &Path {
        &self.target
    }

    /// The directory of the three programs.
    pub(super) fn programs(&self) -> PathBuf {
        self.target.join(TARGET).join("debug")
    }

    /// One of the three.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs().join(format!("{name}.exe"))
    }

    /// Builds the three programs, and what Wine lacks of Windows beside them and beside the tests.
    pub(super) fn build_programs(&self) -> Result<()> {
        let mut command = self.cargo("build");
        PROGRAMS.iter().for_each(|program| {
            command.args(["--package", program]);
        });
        println!("building the programs for Windows");
        workspace::run(&mut command)?;
        self.build_process_prng()
    }

    /// Runs the tests of what is written for Windows alone.
    pub(super) fn test_crate(&self, wine: &Wine) -> Result<()> {
        let mut command = self.cargo("test");
        command.args(["--package", "pychat-windows", "--lib"]);
        test(command, wine)
    }

    /// Runs those tests of the real programs whose names hold one of these.
    pub(super) fn test_programs(&self, wine: &Wine, names: &[String]) -> Result<()> {
        let mut command = self.cargo("test");
        command.args(["--package", "pychat-testkit", "--test", "programs", "--"]);
        // Each test waits most of its time.
        command.args(["--test-threads", "2"]).args(names);
        test(command, wine)
    }

    fn cargo(&self, verb: &str) -> Command {
        let mut command = workspace::command(CARGO);
        command.args([verb, "--locked", STD_FROM_SOURCE, "--target", TARGET]);
        command.arg("--target-dir").arg(&self.target);
        // A compiler of no preview takes -Z only so.
        command.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1").env_remove("CARGO");
        command
    }

    fn build_process_prng(&self) -> Result<()> {
        let source = self.target.join("process_prng.c");
        fs::write(&source, PROCESS_PRNG)
            .with_context(|| format!("writing {}", source.display()))?;
        let beside_tests = self.programs().join("deps");
        for directory in [self.programs(), beside_tests] {
            let mut command = workspace::command(C_COMPILER);
            command.arg("-shared").arg("-o").arg(directory.join("bcryptprimitives.dll"));
            workspace::run(command.arg(&source).arg("-ladvapi32"))?;
        }
        Ok(())
    }
}

fn test(mut command: Command, wine: &Wine) -> Result<()> {
    wine.set_environment(&mut command);
    command.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", Wine::LOADER);
    workspace::run(&mut command)
}
