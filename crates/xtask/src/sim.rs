//! `cargo xtask sim`: builds the simulation and plays seeds. It is a program of its own, so that
//! xtask builds quickly.

use crate::workspace;
use anyhow::Result;

/// What `cargo xtask sim` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds to play.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print everything that happens in the run; best with one seed.
    #[arg(long)]
    trace: bool,
}

/// Builds, then plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--package", "pychat-sim"]);
    println!("building the simulation");
    workspace::run(&mut build)?;
    let mut sim = workspace::command(workspace::target_directory()?.join("debug/pychat-sim"));
    sim.arg("--seeds").arg(arguments.seeds.to_string());
    sim.arg("--from").arg(arguments.from.to_string());
    if arguments.trace {
        sim.arg("--trace");
    }
    workspace::run(&mut sim)
}
