//! The six programs: three NATS servers and three nodes, each at a machine of its own.

use super::network::{Machine, Network};
use crate::process::Process;
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, OpenOptions},
    net::{SocketAddr, SocketAddrV4},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How many NATS servers there are, and how many nodes.
pub(crate) const EACH: usize = 3;

/// A program is ready within this time of its start.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const NATS_PORT: u16 = 4222;
const ROUTE_PORT: u16 = 6222;
const NODE_PORT: u16 = 7420;

/// A program of the cluster, by its number among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A NATS server.
    Nats(usize),
    /// A `pychat-server`.
    Node(usize),
}

impl Part {
    /// The machine at which it runs.
    pub(crate) const fn machine(self) -> Machine {
        match self {
            Self::Nats(number) => number,
            Self::Node(number) => EACH + number,
        }
    }

    /// What the machine is called.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Nats(number) => format!("nats{number}"),
            Self::Node(number) => format!("node{number}"),
        }
    }

    /// What it says when it is ready.
    const fn ready(self) -> &'static str {
        match self {
            Self::Nats(_) => "Server is ready",
            Self::Node(_) => "pychat-server: ready on ",
        }
    }

    /// All six.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..EACH).map(Self::Nats).chain((0..EACH).map(Self::Node))
    }
}

/// What the programs are, and where they write.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// `nats-server`.
    pub(crate) nats: PathBuf,
    /// `pychat-server`.
    pub(crate) server: PathBuf,
    /// Where logs and data go.
    pub(crate) place: PathBuf,
}

/// The six programs. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Programs {
    setup: Setup,
    running: [Option<Running>; 2 * EACH],
    /// The link that names all nodes.
    pub(crate) link: String,
    /// Ends that nobody asked for.
    pub(crate) surprises: Vec<String>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// How long the log was when it was started.
    log_len: usize,
}

impl Programs {
    /// Starts all six and waits until they are ready.
    pub(crate) fn start(setup: Setup, network: &Network) -> Result<Self> {
        let running = [const { None }; 2 * EACH];
        let mut programs = Self { setup, running, link: String::new(), surprises: Vec::new() };
        for number in 0..EACH {
            let text = programs.nats_configuration(network, number);
            fs::write(programs.file(Part::Nats(number), "conf"), text)?;
            programs.spawn(Part::Nats(number), network)?;
        }
        (0..EACH).try_for_each(|number| programs.wait(Part::Nats(number)))?;
        // The first node makes the key that all share.
        programs.spawn(Part::Node(0), network)?;
        programs.wait(Part::Node(0))?;
        let log = programs.log(Part::Node(0));
        let key = log.lines().find_map(|line| line.split_once(", join with ")?.1.split_once('#'));
        let (_, key) = key.context("a ready node prints its link")?;
        let nodes = (0..EACH).map(|number| node_address(network, number).to_string());
        programs.link = format!("pychat://{}#{}", nodes.collect::<Vec<_>>().join(","), key.trim());
        programs.key("export", 0)?;
        for number in 1..EACH {
            programs.key("import", number)?;
            programs.spawn(Part::Node(number), network)?;
        }
        programs.wait_all()?;
        Ok(programs)
    }

    /// The process of a program, if it was started and not killed.
    pub(crate) fn process(&self, part: Part) -> Option<Process> {
        Process::open(self.running[part.machine()].as_ref()?.child.id())
    }

    /// kill -9; `false` if it does not run.
    pub(crate) fn kill(&mut self, part: Part) -> Result<bool> {
        self.notice_ends()?;
        let Some(mut running) = self.running[part.machine()].take() else { return Ok(false) };
        running.child.kill().context("killing a program")?;
        running.child.wait().context("waiting for a killed program")?;
        Ok(true)
    }

    /// Starts what does not run, without waiting.
    pub(crate) fn start_missing(&mut self, network: &Network) -> Result<()> {
        self.notice_ends()?;
        for part in Part::all() {
            if self.running[part.machine()].is_none() {
                self.spawn(part, network)?;
            }
        }
        Ok(())
    }

    /// Waits until all six are ready.
    pub(crate) fn wait_all(&self) -> Result<()> {
        Part::all().try_for_each(|part| self.wait(part))
    }

