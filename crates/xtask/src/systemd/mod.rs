//! `cargo xtask systemd`: the Debian packages in a machine that systemd has booted.
//!
//! A small Debian ([`tree`]) is booted by systemd-nspawn with a network of its own ([`machine`]), gets
//! the packages, and is used as an operator and a user would ([`scenes`]), from inside and, by
//! [`person`], from outside. The units are those that the packages bring, hardening and all.

mod cgroup;
mod machine;
mod person;
mod scenes;
mod tree;

use crate::{
    dist::{self, Packages},
    workspace::{self, Profile},
};
use anyhow::{Result, bail};
use machine::Machine;
use std::{path::Path, time::Instant};

/// What `cargo xtask systemd` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How the programs in the packages are built.
    #[arg(long, value_enum, default_value_t = Profile::Dev)]
    profile: Profile,
    /// Take the packages as they lie in target/dist, and the programs as they are built.
    #[arg(long)]
    packed: bool,
}

/// How a person does it.
pub(crate) const ALONE: &str = "cargo xtask systemd";

/// Builds the packages and plays all scenes with them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let target = workspace::target_directory()?;
    let (built, packages) = if arguments.packed {
        (target.join(arguments.profile.directory()), Packages::packed(&target))
    } else {
        let built = workspace::build_programs(arguments.profile)?;
        let packages = dist::pack(&target, &built, arguments.profile)?;
        (built, packages)
    };
    println!("{}", play(&target, &built, &packages)?);
    Ok(())
}

/// Plays all scenes, and says how many and for how long.
pub(crate) fn play(target: &Path, built: &Path, packages: &Packages) -> Result<String> {
    let begun = Instant::now();
    if !workspace::is_root()? {
        bail!(
            "only root may boot a machine of its own\n\
             hint: run it as root, or go without it by `cargo xtask test --without-systemd`"
        );
    }
    let tree = tree::ready(target)?;
    let log = target.join("systemd/machine.log");
    let machine = Machine::boot(&tree, packages.directory(), &log)?;
    println!("booted after {:.1} s", begun.elapsed().as_secs_f64());
    let stage = scenes::Stage::new(machine, built)?;
    for (name, scene) in scenes::ALL {
        let begun = Instant::now();
        if let Err(error) = scene(&stage) {
            println!("{}", stage.journals());
            return Err(error.context(format!("not so: {name}")));
        }
        println!("{:>5.1} s  {name}", begun.elapsed().as_secs_f64());
    }
    drop(stage);
    let took = begun.elapsed().as_secs_f64();
    Ok(format!("{} scenes in a booted machine, {took:.0} s", scenes::ALL.len()))
}
