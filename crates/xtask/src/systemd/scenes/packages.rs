//! Installing, removing, purging.

use super::{SERVICE, SOCKET, Stage};
use crate::systemd::machine::PACKAGES;
use anyhow::{Result, ensure};

/// Both packages are installed by dpkg, all they need being there.
pub(super) fn installed(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    machine.shell(&format!("dpkg --install {PACKAGES}/*.deb"))?;
    for unit in [SERVICE, SOCKET] {
        let state = machine.property(unit, "ActiveState")?;
        ensure!(state == "inactive", "{unit} is {state} though nobody has started it");
        let state = machine.property(unit, "UnitFileState")?;
        ensure!(state == "disabled", "{unit} is {state} though nobody has enabled it");
    }
    let files =
        machine.said(&["dpkg-query", "--show", "--showformat=${Conffiles}", "pychat-server"])?;
    for file in ["/etc/pychat-server/config.toml", "/etc/pychat-server/environment"] {
        ensure!(files.contains(file), "{file} is no configuration file to dpkg: {files}");
    }
    let said =
        machine.said(&["pychat-server", "config", "check", "/etc/pychat-server/config.toml"])?;
    ensure!(said.is_empty(), "the configuration is not fine: {said}");
    for file in [
        "man/man1/pychatctl.1.gz",
        "man/man1/pychat-server-admin.1.gz",
        "bash-completion/completions/pychatctl",
        "bash-completion/completions/pychat-server",
    ] {
        machine.said(&["test", "-s", &format!("/usr/share/{file}")])?;
    }
    Ok(())
}

/// What the operator and the users have made outlives the program.
pub(super) fn removed(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    machine.said(&["dpkg", "--remove", "pychat-server"])?;
    let running = machine.run(&["pgrep", "pychat-server"])?;
    ensure!(!running.status.success(), "a removed server runs on");
    for unit in [SERVICE, SOCKET] {
        let state = machine.property(unit, "ActiveState")?;
        ensure!(state == "inactive", "{unit} of a removed package is {state}");
    }
    for kept in ["/var/lib/private/pychat-server", "/etc/pychat-server/config.toml"] {
        machine.said(&["test", "-e", kept])?;
    }
    Ok(())
}

/// What has the name on the machine, but for what bob himself has in his home directory.
const FIND: &str = "find / -xdev -name '*pychat*' ! -path '/home/*' ! -path '/root/*'";

/// Nothing is left.
pub(super) fn purged(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    machine.shell("rm -r /etc/systemd/system/pychat-server.service.d")?;
    machine.said(&["dpkg", "--purge", "pychat-server", "pychat"])?;
    let left = machine.shell(FIND)?;
    ensure!(left.is_empty(), "the purged packages left:\n{left}");
    let known = machine.run(&["systemctl", "cat", SERVICE])?;
    ensure!(!known.status.success(), "systemd still knows the unit");
    Ok(())
}

/// Below `/usr/local`, with units that name the programs there. Afterwards what the operator has
/// written and what the server has kept are all that is left.
pub(super) fn archive(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    machine.shell(&format!(
        "mkdir /root/unpacked
         tar -xf {PACKAGES}/pychat-*-linux.tar.gz -C /root/unpacked --strip-components=1
         /root/unpacked/install.sh
         systemctl daemon-reload
         systemctl start pychat-server"
    ))?;
    let program = machine.said(&["readlink", &format!("/proc/{}/exe", stage.server()?)])?;
    ensure!(program == "/usr/local/bin/pychat-server", "{program} runs");
    machine.said(&["/root/unpacked/install.sh", "--uninstall"])?;
    let left = machine.shell(FIND)?;
    let mut left: Vec<&str> = left.lines().collect();
    left.sort_unstable();
    let kept = ["/etc/pychat-server", "/var/lib/private/pychat-server", "/var/lib/pychat-server"];
    ensure!(left == kept, "left: {left:?}");
    Ok(())
}