    /// What the programs' logs say of panics.
    pub(crate) fn panicked(&self) -> Vec<String> {
        let found = Part::all().flat_map(|part| {
            let log = self.log(part);
            let lines = log.lines().filter(|line| line.contains("panic"));
            lines.map(|line| format!("{}: {line}", part.name())).collect::<Vec<_>>()
        });
        found.collect()
    }

    /// A program that ended is none that runs, and nobody else's fault.
    fn notice_ends(&mut self) -> Result<()> {
        for part in Part::all() {
            let running = &mut self.running[part.machine()];
            let Some(child) = running.as_mut().map(|it| &mut it.child) else { continue };
            if let Some(status) = child.try_wait().context("looking at a program")? {
                self.surprises.push(format!("{} ended by itself: {status}", part.name()));
                *running = None;
            }
        }
        Ok(())
    }

    fn spawn(&mut self, part: Part, network: &Network) -> Result<()> {
        let mut command = network.command(part.machine());
        match part {
            Part::Nats(_) => {
                command.arg(&self.setup.nats).arg("--config").arg(self.file(part, "conf"));
            }
            Part::Node(number) => {
                let address = node_address(network, number).to_string();
                let hosts = (0..EACH).map(|nats| format!("{}:{NATS_PORT}", network.address(nats)));
                let store = format!("nats://{}", hosts.collect::<Vec<_>>().join(","));
                command.arg(&self.setup.server).arg("--data").arg(self.data(number));
                command.args(["--listen", &address, "--advertise", &address, "--shards", "1"]);
                command.args(["--store", &store, "--log", "info,pychat_server=debug"]);
            }
        }
        let log_len = self.log(part).len();
        let log = OpenOptions::new().create(true).append(true).open(self.file(part, "log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {}", part.name()))?;
        self.running[part.machine()] = Some(Running { child, log_len });
        Ok(())
    }

    fn wait(&self, part: Part) -> Result<()> {
        let log_len = self.running[part.machine()].as_ref().map_or(0, |it| it.log_len);
        let end = Instant::now() + READY_DEADLINE;
        while !self.log(part).get(log_len..).is_some_and(|log| log.contains(part.ready())) {
            if Instant::now() > end {
                bail!("{} is not ready; see its log", part.name());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// `pychat-server key export` or `import`.
    fn key(&self, verb: &str, number: usize) -> Result<()> {
        let mut command = Command::new(&self.setup.server);
        let file = self.setup.place.join("server.key");
        command.args(["key", verb]).arg(file).arg("--data").arg(self.data(number));
        let output = command.output().context("starting pychat-server")?;
        if !output.status.success() {
            bail!("key {verb}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Acknowledged is on disk, and nobody is told of an address that goes around the network.
    fn nats_configuration(&self, network: &Network, number: usize) -> String {
        let own = network.address(number);
        let routes = (0..EACH).map(|it| format!("nats://{}:{ROUTE_PORT}", network.address(it)));
        let routes = routes.collect::<Vec<_>>().join(", ");
        let store = self.setup.place.join(format!("nats{number}.data"));
        format!(
            "server_name: nats{number}\nlisten: \"{own}:{NATS_PORT}\"\n\
             jetstream {{ store_dir: {:?}, sync_interval: always }}\n\
             cluster {{ name: pychat, listen: \"{own}:{ROUTE_PORT}\", routes: [{routes}] }}\n",
            store.display()
        )
    }

    fn log(&self, part: Part) -> String {
        let log = fs::read(self.file(part, "log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn data(&self, number: usize) -> PathBuf {
        self.setup.place.join(format!("node{number}.data"))
    }

    fn file(&self, part: Part, ending: &str) -> PathBuf {
        self.setup.place.join(format!("{}.{ending}", part.name()))
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for running in self.running.iter_mut().flatten() {
            // One that ended is as good as killed.
            let _ended = running.child.kill();
            let _status = running.child.wait();
        }
    }
}

/// Where people reach a node.
pub(crate) fn node_address(network: &Network, number: usize) -> SocketAddr {
    SocketAddrV4::new(network.address(Part::Node(number).machine()), NODE_PORT).into()
}
