//! The daemon of an ordinary user who lingers.

use super::Stage;
use crate::systemd::machine::until;
use anyhow::{Result, ensure};

/// Enabled in a session, it is there after the logout.
pub(super) fn lingers(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    machine.said(&["useradd", "--create-home", "--shell", "/bin/sh", "bob"])?;
    machine.said(&["loginctl", "enable-linger", "bob"])?;
    let session = stage.bob_in_a_session(
        "loginctl list-sessions --no-legend; systemctl --user enable --now pychatd >&2",
    )?;
    ensure!(session.contains("bob"), "bob was not logged in: {session}");
    until("bob to be logged out", || {
        Ok(!machine.said(&["loginctl", "list-sessions", "--no-legend"])?.contains("bob"))
    })?;
    let state = stage.bob("systemctl --user is-active pychatd")?;
    ensure!(state == "active", "bob's daemon is {state} after the logout");
    let daemon = stage.bob("systemctl --user show --value --property=MainPID pychatd")?;
    let owner = machine.said(&["stat", "--format=%U", &format!("/proc/{daemon}")])?;
    ensure!(owner == "bob", "bob's daemon is {owner}'s");
    // The one that the command line finds is that one, not one that it has started itself.
    let found = stage.bob("pychatctl --no-autostart --json daemon status")?;
    ensure!(found.contains(&daemon), "pychatctl finds another daemon than {daemon}: {found}");
    Ok(())
}
