//! The server as a service that binds its own port.

use super::{SERVICE, Stage};
use crate::systemd::machine::until;
use anyhow::{Context, Result, ensure};

/// A watchdog that is not waited for half a minute.
const QUICK: &str = "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=1s\n";
const DROP_INS: &str = "/run/systemd/system/pychat-server.service.d";

/// What systemd says of a unit with a line that it does not follow.
const COMPLAINTS: [&str; 5] =
    ["Unknown", "ignoring", "not supported", "does not support", "Failed to"];

/// `systemctl start`, and what it is said to be like.
pub(super) fn started(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    machine.shell(&format!(
        "echo PYCHAT_SERVER_HOST={} >>/etc/pychat-server/environment",
        machine.address
    ))?;
    machine.said(&["systemctl", "start", "pychat-server"])?;
    let status =
        machine.said(&["systemctl", "status", "--no-pager", "--lines=0", "pychat-server"])?;
    for part in ["Active: active (running)", "Status: \"", ":7420", "disabled"] {
        ensure!(status.contains(part), "systemctl status lacks {part:?}:\n{status}");
    }
    let journal = machine.journal(SERVICE)?;
    ensure!(journal.contains("ready on"), "the journal does not say that it is ready:\n{journal}");
    for complaint in COMPLAINTS {
        ensure!(!journal.contains(complaint), "the journal says {complaint:?}:\n{journal}");
    }
    owned_by_the_server(stage)
}

/// Everything in the state directory is the dynamic user's and nobody else may look into it.
fn owned_by_the_server(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    let user = machine.shell(&format!("stat --format=%u /proc/{}", stage.server()?))?;
    ensure!(user != "0", "the server runs as root");
    let named = machine.run(&["grep", "-c", "pychat", "/etc/passwd"])?;
    ensure!(!named.status.success(), "the server's user stands in /etc/passwd");
    let state = "/var/lib/private/pychat-server";
    let mode = machine.said(&["stat", "--format=%u %a", state])?;
    ensure!(mode == format!("{user} 700"), "{state} has {mode}, the server is {user}");
    let others = machine.said(&[
        "find", state, "(", "!", "-uid", &user, "-o", "-perm", "/077", ")", "!", "-type", "l",
    ])?;
    ensure!(others.is_empty(), "not the server's alone: {others}");
    let files = machine.said(&["find", state, "-type", "f"])?;
    ensure!(files.lines().count() >= 2, "a key and a store are expected: {files}");
    let runtime = machine.said(&["stat", "--format=%u %a", "/run/pychat-server"])?;
    ensure!(runtime == format!("{user} 755"), "/run/pychat-server has {runtime}");
    Ok(())
}

/// The join link, as the journal shows it to the operator.
fn link(stage: &Stage) -> Result<String> {
    let journal = stage.machine.journal(SERVICE)?;
    let link = journal.split_whitespace().rev().find(|word| word.starts_with("pychat://"));
    Ok(link.context("the journal shows no link")?.to_owned())
}

/// Both ways, over the network.
pub(super) fn chats(stage: &Stage) -> Result<()> {
    let link = link(stage)?;
    ensure!(
        link.contains(&stage.machine.address.to_string()),
        "the configured host is not in {link}"
    );
    stage.ann.said(&["connect", "ann", "Ann Outside", "--server", &link])?;
    stage.bob(&format!("pychatctl --no-autostart connect bob 'Bob Inside' --server '{link}'"))?;
    stage.ann_is_heard()?;
    stage.bob_is_heard()?;
    stage.operator_sees_both()
}

