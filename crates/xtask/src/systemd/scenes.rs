//! What an operator and a user do with the packages, in this order, and what they must find.

mod packages;
mod service;
mod socket;
mod user;

use super::{
    machine::{Machine, until},
    person::Person,
};
use anyhow::{Context, Result, ensure};
use std::{cell::Cell, path::Path};

/// A part of the story.
pub(super) type Scene = fn(&Stage) -> Result<()>;

/// All scenes: each finds what those before it have left.
pub(super) const ALL: [(&str, Scene); 16] = [
    ("the packages are installed, and nothing is started by that", packages::installed),
    ("the server starts as its unit says, as nobody in particular", service::started),
    ("a user's daemon starts under the user's own manager and outlives the session", user::lingers),
    ("people inside and outside chat", service::chats),
    ("a reload applies a good configuration, and nothing of a bad one", service::reloaded),
    ("a running server is backed up, for root alone to read", service::backed_up),
    ("a restarted server serves on", service::restarted),
    ("a stopped server leaves a port unreachable, and what was sent waits", service::stopped),
    ("a killed server comes back by itself", service::killed),
    ("a frozen server is noticed and replaced", service::frozen),
    ("the socket starts a server that can reach no network", socket::started),
    ("behind the socket a server is replaced, and the port stays open", socket::replaced),
    ("behind the socket the package is upgraded, and the port stays open", socket::upgraded),
    ("removed, the server leaves its state and its configuration", packages::removed),
    ("purged, nothing is left", packages::purged),
    ("the archive's script installs a server that starts, and removes it", packages::archive),
];

const SERVICE: &str = "pychat-server.service";
const SOCKET: &str = "pychat-server.socket";

/// The machine, and who is in the play: ann on the host, bob in the machine.
pub(super) struct Stage {
    machine: Machine,
    ann: Person,
    /// How many texts were sent so far: no two are the same.
    texts: Cell<u32>,
}

impl Stage {
    pub(super) fn new(machine: Machine, programs: &Path) -> Result<Self> {
        Ok(Self { machine, ann: Person::new(programs)?, texts: Cell::new(0) })
    }

    /// The ends of what was logged, for somebody who looks for a failure's reason.
    pub(super) fn journals(&self) -> String {
        let last = ["journalctl", "--no-pager", "--lines=40", "--output=short-precise"];
        let inside = self.machine.said(&last);
        let outside = self.ann.said(&["daemon", "logs"]);
        let told = |said: Result<String>| said.unwrap_or_else(|error| format!("{error:#}"));
        format!("--- the machine\n{}\n--- ann's daemon\n{}", told(inside), told(outside))
    }

    /// The ready server's process, if there is one. Asked for in one go, since it may be about to end.
    fn ready_server(&self) -> Result<Option<u32>> {
        let said =
            self.machine.said(&["systemctl", "show", "--property=ActiveState,MainPID", SERVICE])?;
        let mut pid = None;
        for line in said.lines() {
            match line.split_once('=') {
                Some(("MainPID", number)) => pid = Some(number.parse()?),
                Some(("ActiveState", "active")) | None => {}
                Some(_) => return Ok(None),
            }
        }
        Ok(pid.filter(|pid| *pid != 0))
    }

    /// The server's process; an error if none is ready.
    fn server(&self) -> Result<u32> {
        self.ready_server()?.context("no server is ready")
    }

    /// Waits until another server than `before` is ready.
    fn another_server(&self, before: u32) -> Result<()> {
        until("another server to be ready", || {
            Ok(self.ready_server()?.is_some_and(|server| server != before))
        })
    }

    /// Sends a text from the host to bob and waits until it was delivered.
    fn ann_is_heard(&self) -> Result<()> {
        let text = self.text();
        self.ann.said(&["send", "bob", &text, "--wait", "delivered", "--timeout", "45s"])?;
        let inbox = self.bob("pychatctl inbox --json")?;
        ensure!(inbox.contains(&text), "bob has not got {text:?}: {inbox}");
        Ok(())
    }

    /// Sends a text from bob to the host and waits until it was delivered.
    fn bob_is_heard(&self) -> Result<()> {
        let text = self.text();
        self.bob(&format!("pychatctl send ann '{text}' --wait delivered --timeout 45s"))?;
        let inbox = self.ann.said(&["inbox", "--json"])?;
        ensure!(inbox.contains(&text), "ann has not got {text:?}: {inbox}");
        Ok(())
    }

    /// Asks the server itself, as root does, and finds both people there.
    fn operator_sees_both(&self) -> Result<()> {
        let sessions = self.machine.said(&["pychat-server", "admin", "sessions", "list"])?;
        for user in ["ann", "bob"] {
            ensure!(sessions.contains(user), "the server does not tell of {user}: {sessions}");
        }
        Ok(())
    }

    fn text(&self) -> String {
        self.texts.set(self.texts.get() + 1);
        format!("text number {}", self.texts.get())
    }

    /// Runs a line of bob's without a session.
    fn bob(&self, line: &str) -> Result<String> {
        self.machine.shell(&format!(
            "uid=$(id -u bob); exec setpriv --reuid=bob --regid=bob --init-groups --reset-env \
             env HOME=/home/bob XDG_RUNTIME_DIR=/run/user/$uid sh -euc {}",
            quoted(line)
        ))
    }

    /// Logs bob in, runs a line, and logs out.
    fn bob_in_a_session(&self, line: &str) -> Result<String> {
        self.machine.said(&[
            "systemd-run",
            "--quiet",
            "--wait",
            "--pipe",
            "--collect",
            "--property=User=bob",
            "--property=PAMName=login",
            "--property=WorkingDirectory=~",
            "sh",
            "-euc",
            line,
        ])
    }
}

/// As one word for the shell.
fn quoted(line: &str) -> String {
    format!("'{}'", line.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use std::process::Command;

    #[test]
    fn a_quoted_line_is_one_word() {
        let line = "echo 'a b' \"c\" $HOME";
        let output =
            Command::new("sh").args(["-c", &format!("printf %s {}", quoted(line))]).output();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), line);
    }
}
