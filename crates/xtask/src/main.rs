//! PyChat's development tasks, run as `cargo xtask TASK`. One file per task.

mod demo;
mod install;
mod test;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// PyChat's development tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check everything: format, lints, docs, licences, tests, units.
    Test(test::Arguments),
    /// Watch two people chat through a network that loses every fifth packet.
    Demo(demo::Arguments),
    /// Build the programs and put them in place for one user, or below a prefix.
    Install(install::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test(arguments) => test::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Install(arguments) => install::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
