//! The systemd units: that systemd understands every line, with the programs just built.

use super::report::Outcome;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How a person does it.
pub(super) const ALONE: &str =
    "systemd-analyze verify systemd/*.service, with the built programs in ExecStart";

/// Whose units.
#[derive(Clone, Copy)]
enum Manager {
    System,
    User,
}

const UNITS: [(&str, Manager); 3] = [
    ("pychat-server.service", Manager::System),
    ("pychatd.service", Manager::User),
    ("pychatd@.service", Manager::User),
];

/// Verifies copies of the units whose `ExecStart` names programs that exist here.
pub(super) fn verify(target: &Path) -> Result<Outcome> {
    if workspace::on_path("systemd-analyze").is_none() {
        return Ok(Outcome::Skipped("NOT CHECKED, systemd-analyze is not installed".into()));
    }
    let copies = target.join("units");
    fs::create_dir_all(&copies).context("making a directory for copies of the units")?;
    for (name, manager) in UNITS {
        let copy = copy(name, &copies, &target.join("debug"))?;
        verify_one(&copy, manager)?;
        println!("{name}: clean");
    }
    Ok(Outcome::Passed)
}

fn copy(name: &str, to: &Path, programs: &Path) -> Result<PathBuf> {
    let unit = workspace::root().join("systemd").join(name);
    let text = fs::read_to_string(&unit).with_context(|| format!("reading {}", unit.display()))?;
    let text = text.replace("/usr/bin/", &format!("{}/", programs.display()));
    let copy = to.join(name);
    fs::write(&copy, text).with_context(|| format!("writing {}", copy.display()))?;
    Ok(copy)
}

/// systemd-analyze ends with success in spite of a line that it ignores, so that all it says counts.
fn verify_one(unit: &Path, manager: Manager) -> Result<()> {
    let mut command = workspace::command("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]);
    if matches!(manager, Manager::User) {
        command.arg("--user");
        // Without one, a session-less shell cannot start to verify at all.
        if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
        }
    }
    let output = command.arg(unit).output().context("starting systemd-analyze")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.trim().is_empty() {
        bail!("systemd-analyze verify {}: {} {}", unit.display(), output.status, said.trim());
    }
    Ok(())
}
