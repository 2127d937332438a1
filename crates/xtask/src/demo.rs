//! `cargo xtask demo`: builds the programs and runs the demonstration that lies with the testkit.
//! It is a program of its own, so that xtask builds quickly.

use crate::workspace::{self, PROGRAMS};
use anyhow::Result;
use std::process::Command;

/// What `cargo xtask demo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Share of datagrams that the network loses each way, in percent.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=60))]
    loss: u8,
    /// Seed of the network's mishaps.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Builds, then becomes the demonstration.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--bins", "--example", "demo", "--package", "pychat-testkit"]);
    PROGRAMS.iter().for_each(|program| {
        build.args(["--package", program]);
    });
    println!("building the programs");
    workspace::run(&mut build)?;
    let mut demo = workspace::command(workspace::target_directory()?.join("debug/examples/demo"));
    become_it(demo.arg(arguments.loss.to_string()).arg(arguments.seed.to_string()))
}

/// Ctrl-C is the demonstration's to handle, which cleans up: xtask must not end before it.
#[cfg(unix)]
fn become_it(demo: &mut Command) -> Result<()> {
    use anyhow::Context;
    use std::os::unix::process::CommandExt;
    Err(demo.exec()).context("starting the demonstration")
}

#[cfg(not(unix))]
fn become_it(demo: &mut Command) -> Result<()> {
    workspace::run(demo)
}
