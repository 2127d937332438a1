//! Machines that are network namespaces, joined by a bridge, of which any two can be cut off from each other.
//!
//! A cut is silent, as in a real network: a machine sends its frames for the other one to a hardware
//! address that nobody has. No program is told anything.

use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::BTreeSet,
    io::Write as _,
    net::Ipv4Addr,
    process::{self, Command, Stdio},
};

/// One of the machines, by its place in [`Network::new`]'s names.
pub(crate) type Machine = usize;

/// More machines than this have no address.
const MACHINES_MAX: usize = 99;

/// The machines and what joins them. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Network {
    machines: Vec<String>,
    hub: String,
    cuts: BTreeSet<(Machine, Machine)>,
}

impl Network {
    /// Makes a namespace for each name. Takes root's rights and `ip` (Debian: iproute2).
    pub(crate) fn new(names: &[String]) -> Result<Self> {
        ensure!(names.len() <= MACHINES_MAX, "{} machines are too many", names.len());
        let own = |name: &str| format!("pychat-{}-{name}", process::id());
        let machines: Vec<String> = names.iter().map(|name| own(name)).collect();
        let hub = format!("{}-hub", own(names.first().map_or("", |name| name)));
        let network = Self { machines, hub, cuts: BTreeSet::new() };
        ip(&format!("netns add {}\n", network.hub))?;
        ip_in(&network.hub, "link add bridge type bridge\nlink set bridge up\nlink set lo up\n")?;
        for (number, machine) in network.machines.iter().enumerate() {
            ip(&format!("netns add {machine}\n"))?;
            ip_in(
                &network.hub,
                &format!(
                    "link add port{number} type veth peer name eth0 address {} netns {machine}\n\
                     link set port{number} master bridge up\n",
                    hardware(number)
                ),
            )?;
            let mut setup = format!(
                "link set lo up\naddr add {}/24 dev eth0\nlink set eth0 up\n",
                network.address(number)
            );
            // Written down once, so that nobody needs to ask, and a cut is one line.
            for other in (0..network.machines.len()).filter(|other| *other != number) {
                setup += &neighbour(network.address(other), &hardware(other));
            }
            ip_in(machine, &setup)?;
        }
        Ok(network)
    }

    /// Where a machine is.
    #[expect(clippy::unused_self, reason = "addresses are the network's to give")]
    pub(crate) fn address(&self, machine: Machine) -> Ipv4Addr {
        let last = u8::try_from(machine + 1).expect("there are few machines");
        Ipv4Addr::new(10, 77, 0, last)
    }

    /// A command that runs this program at a machine. Its process is the program's.
    pub(crate) fn command(&self, machine: Machine) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.machines[machine]]);
        command
    }

    /// From now on nothing passes between two machines.
    pub(crate) fn cut(&mut self, one: Machine, other: Machine) -> Result<()> {
        self.point(one, other, &nobody(other))?;
        self.point(other, one, &nobody(one))?;
        self.cuts.insert((one.min(other), one.max(other)));
        Ok(())
    }

    /// From now on everything passes between two machines again.
    pub(crate) fn mend(&mut self, one: Machine, other: Machine) -> Result<()> {
        self.point(one, other, &hardware(other))?;
        self.point(other, one, &hardware(one))?;
        self.cuts.remove(&(one.min(other), one.max(other)));
        Ok(())
    }

    /// Mends whatever is cut.
    pub(crate) fn mend_all(&mut self) -> Result<()> {
        self.cuts.clone().into_iter().try_for_each(|(one, other)| self.mend(one, other))
    }

    fn point(&self, from: Machine, to: Machine, hardware: &str) -> Result<()> {
        ip_in(&self.machines[from], &neighbour(self.address(to), hardware))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in self.machines.iter().chain([&self.hub]) {
            // Half a network is removed too.
            let _not_there = ip(&format!("netns del {namespace}\n"));
        }
    }
}

fn hardware(machine: Machine) -> String {
    format!("02:00:00:00:00:{:02x}", machine + 1)
}

/// An address in whose place there is nobody.
fn nobody(machine: Machine) -> String {
    format!("02:00:00:00:ff:{:02x}", machine + 1)
}

fn neighbour(address: Ipv4Addr, hardware: &str) -> String {
    format!("neigh replace {address} lladdr {hardware} dev eth0 nud permanent\n")
}

fn ip_in(namespace: &str, lines: &str) -> Result<()> {
    batch(&["-n", namespace], lines)
}

fn ip(lines: &str) -> Result<()> {
    batch(&[], lines)
}

fn batch(arguments: &[&str], lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(arguments).args(["-batch", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("starting ip (Debian: iproute2)")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(lines.as_bytes()).context("telling ip what to do")?;
    }
    let output = child.wait_with_output().context("waiting for ip")?;
    if !output.status.success() {
        bail!("ip cannot do {lines:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_of_somebody_or_nobody() {
        assert_ne!(hardware(3), nobody(3));
        assert_eq!(hardware(9), "02:00:00:00:00:0a");
    }
}
