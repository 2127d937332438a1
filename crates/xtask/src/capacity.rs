//! `cargo xtask capacity`: builds the simulation of millions of users and plays it. It is a program of its own, so
//! that xtask builds quickly.

use crate::workspace;
use anyhow::Result;

/// What `cargo xtask capacity` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Registered users; a million, ten million and a hundred million by default.
    #[arg(long)]
    users: Option<u32>,
    /// Decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For the program: `-- --help` tells what.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds, then plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--package", "pychat-sim", "--bin", "pychat-capacity"]);
    println!("building the simulation");
    workspace::run(&mut build)?;
    let capacity = workspace::target_directory()?.join("debug/pychat-capacity");
    let mut capacity = workspace::command(capacity);
    capacity.arg("--seed").arg(arguments.seed.to_string());
    if let Some(users) = arguments.users {
        capacity.arg("--users").arg(users.to_string());
    }
    workspace::run(capacity.args(&arguments.arguments))
}
