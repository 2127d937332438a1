//! The operating system's programs that building and testing need.

use super::report::Outcome;
use crate::workspace;
use anyhow::{Context, Result};
use std::process::Command;

/// A program, and the Debian package that brings it.
const NEEDED: [(&str, &str); 9] = [
    ("cc", "build-essential"),
    ("faketime", "faketime"),
    ("nm", "binutils"),
    ("python3", "python3"),
    ("sqlite3", "sqlite3"),
    ("strace", "strace"),
    ("systemd-analyze", "systemd"),
    ("tcpdump", "tcpdump"),
    ("tmux", "tmux"),
];

/// Installs what is missing where that is possible; elsewhere says what is missing, and the tests
/// that need it will fail and say so too.
pub(super) fn install_missing() -> Result<Outcome> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| workspace::on_path(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(Outcome::Told("nothing was missing".into()));
    }
    let packages = missing.join(" ");
    if workspace::on_path("apt-get").is_none() || !is_root()? {
        println!("missing: {packages}");
        println!("hint: on Debian, sudo apt-get install {packages}");
        return Ok(Outcome::Skipped(format!("missing: {packages}")));
    }
    workspace::run(apt().arg("update"))?;
    workspace::run(apt().args(["install", "-y", "--no-install-recommends"]).args(&missing))?;
    Ok(Outcome::Told(format!("installed {packages}")))
}

fn apt() -> Command {
    let mut command = workspace::command("apt-get");
    command.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("asking who runs this")?;
    Ok(output.stdout.trim_ascii() == b"0")
}
