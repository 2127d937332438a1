//! The loop that drives the [`Core`]: sockets, timers, look-ups, and the control socket's requests.
//!
//! One task owns everything here. It sleeps until something happens, hands all of it to the core,
//! and carries out what the core gives out, which is on disk by then: first the answers, then the network.

mod network;
mod notice;
mod sockets;

use crate::{
    core::{Action, Core, CoreConfig, Limits, Now, Sockets as Keeping},
    db::{Database, identity, set_aside_last},
    handle::{EVENT_QUEUE_LEN, REQUEST_QUEUE_LEN, Subscription, ToCore},
};
use anyhow::Context as _;
use network::NetworkWatch;
use pychat_control::{Event, Failure};
use pychat_proto::{Node, SecretKey, StreamId};
use sockets::Sockets;
use std::{
    collections::HashMap, future::Future, io, net::SocketAddr, path::PathBuf, pin::Pin, sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::Instant,
};

/// What [`run`] is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The profile's own directory; it is there, and locked by us.
    pub state_dir: PathBuf,
    /// The profile's name.
    pub profile: String,
    /// When the daemon started.
    pub started_at_unix_ms: u64,
    /// What may grow how far.
    pub limits: Limits,
}

/// The identity key's file in the state directory.
pub const IDENTITY_FILE: &str = "identity.key";

/// The database's file in the state directory.
pub const DATABASE_FILE: &str = "pychat.db";

/// How often to look for a wake-up and for a changed network: soon enough that a person who opens
/// the laptop does not wait for it, seldom enough to cost nothing.
const WATCH_EVERY: Duration = Duration::from_secs(5);

type Answer = Result<serde_json::Value, Failure>;
type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<Node>>> + Send>>;
type Asking = Pin<Box<dyn Future<Output = Option<SocketAddr>> + Send>>;

/// Opens the state and serves `requests` until somebody asks to shut down, `shutdown` turns true, or
/// nobody is left to ask.
///
/// # Errors
/// The state cannot be opened. Once it is, nothing ends the loop but a wish to.
pub async fn run(
    config: Config,
    requests: mpsc::Receiver<ToCore>,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let core = open(&config)?;
    let driver = Driver {
        core,
        sockets: Sockets::default(),
        network: NetworkWatch::new(),
        resolving: None,
        asking: None,
        waiting: HashMap::new(),
        next_token: 0,
        events: broadcast::Sender::new(EVENT_QUEUE_LEN),
        buffer: Vec::new(),
        ending: false,
    };
    driver.drive(requests, shutdown).await;
    Ok(())
}

