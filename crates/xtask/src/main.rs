//! PyChat's development tasks, run as `cargo xtask TASK`. One file per task.

mod attack;
mod bench;
mod capacity;
mod cluster;
mod commands;
mod demo;
mod dist;
mod fuzz;
mod install;
mod macos;
mod nats;
mod pictures;
mod places;
mod sim;
mod soak;
mod systemd;
mod test;
mod tools;
mod torture;
mod windows;
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
    /// Check everything: format, lints, docs, licences, tests, units, packages, a booted systemd.
    Test(test::Arguments),
    /// Attack the real programs and print what that did to honest people, as a table.
    Attack(attack::Arguments),
    /// Measure the server, and others beside it, and print tables.
    Bench(bench::Arguments),
    /// Time whole commands, beside other programs', and the daemon at rest.
    Commands(commands::Arguments),
    /// Run the fuzz targets in turn, on a nightly toolchain.
    Fuzz(fuzz::Arguments),
    /// Play seeds of the whole system under a virtual clock, with everything going wrong.
    Sim(sim::Arguments),
    /// Play a day of a thousand people under a virtual clock, and see whether anything of the server grows.
    Soak(soak::Arguments),
    /// Compute what millions of users need, play the busiest hour of them, and print both.
    Capacity(capacity::Arguments),
    /// Watch two people chat through a network that loses every fifth packet.
    Demo(demo::Arguments),
    /// Draw the README's pictures from the programs as they are, in tmux.
    Pictures(pictures::Arguments),
    /// Kill, freeze and starve the real programs for minutes, and count what became of each text.
    Torture(torture::Arguments),
    /// Build the programs and put them in place for one user, or below a prefix.
    Install(install::Arguments),
    /// Make the packages of a release: .deb, .rpm, an archive, and their sums.
    Dist(dist::Arguments),
    /// Chat across three servers on three NATS servers, while any of the six is killed.
    Cluster(cluster::Arguments),
    /// Fetch the nats-server that tests of clusters run.
    FetchNats,
    /// Install the Debian packages in a machine that systemd has booted, and use them there.
    Systemd(systemd::Arguments),
    /// See whether the programs compile for macOS, without running anything.
    Macos(macos::Arguments),
    /// Build the programs for Windows and use them under Wine.
    Windows(windows::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test(arguments) => test::run(&arguments),
        Task::Attack(arguments) => attack::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Commands(arguments) => commands::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Sim(arguments) => sim::run(&arguments),
        Task::Soak(arguments) => soak::run(&arguments),
        Task::Capacity(arguments) => capacity::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Pictures(arguments) => pictures::run(&arguments),
        Task::Torture(arguments) => torture::run(&arguments),
        Task::Install(arguments) => install::run(&arguments),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::Cluster(arguments) => cluster::run(&arguments),
        Task::FetchNats => nats::run(),
        Task::Systemd(arguments) => systemd::run(&arguments),
        Task::Macos(arguments) => macos::run(&arguments),
        Task::Windows(arguments) => windows::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
