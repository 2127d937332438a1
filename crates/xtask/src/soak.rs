//! `cargo xtask soak`: builds the soak of the server and plays it. It is a program of its own, so that
//! xtask builds quickly.

use crate::workspace;
use anyhow::Result;

/// What `cargo xtask soak` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For the program: `-- --help` tells what.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds, then plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--package", "pychat-sim", "--bin", "pychat-soak"]);
    println!("building the soak");
    workspace::run(&mut build)?;
    let soak = workspace::target_directory()?.join("debug/pychat-soak");
    workspace::run(workspace::command(soak).args(&arguments.arguments))
}