/// `systemctl reload` with a good file and with a bad one.
pub(super) fn reloaded(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    let server = stage.server()?;
    let edit = |from: &str, to: &str| {
        machine.shell(&format!("sed -i 's/^{from}$/{to}/' /etc/pychat-server/config.toml"))
    };
    edit("log = \"info\"", "log = \"debug\"")?;
    machine.said(&["systemctl", "reload", "pychat-server"])?;
    let log = ["pychat-server", "admin", "log"];
    ensure!(machine.said(&log)? == "debug", "the reload did not apply the file");
    edit("log = \"debug\"", "logg = \"trace\"")?;
    let refused = machine.run(&["systemctl", "reload", "pychat-server"])?;
    ensure!(!refused.status.success(), "systemd was not told that the file has a fault");
    let journal = machine.journal(SERVICE)?;
    ensure!(
        journal.contains("config.toml:") && journal.contains("unknown field `logg`"),
        "the journal does not say where the fault is:\n{journal}"
    );
    ensure!(machine.said(&log)? == "debug", "a part of a bad file was applied");
    ensure!(stage.server()? == server, "the server is another one after a reload");
    edit("logg = \"trace\"", "log = \"info\"")?;
    machine.said(&["systemctl", "reload", "pychat-server"])?;
    ensure!(machine.said(&log)? == "info", "the good file was not applied after the bad one");
    stage.ann_is_heard()
}

/// The hardened server writes below its state directory, and nothing there is for others.
pub(super) fn backed_up(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    let file = "/var/lib/pychat-server/monday.backup";
    machine.said(&["pychat-server", "admin", "backup", file])?;
    let mode = machine.said(&["stat", "--format=%a", file])?;
    ensure!(mode == "600", "{file} has {mode}");
    let restored = "/root/restored";
    machine.said(&["pychat-server", "restore", file, "--data", restored])?;
    let link = |data: &str| machine.said(&["pychat-server", "link", "--host", "x", "--data", data]);
    ensure!(
        link(restored)? == link("/var/lib/pychat-server")?,
        "what was restored is another server than the one that was backed up"
    );
    machine.said(&["rm", "-r", file, restored])?;
    Ok(())
}

/// `systemctl restart` replaces the process; the sessions come back.
pub(super) fn restarted(stage: &Stage) -> Result<()> {
    let before = stage.server()?;
    stage.machine.said(&["systemctl", "restart", "pychat-server"])?;
    ensure!(stage.server()? != before, "the server is the same as before");
    stage.ann_is_heard()?;
    stage.bob_is_heard()
}

/// `systemctl stop` ends it well. What is sent meanwhile is queued and goes out later.
pub(super) fn stopped(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    let unreachable = machine.unreachables()?;
    machine.said(&["systemctl", "stop", "pychat-server"])?;
    let result = machine.property(SERVICE, "Result")?;
    let status = machine.property(SERVICE, "ExecMainStatus")?;
    ensure!(result == "success" && status == "0", "it ended with {result}, {status}");
    let text = stage.text();
    stage.ann.said(&["send", "bob", &text, "--wait", "queued"])?;
    // That the kernel says so is what the scenes with the socket rest on.
    until("a closed port to be noticed", || Ok(machine.unreachables()? > unreachable))?;
    machine.said(&["systemctl", "start", "pychat-server"])?;
    until("the queued text to arrive", || Ok(stage.bob("pychatctl inbox --json")?.contains(&text)))
}

/// `kill -9`: `Restart=on-failure`.
pub(super) fn killed(stage: &Stage) -> Result<()> {
    let before = stage.server()?;
    stage.machine.said(&["kill", "-KILL", &before.to_string()])?;
    stage.another_server(before)?;
    let restarts = stage.machine.property(SERVICE, "NRestarts")?;
    ensure!(restarts == "1", "systemd has restarted it {restarts} times");
    stage.ann_is_heard()?;
    stage.bob_is_heard()
}

/// A process that does not run any more but is there: the watchdog's business.
pub(super) fn frozen(stage: &Stage) -> Result<()> {
    let machine = &stage.machine;
    let written = machine.property(SERVICE, "WatchdogUSec")?;
    ensure!(written == "30s", "the unit's watchdog is {written}");
    machine.shell(&format!("mkdir -p {DROP_INS}; printf '{QUICK}' >{DROP_INS}/quick.conf"))?;
    machine.shell("systemctl daemon-reload; systemctl restart pychat-server")?;
    let before = stage.server()?;
    machine.said(&["kill", "-STOP", &before.to_string()])?;
    stage.another_server(before)?;
    let journal = machine.journal(SERVICE)?;
    ensure!(journal.contains("Watchdog timeout"), "it was not the watchdog:\n{journal}");
    stage.ann_is_heard()?;
    machine.shell(&format!("rm -r {DROP_INS}; systemctl daemon-reload"))?;
    Ok(())
}
