//! `cargo xtask torture`: builds the programs and runs the crash loops of `pychat-torture`, a program
//! of its own, so that xtask builds quickly.

use crate::workspace::{self, PROGRAMS};
use anyhow::Result;
use std::process::Command;

/// What `cargo xtask torture` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long, in minutes; healing once a minute comes on top.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    minutes: u64,
    /// Determines the schedule of mishaps. The machine's own chances are not repeatable.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Builds, then becomes the driver.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--bins", "--package", "pychat-torture"]);
    PROGRAMS.iter().for_each(|program| {
        build.args(["--package", program]);
    });
    println!("building the programs");
    workspace::run(&mut build)?;
    let target = workspace::target_directory()?;
    let programs = target.join("debug");
    let mut driver = workspace::command(programs.join("pychat-torture"));
    driver.arg("--minutes").arg(arguments.minutes.to_string());
    driver.arg("--seed").arg(arguments.seed.to_string());
    driver.arg("--programs").arg(&programs).arg("--keep").arg(target.join("torture"));
    become_it(&mut driver)
}

/// Ctrl-C is the driver's to handle, which unmounts and stops what it began: xtask must not end
/// before it.
#[cfg(unix)]
pub(crate) fn become_it(driver: &mut Command) -> Result<()> {
    use anyhow::Context;
    use std::os::unix::process::CommandExt;
    Err(driver.exec()).context("starting the driver")
}

#[cfg(not(unix))]
pub(crate) fn become_it(driver: &mut Command) -> Result<()> {
    workspace::run(driver)
}