fn open(config: &Config) -> anyhow::Result<Core> {
    let fresh = SecretKey::from_bytes(random()?);
    let identity = identity::load_or_create(&config.state_dir.join(IDENTITY_FILE), fresh)
        .context("opening the identity")?;
    let path = config.state_dir.join(DATABASE_FILE);
    let stream = StreamId(random()?);
    let (database, damaged) = Database::open_or_begin_anew(&path, now().unix_ms, stream)
        .context("opening the database")?;
    if let Some(damaged) = damaged {
        notice::tell(&config.state_dir, &damaged);
    }
    let core = CoreConfig {
        identity,
        profile: config.profile.clone(),
        pid: std::process::id(),
        started_at_unix_ms: config.started_at_unix_ms,
        limits: config.limits,
    };
    let mut core = Core::new(database, core, random()?, now()).context("reading the database")?;
    core.set_set_aside(set_aside_last(&path));
    Ok(core)
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

fn now() -> Now {
    Now { mono: pychat_udp::now(), unix_ms: pychat_udp::unix_ms() }
}

/// What ended a sleep.
enum Woken {
    Requests(Vec<ToCore>),
    Datagrams(io::Result<()>),
    Resolved(io::Result<Vec<Node>>),
    Refused(SocketAddr),
    Timeout,
    Shutdown,
}

struct Driver {
    core: Core,
    sockets: Sockets,
    network: NetworkWatch,
    /// The look-up under way.
    resolving: Option<Resolving>,
    /// The question under way whether a node refuses.
    asking: Option<Asking>,
    /// Who waits for an answer, by the core's token.
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    next_token: u64,
    events: broadcast::Sender<Arc<Event>>,
    /// For datagrams on their way out.
    buffer: Vec<u8>,
    ending: bool,
}

impl Driver {
    async fn drive(
        mut self,
        mut requests: mpsc::Receiver<ToCore>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        loop {
            // Who waits at a terminal has the answer before the network has the datagram.
            if self.answer() {
                tokio::task::yield_now().await;
            }
            self.carry_out();
            if self.ending {
                break;
            }
            match self.sleep(&mut requests, &mut shutdown).await {
                Woken::Requests(requests) if requests.is_empty() => break,
                Woken::Requests(requests) => requests.into_iter().for_each(|it| self.take(it)),
                Woken::Datagrams(Ok(())) => {
                    let (core, now) = (&mut self.core, now());
                    self.sockets.drain(|from, datagram| core.handle_datagram(now, from, datagram));
                }
                Woken::Datagrams(Err(error)) => {
                    tracing::warn!(%error, "a socket broke; it is opened anew");
                    self.sockets.close();
                }
                Woken::Resolved(result) => {
                    self.resolving = None;
                    match result {
                        Ok(nodes) => self.core.handle_nodes(now(), nodes),
                        Err(error) => {
                            self.core.handle_resolve_failed(now(), &error.to_string());
                        }
                    }
                }
                Woken::Refused(address) => self.core.handle_refused(now(), address),
                Woken::Timeout => self.core.handle_timeout(now()),
                Woken::Shutdown => break,
            }
            self.watch_network();
        }
        self.core.close(now());
        self.carry_out();
    }

    /// Sleeps until something happens.
    async fn sleep(
        &mut self,
        requests: &mut mpsc::Receiver<ToCore>,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Woken {
        let pause = self.core.poll_timeout().map(|at| at.since(pychat_udp::now()));
        // The timer's clock stands still while the machine sleeps; ours does not.
        let pause = pause.unwrap_or(WATCH_EVERY).min(WATCH_EVERY);
        let mut batch = Vec::new();
        let resolving = self.resolving.as_mut();
        tokio::select! {
            biased;
            () = asked_to_end(shutdown) => Woken::Shutdown,
            _ = requests.recv_many(&mut batch, REQUEST_QUEUE_LEN) => Woken::Requests(batch),
            result = self.sockets.recv() => Woken::Datagrams(result),
            result = answer_of(resolving) => Woken::Resolved(result),
            address = refusal(&mut self.asking) => Woken::Refused(address),
            () = tokio::time::sleep_until(Instant::now() + pause) => Woken::Timeout,
        }
    }

    fn take(&mut self, asked: ToCore) {
        match asked {
            ToCore::Request { request, respond } => {
                let token = self.next_token;
                self.next_token += 1;
                self.waiting.insert(token, respond);
                self.core.handle_request(now(), token, request);
            }
            ToCore::Subscribe { respond } => {
                // All that happened so far comes before the cursor, all else after it.
                self.carry_out();
                let live = self.events.subscribe();
                match self.core.event_cursor() {
                    // A subscriber that is gone needs no answer, here and below.
                    Ok(cursor) => drop(respond.send(Subscription { cursor, live })),
                    Err(error) => tracing::warn!(%error, "a subscription was turned down"),
                }
            }
            ToCore::Hook(status) => self.core.set_hook(status),
            ToCore::EventsAfter { cursor, limit, respond } => {
                self.carry_out();
                drop(respond.send(self.core.events_after(cursor, limit)));
            }
        }
    }

    /// Hands out answers; whether there were any.
    fn answer(&mut self) -> bool {
        let mut answered = false;
        while let Some((token, answer)) = self.core.poll_response() {
            if let Some(respond) = self.waiting.remove(&token) {
                answered = true;
                // Who asked may be gone.
                drop(respond.send(answer));
            }
        }
        answered
    }

    /// Carries out what the core gives out, until there is nothing more.
    fn carry_out(&mut self) {
        while let Some(transmit) = self.core.poll_transmit(now(), &mut self.buffer) {
            self.sockets.send(&transmit, &self.buffer);
        }
        self.answer();
        while let Some(event) = self.core.poll_event() {
            // Nobody may be subscribed.
            drop(self.events.send(Arc::new(event)));
        }
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Resolve { places, sockets } => {
                    match sockets {
                        Keeping::Fresh => self.sockets.open_fresh(),
                        Keeping::Kept => {}
                    }
                    self.resolving =
                        Some(Box::pin(async move { pychat_udp::resolve_nodes(&places).await }));
                }
                Action::AskRefusal { address } => {
                    let asked =
                        async move { pychat_udp::is_refused(address).await.then_some(address) };
                    self.asking = Some(Box::pin(asked));
                }
                Action::Shutdown => self.ending = true,
            }
        }
    }

    /// Notices that the machine slept, that it is in another network, and that a socket broke.
    fn watch_network(&mut self) {
        if !self.network.is_due(WATCH_EVERY) {
            return;
        }
        let reopened = self.sockets.reopen_closed();
        if self.network.changed(self.core.remote()) || reopened {
            self.core.handle_network_change(now());
        }
    }
}

async fn asked_to_end(shutdown: &mut watch::Receiver<bool>) {
    // An error says that nobody is left who could ask: that is the end as well.
    drop(shutdown.wait_for(|ending| *ending).await);
}

async fn answer_of(resolving: Option<&mut Resolving>) -> io::Result<Vec<Node>> {
    match resolving {
        Some(resolving) => resolving.await,
        None => std::future::pending().await,
    }
}

/// The address that refuses; as long as there is none to ask, or it does not, this waits.
async fn refusal(asking: &mut Option<Asking>) -> SocketAddr {
    if let Some(asked) = asking {
        let refused = asked.await;
        *asking = None;
        if let Some(address) = refused {
            return address;
        }
    }
    std::future::pending().await
}
