//! `cargo xtask cluster`: three servers on three NATS servers, people who chat across them, and any of the six
//! killed meanwhile; with `--rounds`, the long fault test of `pychat-torture-cluster`.

use crate::{
    nats,
    torture::become_it,
    workspace::{self, PROGRAMS},
};
use anyhow::Result;

/// What `cargo xtask cluster` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// So many rounds of the fault test in place of the scenes: two mishaps each, of ten kinds. Takes root.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rounds: Option<u64>,
    /// How many people talk in it.
    #[arg(long, default_value_t = 50, requires = "rounds")]
    people: u64,
    /// How many texts they write in it, at least.
    #[arg(long, default_value_t = 20_000, requires = "rounds")]
    texts: u64,
    /// Determines its schedule of mishaps. The machine's own chances are not repeatable.
    #[arg(long, default_value_t = 1, requires = "rounds")]
    seed: u64,
}

/// Fetches what it needs, builds the programs, and plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let target = workspace::target_directory()?;
    nats::fetch(&target)?;
    if let Some(rounds) = arguments.rounds {
        let mut build = workspace::cargo();
        build.args(["build", "--locked", "--release", "--bins", "--package", "pychat-torture"]);
        PROGRAMS.iter().for_each(|program| {
            build.args(["--package", program]);
        });
        println!("building the programs");
        workspace::run(&mut build)?;
        let programs = target.join("release");
        let mut driver = workspace::command(programs.join("pychat-torture-cluster"));
        driver.arg("--rounds").arg(rounds.to_string());
        driver.arg("--people").arg(arguments.people.to_string());
        driver.arg("--texts").arg(arguments.texts.to_string());
        driver.arg("--seed").arg(arguments.seed.to_string());
        driver.arg("--nats").arg(target.join("tools/nats/nats-server"));
        driver.arg("--programs").arg(&programs).arg("--keep").arg(target.join("torture-cluster"));
        return become_it(&mut driver);
    }
    let mut build = workspace::cargo();
    workspace::run(build.args(["build", "--locked", "--workspace"]))?;
    let mut play = workspace::cargo();
    play.args(["test", "--locked", "--package", "pychat-testkit", "--test", "programs"]);
    workspace::run(play.args(["--", "cluster", "nats", "--nocapture", "--test-threads", "1"]))?;
    println!("three servers and three NATS servers: all is well");
    Ok(())
}
