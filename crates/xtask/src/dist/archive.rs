//! The archive for any Linux with the same C library: the files, and a script that installs them.

use crate::{
    places::{self, Mode, put},
    workspace,
};
use anyhow::{Context, Result};
use std::{env::consts, fs, path::Path, process::Command};

/// What lies beside the programs, by its place in the workspace.
const PAPERS: [&str; 5] =
    ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "docs/OPERATIONS.md"];

/// Packs `layout`. The same files make the same archive, whoever packs them, and when.
pub(super) fn make(layout: &Path, to: &Path, packed_at: u64) -> Result<()> {
    let root = workspace::root();
    let script = places::read(&root.join("packaging/install.sh"))?;
    put(&layout.join("install.sh"), &script, Mode::Program)?;
    for paper in PAPERS {
        let name = Path::new(paper).file_name().context("a paper has a name")?;
        put(&layout.join(name), &places::read(&root.join(paper))?, Mode::Text)?;
    }
    let name = format!("pychat-{}-{}-linux", env!("CARGO_PKG_VERSION"), consts::ARCH);
    let archive = to.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .arg("--mode=u=rwX,go=rX")
        .arg(format!("--mtime=@{packed_at}"))
        .arg(format!("--transform=s|^\\.|{name}|"))
        .arg("--directory")
        .arg(layout)
        .arg(".");
    let mut gzip = Command::new("gzip");
    gzip.arg("--no-name").stdout(fs::File::create(&archive).context("making the archive")?);
    piped(&mut tar, &mut gzip)?;
    println!("packed {}", archive.display());
    Ok(())
}

/// Runs `first` into `second`.
fn piped(first: &mut Command, second: &mut Command) -> Result<()> {
    let mut source = first.stdout(std::process::Stdio::piped()).spawn().context("starting tar")?;
    second.stdin(source.stdout.take().context("tar's output was asked for")?);
    let packed = workspace::run(second);
    let status = source.wait().context("waiting for tar")?;
    anyhow::ensure!(status.success(), "`{}` ended with {status}", workspace::line(first));
    packed
}
