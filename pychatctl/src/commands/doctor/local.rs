//! What is on this machine: files, their permissions, room on the disk, and whether the daemon outlives the
//! person's login.

use super::Finding;
use pychat_control::Place;

/// With less room than this, messages may soon not be kept.
#[cfg(unix)]
const ROOM_BYTES_LOW: u64 = 64 * 1024 * 1024;

/// Files that nobody else may read.
#[cfg(unix)]
const PRIVATE: [&str; 2] = ["identity.key", "pychat.db"];

/// Whether the state directory and what is in it are ours alone.
#[cfg(unix)]
pub(super) fn files(place: &Place) -> Finding {
    use std::{fs, io, os::unix::fs::MetadataExt};
    let dir = place.state_dir();
    let shown = dir.display();
    let us = rustix::process::geteuid().as_raw();
    let about = match fs::metadata(dir) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::good("files", format!("{shown} is made at the first start"));
        }
        Err(error) => {
            return Finding::bad(
                "files",
                format!("{shown} cannot be looked at: {error}"),
                format!("make its path accessible to you: ls -ld {shown}"),
            );
        }
    };
    if about.uid() != us {
        return Finding::bad(
            "files",
            format!("{shown} belongs to user {}, not to you ({us})", about.uid()),
            format!(
                "sudo chown -R \"$(id -un)\" {shown}; and run pychatctl as yourself, not with sudo"
            ),
        );
    }
    if about.mode() & 0o700 != 0o700 {
        let message = format!("{shown} does not let you in (mode {:o})", about.mode() & 0o777);
        return Finding::bad("files", message, format!("chmod 700 {shown}"));
    }
    for name in PRIVATE {
        let path = dir.join(name);
        let Ok(about) = fs::metadata(&path) else { continue };
        let shown = path.display();
        if about.uid() != us {
            let message = format!("{shown} belongs to user {}, not to you ({us})", about.uid());
            return Finding::bad("files", message, format!("sudo chown \"$(id -un)\" {shown}"));
        }
        if about.mode() & 0o077 != 0 || about.mode() & 0o600 != 0o600 {
            return Finding::bad(
                "files",
                format!("{shown} has mode {:o}; it must be yours alone", about.mode() & 0o777),
                format!("chmod 600 {shown}"),
            );
        }
    }
    Finding::good("files", format!("{shown} is yours alone"))
}

/// Who may look at them is a matter of the directory that they lie in there.
#[cfg(not(unix))]
pub(super) fn files(place: &Place) -> Finding {
    Finding::good("files", place.state_dir().display().to_string())
}

/// Whether there is room.
#[cfg(unix)]
pub(super) fn disk(place: &Place) -> Finding {
    let dir = place.state_dir();
    // It may not be there yet: then what it will be made in.
    let there = dir.ancestors().find(|path| path.exists()).unwrap_or(dir);
    let about = match rustix::fs::statvfs(there) {
        Ok(about) => about,
        Err(error) => {
            let message = format!("the room at {} is not known: {error}", there.display());
            return Finding::fair(
                "disk",
                message,
                format!("look for yourself: df {}", there.display()),
            );
        }
    };
    room(
        about.f_bavail.saturating_mul(about.f_frsize),
        about.f_favail,
        &there.display().to_string(),
    )
}

#[cfg(unix)]
pub(super) fn room(bytes: u64, files: u64, place: &str) -> Finding {
    let free = format!("{} MB are free", bytes / (1024 * 1024));
    let hint = format!("make room; see what takes it: du -xh {place} | sort -h | tail");
    match (bytes, files) {
        (0, _) => Finding::bad("disk", format!("the disk of {place} is full"), hint),
        (_, 0) => Finding::bad(
            "disk",
            format!("the disk of {place} takes no more files (no inodes are left)"),
            format!("remove files that nobody needs; see: df -i {place}"),
        ),
        (..ROOM_BYTES_LOW, _) => Finding::fair("disk", format!("only {free} at {place}"), hint),
        _ => Finding::good("disk", free),
    }
}

/// The system tells when there is none.
#[cfg(not(unix))]
pub(super) fn disk(place: &Place) -> Finding {
    Finding::good("disk", place.state_dir().display().to_string())
}

/// Whether the daemon goes on when its person logs out.
#[cfg(target_os = "linux")]
pub(super) fn logout(pid: u32) -> Option<Finding> {
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let lingers = std::path::Path::new("/var/lib/systemd/linger").join(user).exists();
    logout_of(&cgroup, lingers, session_processes_are_killed)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn logout(_: u32) -> Option<Finding> {
    None
}

/// What becomes of a daemon in this control group when the last login of its user ends. `killed`: whether
/// systemd then ends what a login left behind.
#[cfg(target_os = "linux")]
pub(super) fn logout_of(
    cgroup: &str,
    lingers: bool,
    killed: impl FnOnce() -> Option<bool>,
) -> Option<Finding> {
    let linger = "let it run on: loginctl enable-linger";
    if lingers {
        return Some(Finding::good("logout", "the daemon goes on after you log out"));
    }
    if cgroup.contains("/user@") {
        let message = "the daemon ends when your last login ends: it runs in your user manager";
        return Some(Finding::fair("logout", message, linger));
    }
    if !cgroup.contains("/session-") {
        return None;
    }
    let unit =
        "let it run as a service: systemctl --user enable --now pychatd; loginctl enable-linger";
    match killed() {
        Some(true) => {
            let message =
                "the daemon ends when you log out: this system ends what a login leaves behind";
            Some(Finding::fair("logout", message, unit))
        }
        Some(false) => Some(Finding::good("logout", "the daemon goes on after you log out")),
        None => None,
    }
}

/// What systemd's login manager is set to; `None` where there is none.
#[cfg(target_os = "linux")]
fn session_processes_are_killed() -> Option<bool> {
    let out = std::process::Command::new("busctl")
        .args(["get-property", "org.freedesktop.login1", "/org/freedesktop/login1"])
        .args(["org.freedesktop.login1.Manager", "KillUserProcesses"])
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    match String::from_utf8_lossy(&out.stdout).trim() {
        "b true" => Some(true),
        "b false" => Some(false),
        _ => None,
    }
}
