//! The server behind `pychat-server.socket`, which holds the port.

use super::{SERVICE, SOCKET, Stage};
use crate::systemd::machine::PACKAGES;
use anyhow::{Context, Result, ensure};

/// As docs/OPERATIONS.md has it, and no more: what comes in starts the server.
pub(super) fn started(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    machine.shell(
        "systemctl stop pychat-server
         install -D -m 644 /usr/share/pychat-server/no-network.conf \
             /etc/systemd/system/pychat-server.service.d/no-network.conf
         systemctl daemon-reload
         systemctl enable --now pychat-server.socket",
    )?;
    let unreachable = machine.unreachables()?;
    stage.ann_is_heard()?;
    stage.bob_is_heard()?;
    stage.operator_sees_both()?;
    ensure!(machine.unreachables()? == unreachable, "the port was unreachable");
    let namespace = |pid: &str| machine.said(&["readlink", &format!("/proc/{pid}/ns/net")]);
    let server = stage.server()?.to_string();
    ensure!(namespace(&server)? != namespace("1")?, "the server has the machine's network");
    // Twice what the unit has, as Linux counts.
    let held = machine.shell("ss --no-header --udp --numeric --all --memory 'sport = 7420'")?;
    ensure!(held.contains(",rb16777216,"), "the socket's buffer is another: {held}");
    let denied = machine.property(SERVICE, "IPAddressDeny")?;
    ensure!(denied.contains("0.0.0.0/0"), "no address is denied: {denied:?}");
    let journal = machine.journal(SERVICE)?;
    ensure!(!journal.contains("support"), "something of it is not supported:\n{journal}");
    Ok(())
}

/// Whoever sends while the server is gone is heard by the next one: a restart's, a crash's, or the one
/// that the datagram itself starts after a stop.
pub(super) fn replaced(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    let unreachable = machine.unreachables()?;
    for how in [
        "systemctl restart --no-block",
        "systemctl kill --kill-whom=main --signal=KILL",
        "systemctl stop",
    ] {
        let before = stage.server()?;
        machine.shell(&format!("{how} {SERVICE}"))?;
        stage.ann_is_heard().with_context(|| how.to_owned())?;
        stage.another_server(before)?;
    }
    ensure!(machine.unreachables()? == unreachable, "the port was unreachable for a moment");
    Ok(())
}

/// `dpkg --install` of another build: the server is replaced, the socket is not.
pub(super) fn upgraded(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    let unreachable = machine.unreachables()?;
    let (before, opened) =
        (stage.server()?, machine.property(SOCKET, "ActiveEnterTimestampMonotonic")?);
    machine.shell(&format!("dpkg --install {PACKAGES}/pychat-server_*.deb"))?;
    stage.another_server(before)?;
    stage.ann_is_heard()?;
    let still = machine.property(SOCKET, "ActiveEnterTimestampMonotonic")?;
    ensure!(opened == still, "the socket was opened anew");
    ensure!(machine.unreachables()? == unreachable, "the port was unreachable for a moment");
    Ok(())
}
