//! The server as a program: threads, sockets and signals around shards and committer.
//!
//! One thread for each shard, one for the committer, and this one, which waits for signals. They
//! talk over bounded channels and share nothing else.

mod driver;
mod failure;
mod journal;
mod link;
mod listen;
mod live;
mod log;
mod peers;
mod reins;
mod routes;
#[cfg_attr(windows, path = "service/windows.rs")]
#[cfg_attr(not(windows), path = "service/systemd.rs")]
mod service;
mod strangers;
mod threads;
mod watchdog;
mod ways;

pub use failure::Failure;
pub use link::join_link;
pub use log::LogControl;
#[cfg(windows)]
pub use service::{SERVICE_NAME, become_service, install, is_service, remove};

pub(crate) use driver::Visited;
pub(crate) use live::Reloads;
pub(crate) use reins::{ANSWER_MAX, NoAnswer, Reins};
pub(crate) use ways::Ways;

use crate::{
    admin::{Desk, Socket},
    cli::ServeArgs,
    cluster::{self, Wires},
    committer::{self, Committer, ToShard},
    config::Settings,
    identity::DataDirectory,
    metrics::{MetricsAddress, Watch, Window},
    random,
    store::{
        MailboxStore, Node,
        embedded::{Embedded, marks::refuse_marked},
        jetstream::{JetStream, LiveNodes, Nats},
    },
};
use listen::Listeners;
use live::Live;
use pychat_proto::JoinLink;
use std::{net::SocketAddr, path::Path, sync::Arc, thread::JoinHandle, time::Duration};
use threads::{Ended, Place, Shards, ShardsConfig};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{error, info, warn};
use watchdog::Watchdog;

/// Threads that have not ended by then are left behind: the service manager is promised 5 seconds.
const STOP_DEADLINE: Duration = Duration::from_secs(4);

/// How long a node may take to tell the others that it is going.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(1);

/// Messages from the committer that may wait for one shard; then the committer waits.
const COMMITTER_QUEUE_LEN: usize = 4096;

/// Exit code of one who was interrupted twice.
const INTERRUPTED: i32 = 130;

