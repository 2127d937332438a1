//! What building for Windows and running under Wine needs of Debian.

use crate::workspace;
use anyhow::{Result, bail};
use std::process::Command;

/// Debian's own compiler is too old. The one that it keeps for browsers is recent, and with it comes the
/// source of std, so that std for Windows need not be fetched from elsewhere. `CMake` and NASM build aws-lc.
const PACKAGES: [&str; 7] =
    ["rustc-web", "cargo-web", "rust-web-src", "mingw-w64", "wine64", "cmake", "nasm"];

/// Installs what is missing.
pub(super) fn install_missing() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.into_iter().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if workspace::on_path("apt-get").is_none() || !workspace::is_root()? {
        bail!(
            "building for Windows and running under Wine needs {packages}\n\
             hint: on Debian 12, sudo apt-get install {packages}"
        );
    }
    workspace::run(apt().arg("update"))?;
    workspace::run(apt().args(["install", "-y", "--no-install-recommends"]).args(&missing))
}

/// A file would not tell: another package may bring one of the same name, and an older one.
fn is_installed(package: &str) -> bool {
    let asked = Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]).output();
    asked.is_ok_and(|said| said.stdout.ends_with(b" installed"))
}

fn apt() -> Command {
    let mut command = workspace::command("apt-get");
    command.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive");
    command
}
