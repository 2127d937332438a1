//! `cargo xtask pictures`: draws the README's pictures anew, from the programs as they are now. What draws
//! them lies with the testkit and is a program of its own, so that xtask builds quickly.

use crate::workspace::{self, PROGRAMS};
use anyhow::Result;

/// What `cargo xtask pictures` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Builds, then draws into `docs/pictures`.
pub(crate) fn run(_arguments: &Arguments) -> Result<()> {
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--bins", "--example", "pictures"]);
    for package in PROGRAMS.iter().chain(&["pychat-testkit"]) {
        build.args(["--package", package]);
    }
    println!("building the programs");
    workspace::run(&mut build)?;
    let pictures = workspace::target_directory()?.join("debug/examples/pictures");
    workspace::run(workspace::command(pictures).arg(workspace::root().join("docs/pictures")))
}
