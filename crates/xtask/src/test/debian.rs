//! The operating system's programs that building and testing need.

use super::report::Outcome;
use crate::workspace;
use anyhow::Result;
use std::{env, fs, path::PathBuf, process::Command};

/// A program, and the Debian package that brings it.
const NEEDED: [(&str, &str); 17] = [
    ("cc", "build-essential"),
    ("curl", "curl"),
    ("dbus-daemon", "dbus-daemon"),
    ("debootstrap", "debootstrap"),
    ("faketime", "faketime"),
    ("fish", "fish"),
    ("ip", "iproute2"),
    ("nm", "binutils"),
    ("python3", "python3"),
    ("shellcheck", "shellcheck"),
    ("sqlite3", "sqlite3"),
    ("strace", "strace"),
    ("systemd-analyze", "systemd"),
    ("systemd-nspawn", "systemd-container"),
    ("tcpdump", "tcpdump"),
    ("tmux", "tmux"),
    ("zsh", "zsh"),
];

/// A library that the simulation's file system below SQLite is built with: no program shows it.
const LIBCLANG: &str = "libclang-dev";

/// Where Debian puts each version of LLVM, and the library below it.
const LLVM_PLACES: &str = "/usr/lib";
const LIBCLANG_FILE: &str = "lib/libclang.so";

/// Installs what is missing where that is possible; elsewhere says what is missing, and the tests
/// that need it will fail and say so too.
pub(super) fn install_missing() -> Result<Outcome> {
    let programs = NEEDED.iter().filter(|(program, _)| workspace::on_path(program).is_none());
    let libclang = (!has_libclang()).then_some(LIBCLANG);
    let missing: Vec<&str> = programs.map(|(_, package)| *package).chain(libclang).collect();
    if missing.is_empty() {
        return Ok(Outcome::Told("nothing was missing".into()));
    }
    let packages = missing.join(" ");
    if workspace::on_path("apt-get").is_none() || !workspace::is_root()? {
        println!("missing: {packages}");
        println!("hint: on Debian, sudo apt-get install {packages}");
        return Ok(Outcome::Skipped(format!("missing: {packages}")));
    }
    workspace::run(apt().arg("update"))?;
    workspace::run(apt().args(["install", "-y", "--no-install-recommends"]).args(&missing))?;
    Ok(Outcome::Told(format!("installed {packages}")))
}

/// As the crate that loads it looks for it: where a variable says, or with any LLVM.
fn has_libclang() -> bool {
    let below = |directory: PathBuf| directory.join(LIBCLANG_FILE).exists();
    env::var_os("LIBCLANG_PATH").is_some()
        || fs::read_dir(LLVM_PLACES).is_ok_and(|places| {
            places
                .flatten()
                .filter(|place| place.file_name().to_string_lossy().starts_with("llvm"))
                .any(|place| below(place.path()))
        })
}

fn apt() -> Command {
    let mut command = workspace::command("apt-get");
    command.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive");
    command
}
