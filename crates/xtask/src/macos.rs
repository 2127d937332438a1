//! `cargo xtask macos`: whether the programs compile for macOS, as far as that shows without its SDK.
//!
//! Rust's part is checked whole, against std for macOS, which rustup brings. What is written in C is not: a
//! compiler that does nothing stands in for it, as `cargo check` links nothing. Nothing is run.

use crate::workspace::{self, PROGRAMS};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What `cargo xtask macos` takes: nothing.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// How a person does it.
pub(crate) const ALONE: &str = "cargo xtask macos";

const TARGET: &str = "x86_64-apple-darwin";

/// Writes an empty file wherever it is told to write one.
const COMPILER: &str = "#!/bin/sh\n\
    out=\n\
    while [ $# -gt 0 ]; do\n\
    case $1 in -o) out=$2; shift ;; -o*) out=${1#-o} ;; esac\n\
    shift\n\
    done\n\
    if [ -n \"$out\" ]; then : >\"$out\"; fi\n";
const ARCHIVER: &str = "#!/bin/sh\nfor file; do case $file in *.a) : >\"$file\" ;; esac; done\n";

/// Checks.
pub(crate) fn run(_: &Arguments) -> Result<()> {
    check(&workspace::target_directory()?)
}

/// Whether std for macOS is there or can be fetched.
pub(crate) fn is_possible() -> bool {
    workspace::run(workspace::command("rustup").args(["target", "add", TARGET])).is_ok()
}

/// Checks the three programs.
pub(crate) fn check(target: &Path) -> Result<()> {
    workspace::run(workspace::command("rustup").args(["target", "add", TARGET]))?;
    let directory = target.join("macos");
    fs::create_dir_all(&directory).context("making a directory for macOS")?;
    let compiler = script(&directory, "cc", COMPILER)?;
    let archiver = script(&directory, "ar", ARCHIVER)?;
    let mut command = workspace::cargo();
    command.args(["check", "--locked", "--target", TARGET, "--target-dir"]).arg(&directory);
    PROGRAMS.iter().for_each(|program| {
        command.args(["--package", program]);
    });
    command.env("CC_x86_64_apple_darwin", &compiler).env("CXX_x86_64_apple_darwin", &compiler);
    command.env("AR_x86_64_apple_darwin", archiver).env("RANLIB_x86_64_apple_darwin", "true");
    // Its other way asks CMake, which tries the compiler out.
    command.env("AWS_LC_SYS_CMAKE_BUILDER", "0").env("SDKROOT", &directory);
    workspace::run(&mut command)
}

fn script(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    workspace::run(workspace::command("chmod").arg("+x").arg(&path))?;
    Ok(path)
}
