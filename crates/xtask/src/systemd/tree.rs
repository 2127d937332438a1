//! A small Debian that boots, made once and kept below the target directory.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

/// What is in it beyond `minbase`: an init, its login sessions, and what the scenes call.
const PACKAGES: [&str; 6] =
    ["dbus", "iproute2", "libpam-systemd", "procps", "systemd", "systemd-sysv"];

/// Where a Debian says what it is.
const RELEASE: &str = "/etc/os-release";

/// What only fills the disk once everything is installed.
const LEFTOVERS: [&str; 2] = ["var/cache/apt/archives", "var/lib/apt/lists"];

/// The tree's directory. The first time takes a minute or two and a mirror of Debian's.
pub(super) fn ready(target: &Path) -> Result<PathBuf> {
    let suite = suite()?;
    let mut key = DefaultHasher::new();
    PACKAGES.hash(&mut key);
    let trees = target.join("systemd");
    let tree = trees.join(format!("{suite}-{:08x}", key.finish() as u32));
    if tree.is_dir() {
        return Ok(tree);
    }
    fs::create_dir_all(&trees).context("making a directory for the machine's files")?;
    let unfinished = tree.with_extension("new");
    // What an earlier run has left half done; the operating system's tool, since it may be a lot.
    workspace::run(Command::new("rm").arg("-rf").arg(&unfinished))?;
    let mirror = mirror(&suite);
    println!("making a Debian {suite} that boots, from {mirror}, once");
    let mut command = workspace::command("debootstrap");
    command.args(["--variant=minbase", &format!("--include={}", PACKAGES.join(","))]);
    let log = trees.join("debootstrap.log");
    let output = fs::File::create(&log).context("making a log for debootstrap")?;
    command.arg(&suite).arg(&unfinished).arg(&mirror);
    command.stderr(output.try_clone().context("sharing the log")?).stdout(output);
    workspace::run(&mut command).with_context(|| format!("see {}", log.display()))?;
    for leftover in LEFTOVERS {
        let directory = unfinished.join(leftover);
        fs::remove_dir_all(&directory).context("removing what is not needed")?;
        fs::create_dir(&directory).context("leaving an empty directory")?;
    }
    // debootstrap has copied the host's.
    fs::write(unfinished.join("etc/hostname"), "pychat\n").context("naming the machine")?;
    fs::rename(&unfinished, &tree).context("putting the machine's files in place")?;
    Ok(tree)
}

/// The host's own release: what was built here asks for this C library, or a newer one.
fn suite() -> Result<String> {
    let release = fs::read_to_string(RELEASE).with_context(|| format!("reading {RELEASE}"))?;
    match (value(&release, "ID"), value(&release, "VERSION_CODENAME")) {
        (Some("debian"), Some(codename)) => Ok(codename.to_owned()),
        (id, _) => bail!(
            "the packages are tried on the Debian they were built on, and this is {}",
            id.unwrap_or("something else")
        ),
    }
}

/// A value of `os-release`.
fn value<'a>(release: &'a str, key: &str) -> Option<&'a str> {
    let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches('"'))
}

/// Where this machine's packages come from.
fn mirror(suite: &str) -> String {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Component: main"]);
    apt.arg(format!("Codename: {suite}"));
    let said = apt.output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let first = said.lines().find(|line| line.starts_with("http"));
    first.unwrap_or("http://deb.debian.org/debian").to_owned()
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn a_release_is_read_with_and_without_quotes() {
        let release = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\n\
                       VERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(value(release, "ID"), Some("debian"));
        assert_eq!(value(release, "VERSION_ID"), Some("12"));
        assert_eq!(value(release, "VERSION_CODENAME"), Some("bookworm"));
        assert_eq!(value(release, "VERSION"), None);
    }
}
