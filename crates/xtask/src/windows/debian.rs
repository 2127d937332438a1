//! What building for Windows and running under Wine needs of Debian.

use crate::workspace;
use anyhow::{Result, bail};
use std::path::Path;

/// A file that shows that a package is there, and the package. Debian's `rustc` of the same release is too
/// old; the one that it keeps for browsers is recent, and its source, std's too, is packed beside it.
const NEEDED: [(&str, &str); 7] = [
    ("/usr/bin/rustc", "rustc-web"),
    ("/usr/bin/cargo", "cargo-web"),
    ("/usr/lib/rustlib/src/rust/library/std/Cargo.toml", "rust-web-src"),
    ("/usr/bin/x86_64-w64-mingw32-gcc", "mingw-w64"),
    ("/usr/lib/wine/wine64", "wine64"),
    ("/usr/bin/cmake", "cmake"),
    ("/usr/bin/nasm", "nasm"),
];

/// Installs what is missing.
pub(super) fn install_missing() -> Result<()> {
    let missing = NEEDED.iter().filter(|(file, _)| !Path::new(file).exists());
    let missing: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if workspace::on_path("apt-get").is_none() || !workspace::is_root()? {
        bail!(
            "building for Windows needs {packages}, which only root may install\n\
             hint: on Debian, sudo apt-get install {packages}"
        );
    }
    workspace::run(apt().arg("update"))?;
    workspace::run(apt().args(["install", "-y", "--no-install-recommends"]).args(&missing))
}

fn apt() -> std::process::Command {
    let mut command = workspace::command("apt-get");
    command.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive");
    command
}
