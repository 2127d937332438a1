//! `cargo xtask commands`: how long commands take as whole processes, beside other programs', with the programs as
//! they are shipped.

use crate::workspace::{self, PROGRAMS};
use anyhow::Result;

/// What `cargo xtask commands` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is run.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    runs: u16,
    /// Another program's command, such as 'pueue status'; ratios are to the first one.
    #[arg(long = "beside", value_name = "COMMAND")]
    others: Vec<String>,
}

/// Builds, measures and prints a table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--release", "--bins", "--example", "commands"]);
    build.args(["--package", "pychat-testkit"]);
    PROGRAMS.iter().for_each(|program| {
        build.args(["--package", program]);
    });
    println!("building the programs");
    workspace::run(&mut build)?;
    let program = workspace::target_directory()?.join("release/examples/commands");
    let mut measure = workspace::command(program);
    workspace::run(measure.arg(arguments.runs.to_string()).args(&arguments.others))
}
