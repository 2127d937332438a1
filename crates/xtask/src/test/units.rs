//! The systemd units: that systemd understands every line, with the programs just built, and how far
//! the server's are shut off.

use super::report::Outcome;
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
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

const UNITS: [(&str, Manager); 4] = [
    ("pychat-server.service", Manager::System),
    ("pychat-server.socket", Manager::System),
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
    let plain = exposure(&copies.join(SERVICE))?;
    let confined = copies.join("no-network").join(SERVICE);
    add_drop_in(&copies.join(SERVICE), &confined)?;
    verify_one(&confined, Manager::System)?;
    let confined = exposure(&confined)?;
    println!("exposure: {plain}, and {confined} behind the socket");
    ensure!(plain <= EXPOSURE_MAX, "{SERVICE} is exposed by {plain}, above {EXPOSURE_MAX}");
    ensure!(
        confined <= EXPOSURE_CONFINED_MAX,
        "{SERVICE} behind the socket is exposed by {confined}, above {EXPOSURE_CONFINED_MAX}"
    );
    Ok(Outcome::Told(format!("exposure {plain}, behind the socket {confined}")))
}

const SERVICE: &str = "pychat-server.service";

/// What `systemd-analyze security` may find of the server that binds its port: it needs the network,
/// a Unix socket, and the clock that `ProtectClock=` lets through. Of ten.
const EXPOSURE_MAX: f32 = 1.1;
/// And of the server behind the socket, which needs no network of its own.
const EXPOSURE_CONFINED_MAX: f32 = 0.2;

/// The unit with what is to be dropped into it for the socket, in one file: offline, systemd reads no
/// drop-ins.
fn add_drop_in(unit: &Path, to: &Path) -> Result<()> {
    let drop_in = workspace::root().join("systemd/pychat-server-no-network.conf");
    let parts = [unit, &drop_in].map(|file| {
        fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
    });
    let [unit, drop_in] = parts;
    let directory = to.parent().context("a unit lies in a directory")?;
    fs::create_dir_all(directory).context("making a directory for a unit")?;
    // The socket that the unit asks for is looked for beside it.
    let socket = workspace::root().join("systemd/pychat-server.socket");
    fs::copy(socket, directory.join("pychat-server.socket")).context("copying the socket")?;
    fs::write(to, unit? + &drop_in?).with_context(|| format!("writing {}", to.display()))
}

/// The figure at the end of what `systemd-analyze security` says.
fn exposure(unit: &Path) -> Result<f32> {
    let mut command = workspace::command("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager"]).arg(unit);
    let output = command.output().context("starting systemd-analyze")?;
    let said = String::from_utf8_lossy(&output.stdout);
    overall(&said).with_context(|| {
        format!(
            "{} tells no exposure: {said}{}",
            workspace::line(&command),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// `→ Overall exposure level for pychat-server.service: 1.1 OK`.
fn overall(said: &str) -> Option<f32> {
    let line = said.lines().find(|line| line.contains("Overall exposure level"))?;
    line.rsplit_once(": ")?.1.split(' ').next()?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::overall;

    #[test]
    fn the_figure_is_read() {
        let said = "✓ UMask=\n\n→ Overall exposure level for pychat-server.service: 1.1 OK 🙂\n";
        assert_eq!(overall(said), Some(1.1));
        assert_eq!(overall("Failed to load unit file"), None);
    }
}
