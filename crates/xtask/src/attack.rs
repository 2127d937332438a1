//! `cargo xtask attack`: builds the programs as they are shipped and the attacker, and runs it.

use crate::workspace::{self, PROGRAMS};
use anyhow::Result;

/// What `cargo xtask attack` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The attacks, and options of the attacker: `cargo xtask attack -- --help` tells them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    attacker: Vec<String>,
}

/// Builds, then attacks.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("building the programs and the attacker");
    let mut programs = workspace::cargo();
    programs.args(["build", "--locked", "--release", "--bins"]);
    PROGRAMS.iter().for_each(|program| {
        programs.args(["--package", program]);
    });
    workspace::run(&mut programs)?;
    // Apart: what only an attacker needs must not get into the programs.
    let mut attacker = workspace::cargo();
    attacker.args(["build", "--locked", "--release", "--package", "pychat-attack"]);
    workspace::run(&mut attacker)?;
    let built = workspace::target_directory()?.join("release");
    let mut attack = workspace::command(built.join("pychat-attack"));
    workspace::run(attack.arg("--programs").arg(built).args(&arguments.attacker))
}
