//! A machine of its own: a booted tree with a private network, gone without a trace when dropped.

use super::cgroup::Groups;
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// A machine has booted, shut down, or done whatever else is waited for within this time.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// How often is looked again for what is waited for.
const INTERVAL: Duration = Duration::from_millis(50);

/// Networks for measuring devices (RFC 2544), which nobody routes; each machine takes four addresses.
const NETWORKS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
const NETWORKS_COUNT: u32 = 1 << 15;

/// Where the packages are in the machine.
pub(super) const PACKAGES: &str = "/packages";

/// A booted machine.
pub(super) struct Machine {
    nspawn: Child,
    /// Its init, as the host numbers it.
    init: u32,
    /// Its address, which the host reaches.
    pub(super) address: Ipv4Addr,
    /// Removed last, when nothing is in them.
    _groups: Option<Groups>,
}

impl Machine {
    /// Boots `tree`, which stays as it is: what the machine writes is kept in memory.
    pub(super) fn boot(tree: &Path, packages: &Path, log: &Path) -> Result<Self> {
        let name = format!("pyc{}", std::process::id());
        let output = fs::File::create(log).context("making a log for the machine")?;
        // Ended with us, however we end.
        let manages = Path::new("/run/systemd/system").is_dir();
        let groups = if manages { None } else { Some(Groups::new()?) };
        let mut nspawn = match &groups {
            None => Command::new("setpriv"),
            Some(groups) => groups.joined_by("setpriv"),
        };
        nspawn
            .args(["--pdeathsig", "TERM", "systemd-nspawn", "--quiet", "--boot", "--console=pipe"])
            .args(["--volatile=overlay", "--network-veth"])
            .arg(format!("--machine={name}"))
            .arg(format!("--directory={}", tree.display()))
            .arg(format!("--bind-ro={}:{PACKAGES}", packages.display()))
            // For IPAddressDeny=: its systemd filters by BPF, in a hierarchy of version 2.
            .args(["--system-call-filter=bpf", "--capability=CAP_BPF,CAP_NET_ADMIN,CAP_PERFMON"])
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .stdin(Stdio::null())
            .stderr(output.try_clone().context("sharing the log")?)
            .stdout(output);
        if !manages {
            // The host's init is another one: nobody to ask for a scope, or to register with.
            nspawn.args(["--keep-unit", "--register=no"]);
        }
        let nspawn = nspawn.spawn().context("starting systemd-nspawn")?;
        let network = u32::from(NETWORKS) + 4 * (std::process::id() % NETWORKS_COUNT);
        let (host, address) = (Ipv4Addr::from(network + 1), Ipv4Addr::from(network + 2));
        let mut machine = Self { nspawn, init: 0, address, _groups: groups };
        let booted = machine.wait_for_boot().and_then(|()| machine.connect(&name, host));
        if let Err(error) = booted {
            let said = fs::read_to_string(log).unwrap_or_default();
            bail!(
                "no machine can be booted here: {error:#}: {}\n\
                 hint: `cargo xtask test --without-systemd` goes without",
                said.trim()
            );
        }
        Ok(machine)
    }

    fn wait_for_boot(&mut self) -> Result<()> {
        let mut found = None;
        let nspawn = &mut self.nspawn;
        until("the machine's init", || {
            if let Some(status) = nspawn.try_wait()? {
                bail!("systemd-nspawn ended with {status}");
            }
            found = init_below(nspawn.id());
            Ok(found.is_some())
        })?;
        self.init = found.context("the init was found")?;
        until("the machine to be up", || {
            let state = self.run(&["systemctl", "is-system-running"])?;
            let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            ensure!(state != "degraded", "{}", self.said(&["systemctl", "--failed"])?);
            Ok(state == "running")
        })
    }

    fn connect(&self, name: &str, host: Ipv4Addr) -> Result<()> {
        let outer = format!("ve-{name}");
        workspace::run(
            Command::new("ip").args(["address", "add", &format!("{host}/30"), "dev"]).arg(&outer),
        )?;
        workspace::run(Command::new("ip").args(["link", "set", "up", "dev"]).arg(&outer))?;
        let address = format!("{}/30", self.address);
        self.said(&["ip", "address", "add", &address, "dev", "host0"])?;
        self.said(&["ip", "link", "set", "up", "dev", "host0"])?;
        Ok(())
    }

    /// Runs a command as root in the machine.
    pub(super) fn run(&self, command: &[&str]) -> Result<Output> {
        let mut nsenter = Command::new("nsenter");
        nsenter.arg("--target").arg(self.init.to_string()).args([
            "--all",
            "env",
            "--ignore-environment",
        ]);
        nsenter.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"]);
        nsenter.args(["DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER="]);
        nsenter.args(command).stdin(Stdio::null());
        nsenter.output().context("entering the machine")
    }

    /// What a command says that must succeed.
    pub(super) fn said(&self, command: &[&str]) -> Result<String> {
        let output = self.run(command)?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let complained = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`{}` in the machine: {} {said} {}",
                command.join(" "),
                output.status,
                complained.trim()
            );
        }
        Ok(said)
    }

    /// What a line for the shell says that must succeed.
    pub(super) fn shell(&self, line: &str) -> Result<String> {
        self.said(&["sh", "-euc", line])
    }

    /// A property of a unit.
    pub(super) fn property(&self, unit: &str, name: &str) -> Result<String> {
        self.said(&["systemctl", "show", "--value", "--property", name, unit])
    }

    /// What the journal has of a unit, from itself and from systemd.
    pub(super) fn journal(&self, unit: &str) -> Result<String> {
        self.said(&["journalctl", "--no-pager", "--output=cat", "--unit", unit])
    }

    /// Datagrams that were answered with "port unreachable" or the like.
    pub(super) fn unreachables(&self) -> Result<u64> {
        let tables = self.said(&["cat", "/proc/net/snmp"])?;
        let mut rows = tables.lines().filter_map(|line| line.strip_prefix("Icmp: "));
        let (names, values) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
        let counts = names.split(' ').zip(values.split(' '));
        let count = counts.into_iter().find(|(name, _)| *name == "OutDestUnreachs");
        count.context("the kernel counts them")?.1.parse().context("reading the kernel's count")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.init != 0 {
            // With its init everything in the machine ends, and nspawn tidies up.
            let _ = Command::new("kill").args(["-KILL", &self.init.to_string()]).status();
        } else {
            let _ = self.nspawn.kill();
        }
        let _ = self.nspawn.wait();
    }
}

/// Waits until `happened`, and says what did not happen in time.
pub(super) fn until(what: &str, mut happened: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while !happened()? {
        ensure!(Instant::now() < deadline, "waited {DEADLINE:?} in vain for {what}");
        std::thread::sleep(INTERVAL);
    }
    Ok(())
}

/// The init that this nspawn has started, once it runs.
fn init_below(nspawn: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    children.find(|pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd")
    })
}