/// Serves until a signal says stop.
///
/// # Errors
/// See [`Failure`].
pub fn serve(args: ServeArgs, settings: Settings, log: LogControl) -> Result<(), Failure> {
    let data = DataDirectory::take(&settings.data)?;
    if settings.store.is_none() {
        // Before keys are made in a directory that is not ready.
        let refused = refuse_marked(&data.store());
        refused.map_err(|source| Failure::Store { path: data.store(), source })?;
    }
    let secrets = Arc::new(data.secrets()?);
    let (store, node) = open_store(&data, &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::system("starting the runtime"))?;
    let entered = runtime.enter();
    let listeners = Listeners::open(&settings.listen, settings.shards)?;
    let window = settings.metrics.as_ref().map(open_window).transpose()?;
    let signals = Signals::new()?;

    let (mut to_shards, mut places) = (Vec::new(), Vec::new());
    for _ in 0..settings.shards {
        let place = Place::new()?;
        let (queue, from_committer) = std::sync::mpsc::sync_channel(COMMITTER_QUEUE_LEN);
        to_shards.push(ToShard { queue, bell: place.bell.clone() });
        places.push((place, from_committer));
    }
    let committer = Committer::new(store, settings.shards);
    let (handle, committer) = committer::spawn(committer, to_shards)
        .map_err(Failure::system("starting the committer's thread"))?;
    let (to_cluster, bag) = cluster::mailbag();
    let cluster = node.as_ref().map(|wires| (wires.node, to_cluster));
    let config = ShardsConfig {
        settings: &settings,
        secrets: secrets.clone(),
        listeners: &listeners,
        cluster,
    };
    let shards = Shards::start(&config, &handle, places)?;
    let (host, nodes) = (settings.host.as_deref(), settings.nodes.for_link());
    let link = join_link(host, nodes, listeners.addresses()[0], &secrets);
    let (reloads, asked) = Reloads::new();
    let reins = Reins::new(shards.doors(), handle);
    let (stop_cluster, stopped) = watch::channel(false);
    let ways = Ways { shards: shards.mailboxes(), reins: reins.clone() };
    let cluster = node
        .map(|wires| cluster::start(wires, bag, ways, stopped))
        .transpose()
        .map_err(Failure::system("starting the thread that speaks to other nodes"))?;
    // Who is told that the server is ready may ask it at once.
    let socket = open_socket(&settings.admin_socket);
    announce(listeners.addresses(), &link);
    drop(entered);
    let desk = Desk {
        reins: reins.clone(),
        log: log.clone(),
        reloads,
        data: settings.data.clone(),
        is_clustered: settings.store.is_some(),
        link: link.to_string(),
        started_at: pychat_udp::unix_ms(),
    };
    let watch = Watch { reins: reins.clone(), started_at: desk.started_at };
    let live = Live::new(args, settings);
    let office = Office { socket, desk, asked, live, log, reins, window, watch };
    let stopped = runtime.block_on(until_stopped(shards, signals, office));
    // The other nodes hear that this one is going; one that has nobody to tell has ended already.
    let _ = stop_cluster.send(true);
    let said_goodbye = runtime.block_on(async {
        let joined = tokio::task::spawn_blocking(move || cluster.map(JoinHandle::join));
        timeout(GOODBYE_DEADLINE, joined).await
    });
    if said_goodbye.is_err() {
        warn!("the other nodes were not told that this one is going; they notice by themselves");
    }
    let flushed = runtime.block_on(async {
        let joined = tokio::task::spawn_blocking(move || committer.join());
        timeout(STOP_DEADLINE, joined).await
    });
    runtime.shutdown_background();
    stopped?;
    match flushed {
        Ok(Ok(Ok(Ok(())))) => info!("stopped"),
        Ok(Ok(Ok(Err(error)))) => {
            warn!(%error, "late work of the store is left for the next start");
        }
        Ok(Ok(Err(_)) | Err(_)) => return Err(Failure::Panicked("the committer".into())),
        Err(_) => return Err(Failure::Hung),
    }
    Ok(())
}

/// The store that the configuration names.
fn open_store(
    data: &DataDirectory,
    settings: &Settings,
) -> Result<(Box<dyn MailboxStore>, Option<Wires>), Failure> {
    let Some(options) = &settings.store else {
        let store = Embedded::open(&data.store(), settings.quota);
        let store = store.map_err(|source| Failure::Store { path: data.store(), source })?;
        return Ok((Box::new(store), None));
    };
    let drawn = random::bytes().map_err(Failure::system("asking for randomness"))?;
    let node = drawn.first_chunk().map_or(1, |bytes| u64::from_le_bytes(*bytes)).max(1);
    let nats = Nats::open(options)?;
    info!(
        hosts = options.hosts.join(","),
        replicas = options.replicas,
        "mailboxes are kept in NATS"
    );
    let live = LiveNodes::default();
    let store = JetStream::new(nats, node, settings.quota).with_live(live.clone());
    let wires = Wires {
        node: Node(node),
        options: options.clone(),
        advertise: settings.nodes.advertise.clone(),
        tells_nodes: settings.nodes.told.is_none(),
        live,
    };
    Ok((Box::new(store), Some(wires)))
}

/// What the operator has to do with a running server.
struct Office {
    socket: Option<Socket>,
    desk: Desk,
    asked: mpsc::Receiver<live::Reply>,
    live: Live,
    log: LogControl,
    reins: Reins,
    window: Option<Window>,
    watch: Watch,
}

impl Office {
    /// Answers the operator and whoever watches the server, and reads the configuration again where that is asked for, for as long as it
    /// is polled.
    async fn serve(&mut self, hangup: &mut Hangup) {
        loop {
            tokio::select! {
                () = answer(self.socket.as_mut(), &self.desk) => {}
                () = tell(self.window.as_mut(), &self.watch) => {}
                Some(reply) = self.asked.recv() => {
                    // Who does not wait any more needs no answer; the log has it.
                    let _ = reply.send(self.live.reload(&self.reins, &self.log).await);
                }
                () = hangup.next() => drop(self.live.reload(&self.reins, &self.log).await),
            }
        }
    }
}

