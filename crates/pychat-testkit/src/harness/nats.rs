//! A real `nats-server` with JetStream, alone or as one of a cluster.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A server listens within this time, and a cluster has its leader.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// Names the program; without it, it is looked for where `cargo xtask fetch-nats` puts it.
pub const PROGRAM: &str = "PYCHAT_NATS_SERVER";

/// Where the program is.
///
/// # Panics
/// It is not there: the message says how to get it.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(path) = env::var_os(PROGRAM) {
        return path.into();
    }
    let here = env::current_exe().expect("this program has a path");
    let found =
        here.ancestors().map(|it| it.join("tools/nats/nats-server")).find(|it| it.is_file());
    found.unwrap_or_else(|| {
        panic!("there is no nats-server: run `cargo xtask fetch-nats`, or name one as {PROGRAM}")
    })
}

/// How long NATS may keep what it was given before it syncs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Not at all: acknowledged is on disk.
    Always,
    /// Some time: for tests in which no power fails.
    Sometimes,
}

/// One or several `nats-server`s that are a cluster. Killed when dropped.
#[derive(Debug)]
pub struct NatsCluster {
    directory: TempDir,
    servers: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    port: u16,
    monitor: u16,
    config: PathBuf,
    child: Option<Child>,
}

impl NatsCluster {
    /// Starts so many servers and waits until each of them listens.
    ///
    /// # Panics
    /// One does not.
    #[must_use]
    pub fn start(servers: usize, sync: Sync) -> Self {
        let directory = directory();
        if servers == 1 {
            return Self::start_alone(directory, sync, "");
        }
        let ports: Vec<[u16; 3]> = (0..servers).map(|_| free_ports()).collect();
        let routes: Vec<String> =
            ports.iter().map(|[_, route, _]| format!("nats://127.0.0.1:{route}")).collect();
        let mut members = Vec::new();
        for (number, [port, route, monitor]) in ports.into_iter().enumerate() {
            let mut text = alone(directory.path(), number, port, monitor, sync);
            text += &format!(
                "cluster {{ name: pychat, listen: 127.0.0.1:{route}, routes: [{}] }}\n",
                routes.join(", ")
            );
            let config = directory.path().join(format!("n{number}.conf"));
            fs::write(&config, text).expect("a configuration can be written");
            members.push(Member { port, monitor, config, child: None });
        }
        let mut cluster = Self { directory, servers: members };
        (0..servers).for_each(|number| cluster.spawn(number));
        (0..servers).for_each(|number| cluster.wait(number));
        cluster
    }

    /// Starts one server that has this in its configuration as well, and waits until it listens.
    ///
    /// # Panics
    /// It does not.
    #[must_use]
    pub fn start_with(sync: Sync, more: &str) -> Self {
        Self::start_alone(directory(), sync, more)
    }

    /// One server, which takes ports that are free by itself: many tests start one at the same time.
    fn start_alone(directory: TempDir, sync: Sync, more: &str) -> Self {
        let path = directory.path();
        let config = path.join("n0.conf");
        let told = format!("ports_file_dir: {:?}\n", path.display());
        let text = alone(path, 0, -1, -1, sync) + more + &told;
        fs::write(&config, text).expect("a configuration can be written");
        let member = Member { port: 0, monitor: 0, config, child: None };
        let mut cluster = Self { servers: vec![member], directory };
        cluster.spawn(0);
        let file = cluster.directory().join(format!("nats-server_{}.ports", cluster.pid(0)));
        let deadline = Instant::now() + READY_DEADLINE;
        let [port, monitor] = loop {
            if let Some(ports) = fs::read_to_string(&file).ok().and_then(|text| ports(&text)) {
                break ports;
            }
            assert!(Instant::now() < deadline, "nats-server tells no ports in {}", file.display());
            thread::sleep(Duration::from_millis(5));
        };
        // Where it listens after a restart too.
        let text = alone(cluster.directory(), 0, port, monitor, sync) + more;
        let member = &mut cluster.servers[0];
        (member.port, member.monitor) = (port, monitor);
        fs::write(&member.config, text).expect("a configuration can be written");
        cluster.wait(0);
        cluster
    }

    /// What a `pychat-server` is told as its store. Options may be added after a `?`.
    #[must_use]
    pub fn link(&self) -> String {
        let hosts = self.servers.iter().map(|member| format!("127.0.0.1:{}", member.port));
        format!("nats://{}", hosts.collect::<Vec<_>>().join(","))
    }

    /// Where one of the servers listens.
    #[must_use]
    pub fn port(&self, number: usize) -> u16 {
        self.servers[number].port
    }

    /// Where one of the servers tells about itself over HTTP.
    #[must_use]
    pub fn monitor(&self, number: usize) -> u16 {
        self.servers[number].monitor
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// The process of one of the servers.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn pid(&self, number: usize) -> u32 {
        self.servers[number].child.as_ref().expect("it runs").id()
    }

    /// Where the servers keep their files and logs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Kills one of the servers, as a power cut would.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.servers[number].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts one of the servers again and waits until it listens.
    ///
    /// # Panics
    /// It does not.
    pub fn restart(&mut self, number: usize) {
        self.spawn(number);
        self.wait(number);
    }

    /// Starts one of the servers again, without waiting.
    ///
    /// # Panics
    /// There can be no process.
    pub fn spawn(&mut self, number: usize) {
        self.kill(number);
        let member = &mut self.servers[number];
        let log = member.config.with_extension("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(log);
        let child = Command::new(program())
            .arg("--config")
            .arg(&member.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log can be written"))
            .spawn();
        member.child = Some(child.expect("nats-server can be started"));
    }

    fn wait(&self, number: usize) {
        let member = &self.servers[number];
        let deadline = Instant::now() + READY_DEADLINE;
        while std::net::TcpStream::connect(("127.0.0.1", member.port)).is_err() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(member.config.with_extension("log"));
                panic!("nats-server {number} does not listen; it says: {log:?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for NatsCluster {
    fn drop(&mut self) {
        (0..self.servers.len()).for_each(|number| self.kill(number));
    }
}

/// Where the servers keep what is theirs.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("pychat-nats-").tempdir();
    directory.expect("a temporary directory can be made")
}

/// The configuration of a server that knows of no others. Port -1 is one that is free.
fn alone(
    directory: &Path,
    number: usize,
    port: impl Into<i32>,
    monitor: impl Into<i32>,
    sync: Sync,
) -> String {
    let (port, monitor) = (port.into(), monitor.into());
    let store = directory.join(format!("n{number}"));
    let sync = if sync == Sync::Always { "always" } else { "\"2m\"" };
    format!(
        "server_name: n{number}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
         jetstream {{ store_dir: {:?}, sync_interval: {sync} }}\n",
        store.display(),
    )
}

/// Where a server says that it listens, for clients and for who watches it.
fn ports(text: &str) -> Option<[u16; 2]> {
    let told: serde_json::Value = serde_json::from_str(text).ok()?;
    let port = |what: &str| told[what][0].as_str()?.rsplit_once(':')?.1.parse().ok();
    Some([port("nats")?, port("monitoring")?])
}

/// Ports that were free a moment ago.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    listeners.map(|it| it.local_addr().expect("it has an address").port())
}
