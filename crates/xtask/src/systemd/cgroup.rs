//! A machine's own place among the host's control groups.
//!
//! Where the host's init is not systemd, nobody makes one for it: two machines would share theirs, and
//! a later one would find what an earlier one has left, filters for IP addresses among it.

use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// What our groups are called, before the number of the process that has made them.
const PREFIX: &str = "pychat-machine-";

/// Processes that were killed have left their groups after some of these pauses.
const REMOVAL_TRIES: u32 = 50;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// Groups, one in each hierarchy where systemd works, removed when dropped.
pub(super) struct Groups(Vec<PathBuf>);

impl Groups {
    /// Makes them below our own. Those of processes that are no more go.
    pub(super) fn new() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/mounts").context("reading the host's mounts")?;
        let ours = fs::read_to_string("/proc/self/cgroup").context("reading our control groups")?;
        let mut groups = Self(Vec::new());
        for parent in places(&mounts, &ours) {
            sweep(&parent);
            let group = parent.join(format!("{PREFIX}{}", std::process::id()));
            fs::create_dir(&group).with_context(|| format!("making {}", group.display()))?;
            groups.0.push(group);
        }
        Ok(groups)
    }

    /// A command that joins them and becomes `program`.
    pub(super) fn joined_by(&self, program: &str) -> Command {
        let mut command = Command::new("sh");
        let script = "program=$1; shift
            while [ \"$1\" != -- ]; do echo $$ >\"$1\"; shift; done
            shift; exec \"$program\" \"$@\"";
        command.args(["-euc", script, "sh", program]);
        command.args(self.0.iter().map(|group| group.join("cgroup.procs"))).arg("--");
        command
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.0.iter().for_each(|group| remove(group));
    }
}

/// Our own group in each hierarchy of systemd's: the one of version 2, and its own of version 1.
fn places(mounts: &str, ours: &str) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(mount), Some(kind), Some(options)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let hierarchy = match kind {
            "cgroup2" => "0::/",
            "cgroup" if options.split(',').any(|option| option == "name=systemd") => {
                ":name=systemd:/"
            }
            _ => continue,
        };
        let path = ours.lines().find_map(|line| line.split_once(hierarchy));
        places.extend(path.map(|(_, path)| Path::new(mount).join(path)));
    }
    places
}

/// Removes what processes that are no more have left, also one that had our number.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_gone = |pid: &str| {
            pid == std::process::id().to_string() || !Path::new("/proc").join(pid).exists()
        };
        if maker.is_some_and(is_gone) {
            remove(&entry.path());
        }
    }
}

/// Removes a group and those below it, once nothing is in them any more. One that stays costs nothing
/// but its name.
fn remove(group: &Path) {
    for _ in 0..REMOVAL_TRIES {
        if remove_once(group).is_ok() {
            return;
        }
        thread::sleep(REMOVAL_PAUSE);
    }
}

fn remove_once(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_once(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::places;
    use std::path::PathBuf;

    #[test]
    fn our_groups_are_found_in_both_versions() {
        let mounts = "proc /proc proc rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
        let ours = "9:name=systemd:/\n8:pids:/x\n0::/a/b\n";
        let expected = ["/sys/fs/cgroup/systemd/", "/sys/fs/cgroup/unified/a/b"];
        assert_eq!(places(mounts, ours), expected.map(PathBuf::from));
        let mounts = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        assert_eq!(places(mounts, "0::/\n"), [PathBuf::from("/sys/fs/cgroup/")]);
    }
}