async fn answer(socket: Option<&mut Socket>, desk: &Desk) {
    match socket {
        Some(socket) => socket.serve(desk).await,
        None => std::future::pending().await,
    }
}

async fn tell(window: Option<&mut Window>, watch: &Watch) {
    match window {
        Some(window) => window.serve(watch).await,
        None => std::future::pending().await,
    }
}

/// The server serves without one, too.
fn open_socket(path: &Path) -> Option<Socket> {
    match Socket::open(path) {
        Ok(socket) => Some(socket),
        Err(error) => {
            warn!(%error, path = %path.display(), "there is no admin socket");
            None
        }
    }
}

fn open_window(address: &MetricsAddress) -> Result<Window, Failure> {
    let opened = Window::open(address).and_then(|window| Ok((window.address()?, window)));
    let (told, window) =
        opened.map_err(|source| Failure::Metrics { address: address.clone(), source })?;
    info!("metrics and health are told at {told}");
    Ok(window)
}

/// The one line that programs wait for, and the service manager's notice.
fn announce(addresses: &[SocketAddr], link: &JoinLink) {
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let list = list.join(" and ");
    eprintln!("pychat-server: ready on {list}, join with {link}");
    service::ready(&format!("Serving on {list}"));
}

/// Waits for a signal or a failure, and then until all shards have ended.
async fn until_stopped(
    mut shards: Shards,
    mut signals: Signals,
    mut office: Office,
) -> Result<(), Failure> {
    let mut watchdog = Watchdog::as_asked_for();
    let mut hangup = Hangup::new()?;
    let first = {
        let mut serving = Box::pin(office.serve(&mut hangup));
        loop {
            tokio::select! {
                () = signals.next() => break None,
                ended = shards.ended() => break Some(ended),
                () = watchdog.due() => watchdog.check(&shards),
                () = &mut serving => {}
            }
        }
    };
    let spread = office.live.restart_spread();
    // The committer ends once nobody can ask it any more.
    drop(office);
    let failure = match first {
        None => {
            info!("stopping");
            None
        }
        Some(Ended { shard, result }) => {
            let failure =
                result.err().unwrap_or_else(|| Failure::Panicked(format!("shard {shard}")));
            error!("{failure}; stopping");
            Some(failure)
        }
    };
    service::stopping();
    shards.stop(spread);
    let all_ended = timeout(STOP_DEADLINE, async {
        loop {
            tokio::select! {
                () = signals.next() => std::process::exit(INTERRUPTED),
                more = shards.next_end() => if !more { break },
            }
        }
    });
    let all_ended = all_ended.await;
    match (failure, all_ended) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => Ok(()),
        (None, Err(_)) => Err(Failure::Hung),
    }
}

/// What tells a server to read its configuration again.
struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangup {
    #[cfg(unix)]
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let signal = signal(SignalKind::hangup());
        Ok(Self { signal: signal.map_err(Failure::system("listening for signals"))? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        self.signal.recv().await;
    }

    #[cfg(not(unix))]
    #[allow(clippy::unnecessary_wraps)]
    fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self)]
    async fn next(&mut self) {
        std::future::pending().await
    }
}

/// What tells a program to stop.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let of = |kind| signal(kind).map_err(Failure::system("listening for signals"));
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What tells a program to stop: keys in its console, the end of the console or of the system, and the
/// manager of services. Once the console or the system ends, there are some seconds left.
#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    stop: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        let listening = || {
            Ok(Self {
                interrupt: ctrl_c()?,
                stop: ctrl_break()?,
                close: ctrl_close()?,
                shutdown: ctrl_shutdown()?,
            })
        };
        listening().map_err(Failure::system("listening for signals"))
    }

    /// The end of a user's session is none of a server's, which may be a service.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.stop.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
            () = service::asked_to_stop() => {}
        }
    }
}
