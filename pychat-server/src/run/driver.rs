//! One shard's loop: whatever comes goes into the [`Shard`], and whatever it says goes out.

use super::{
    Failure,
    journal::Journal,
    peers::{Mail, Peers},
    routes::Routes,
    strangers::Strangers,
};
use crate::{
    bell::Bell,
    cluster::ToCluster,
    committer::{CommitterHandle, Done, Job, SubmitError},
    shard::{Now, Shard, ToNodes},
};
use mio::{Events, Poll, Token};
use pychat_proto::{Endpoint, Fill, Instant, Owner, Transmit};
use pychat_udp::PollSocket;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, TryRecvError},
    },
    thread,
    time::Duration,
};
use tracing::debug;

/// Things of one kind that are taken before the others have their turn.
const TURN: usize = 256;

/// What the bell rings under; the sockets have the numbers from 0.
pub(super) const BELL: Token = Token(usize::MAX);

/// Events that one wait brings: a socket for each address, and the bell. The others come with the next.
const EVENTS: usize = 64;

/// Batches of datagrams that are taken from the kernel before a stranger has a turn: a flood must not
/// fill the kernel's buffer, where nobody can tell it from our sessions' datagrams.
const BATCHES_BEFORE_STRANGERS: usize = 16;

/// Strangers who have their turn before sessions are looked after again, and the time between two such
/// turns: 16,000 strangers a second, several times of what could log in. A flood gets no more of the
/// processor than that.
const STRANGERS_TURN: usize = 8;
const STRANGERS_EVERY: Duration = Duration::from_micros(500);

/// While strangers have had their turn and more come, the rest before the kernel is asked again: a flood
/// that comes one by one would wake the shard for each datagram, which costs more than the datagram. So
/// it comes in batches.
const FLOOD_REST: Duration = Duration::from_micros(40);

/// When something is tried again that another thread or the network could not take.
const RETRY: Duration = Duration::from_millis(1);

/// After the goodbye, how long late datagrams are still answered.
const LINGER: Duration = Duration::from_millis(250);

/// After the goodbye, how long jobs that are under way are waited for.
const JOBS_DEADLINE: Duration = Duration::from_secs(3);

/// What the main thread says.
pub(super) enum Order {
    /// Say goodbye, clients coming back over this time, and end.
    Stop {
        /// The time.
        spread: Duration,
    },
    /// Show a sign of life.
    Beat,
    /// Look at the shard, or have it do something.
    Visit(Visit),
}

/// See [`Order::Visit`].
pub(super) type Visit = Box<dyn FnOnce(&mut Visited<'_>) + Send>;

/// A shard, as somebody sees it who visits it.
pub(crate) struct Visited<'a> {
    pub(crate) shard: &'a mut Shard,
    pub(crate) now: Now,
    /// Datagrams for other shards that their queues had no room for.
    pub(crate) not_handed_over: u64,
    /// Datagrams of strangers that there was no room for.
    pub(crate) strangers_forgotten: u64,
    /// Datagrams of strangers that wait.
    pub(crate) strangers: [Fill; 2],
}

/// What others say to a shard. Whoever does rings the bell.
pub(super) struct Ears {
    pub(super) poll: Poll,
    pub(super) bell: Bell,
    pub(super) mail: Receiver<Mail>,
    pub(super) committer: Receiver<Done>,
    pub(super) orders: Receiver<Order>,
}

/// A shard with its sockets and channels. Its thread waits in one place, for all of them.
pub(super) struct Driver {
    shard: Shard,
    ears: Ears,
    sockets: Vec<PollSocket>,
    routes: Routes,
    number: u8,
    peers: Peers,
    committer: CommitterHandle,
    /// A job that the committer's queue had no room for; those behind it wait in the shard.
    held_job: Option<Job>,
    /// The way to other nodes, and what had no room there; what is behind it waits in the shard.
    cluster: Option<ToCluster>,
    held_for_nodes: Option<ToNodes>,
    /// A datagram in `buffer` that the network had no room for.
    held_datagram: Option<Transmit>,
    buffer: Vec<u8>,
    beats: Arc<AtomicU64>,
    stopped_at: Option<Instant>,
    /// When the shard wants to be called, as of the last wait.
    due: Option<Instant>,
    journal: Journal,
    strangers: Strangers,
    /// Full batches since a stranger had a turn.
    full_batches: usize,
    /// When strangers may have their next turn.
    strangers_at: Instant,
}

impl Driver {
    pub(super) fn new(
        shard: Shard,
        ears: Ears,
        mut sockets: Vec<PollSocket>,
        peers: Peers,
        committer: CommitterHandle,
        beats: Arc<AtomicU64>,
        journal: Journal,
    ) -> Result<Self, Failure> {
        for (number, socket) in sockets.iter_mut().enumerate() {
            let registered = socket.register(ears.poll.registry(), Token(number));
            registered.map_err(Failure::system("watching a socket"))?;
        }
        let bound = sockets.iter().map(PollSocket::local_addr).collect::<io::Result<_>>();
        let bound = bound.map_err(Failure::system("asking where a socket is bound"))?;
        Ok(Self {
            number: shard.number(),
            shard,
            ears,
            sockets,
            routes: Routes::new(bound),
            peers,
            committer,
            held_job: None,
            cluster: None,
            held_for_nodes: None,
            held_datagram: None,
            buffer: Vec::new(),
            beats,
            stopped_at: None,
            due: None,
            journal,
            strangers: Strangers::default(),
            full_batches: 0,
            strangers_at: Instant::ZERO,
        })
    }

    /// With a way to other nodes.
    pub(super) fn with_cluster(self, cluster: Option<ToCluster>) -> Self {
        Self { cluster, ..self }
    }

    /// Runs until stopped, or until something breaks that only a new start mends.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            if self.ears.bell.mute() {
                self.listen()?;
            }
            let now = now();
            if self.due.is_some_and(|due| due <= now.mono) {
                self.shard.handle_timeout(now);
            }
            self.journal.work(now.mono, &mut self.shard);
            self.flush()?;
            if self.has_ended() {
                // All were told to come back.
                self.journal.remove();
                debug!(
                    shard = self.number,
                    dropped = self.peers.dropped(),
                    forgotten = self.strangers.forgotten(),
                    "{:?}",
                    self.shard.stats()
                );
                return Ok(());
            }
            self.wait(&mut events)?;
            self.receive()?;
        }
    }

    /// Waits until something comes or is due.
    fn wait(&mut self, events: &mut Events) -> Result<(), Failure> {
        self.due = self.shard.poll_timeout();
        let is_busy = self.sockets.iter().any(PollSocket::is_readable);
        let pause = if is_busy { Duration::ZERO } else { self.pause() };
        match self.ears.poll.poll(events, Some(pause)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(source) => return Err(Failure::system("waiting for datagrams")(source)),
        }
        for event in &*events {
            if let Some(socket) = self.sockets.get_mut(event.token().0) {
                socket.set_readable();
            }
        }
        Ok(())
    }

    /// Takes a batch of datagrams from each socket that has any: its sessions' at once, strangers' in
    /// their turn.
    fn receive(&mut self) -> Result<(), Failure> {
        let Self { shard, sockets, routes, peers, number, strangers, .. } = &mut *self;
        let (mut count, mut strange) = (0, 0);
        for (socket_number, socket) in sockets.iter_mut().enumerate() {
            let received = socket.try_recv(|from, datagram| {
                count += 1;
                match Endpoint::owner(datagram) {
                    Owner::Shard(owner)
                        if owner != *number && usize::from(owner) < peers.count() =>
                    {
                        peers.forward(owner, socket_number, from, datagram);
                    }
                    Owner::Shard(_) | Owner::Any => {
                        strange += admit(shard, routes, strangers, socket_number, from, datagram);
                    }
                }
            });
            received.map_err(Failure::system("receiving datagrams"))?;
        }
        let more = sockets.iter().any(PollSocket::is_readable);
        self.full_batches += usize::from(more);
        let is_trickle = count > 0 && count == strange && !more;
        if is_trickle && self.strangers_at > now().mono {
            // The shard has this thread for itself, and timers that are late by this much are on time.
            thread::sleep(FLOOD_REST);
        }
        let is_drained = !more || self.full_batches >= BATCHES_BEFORE_STRANGERS;
        if is_drained && self.strangers_are_due() {
            self.serve_strangers();
        }
        Ok(())
    }

    /// Takes what came over the channels, each in its turn.
    fn listen(&mut self) -> Result<(), Failure> {
        // Whatever is left for the next turn is left by a full turn alone: nobody rings again for it.
        let mut left_over = false;
        for turn in 1..=TURN {
            let Ok(mail) = self.ears.mail.try_recv() else { break };
            self.take_mail(mail);
            left_over |= turn == TURN;
        }
        for turn in 1..=TURN {
            match self.ears.committer.try_recv() {
                Ok(done) => self.shard.handle_committer(now(), done),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(Failure::Panicked("the committer".into()));
                }
            }
            left_over |= turn == TURN;
        }
        for turn in 1..=TURN {
            match self.ears.orders.try_recv() {
                Ok(order) => self.obey(Some(order)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.obey(None);
                    break;
                }
            }
            left_over |= turn == TURN;
        }
        if left_over {
            self.ears.bell.ring();
        }
        Ok(())
    }

    fn strangers_are_due(&self) -> bool {
        !self.strangers.is_empty() && self.strangers_at <= now().mono
    }

    fn serve_strangers(&mut self) {
        self.full_batches = 0;
        self.strangers_at = now().mono + STRANGERS_EVERY;
        for _ in 0..STRANGERS_TURN {
            let Some(mut stranger) = self.strangers.pop() else { return };
            self.routes.learn_stranger(stranger.from, stranger.socket);
            self.shard.handle_datagram(now(), stranger.from, &mut stranger.bytes);
            self.strangers.done(stranger);
        }
    }

    fn take_mail(&mut self, mail: Mail) {
        match mail {
            Mail::Datagram { socket, from, mut bytes } => {
                let Self { shard, routes, strangers, .. } = self;
                admit(shard, routes, strangers, socket, from, &mut bytes);
            }
            Mail::Relay(news) => self.shard.handle_peer_shard(now(), news),
            Mail::Nodes(news) => self.shard.handle_nodes(now(), news),
        }
    }

    fn obey(&mut self, order: Option<Order>) {
        match order {
            Some(Order::Beat) => {
                self.beats.fetch_add(1, Ordering::Relaxed);
            }
            Some(Order::Visit(visit)) => visit(&mut Visited {
                now: now(),
                not_handed_over: self.peers.dropped(),
                strangers_forgotten: self.strangers.forgotten(),
                strangers: self.strangers.fills(),
                shard: &mut self.shard,
            }),
            Some(Order::Stop { spread }) => {
                self.shard.begin_shutdown(now(), spread);
                self.stopped_at.get_or_insert(now().mono);
            }
            // The main thread is gone without a word: no goodbye is worth waiting for.
            None => self.stopped_at = Some(Instant::ZERO),
        }
    }

    /// Sends out all that the shard has to say, as far as it is taken.
    fn flush(&mut self) -> Result<(), Failure> {
        self.flush_jobs()?;
        self.peers.flush();
        while let Some((shard, news)) = self.shard.poll_to_shard() {
            self.peers.tell(shard, news);
        }
        self.flush_to_nodes();
        self.flush_datagrams()?;
        match self.shard.broken_store() {
            Some(reason) if self.stopped_at.is_none() => {
                Err(Failure::StoreBroken(reason.to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn flush_to_nodes(&mut self) {
        let Some(cluster) = &self.cluster else { return };
        while let Some(news) = self.held_for_nodes.take().or_else(|| self.shard.poll_to_nodes()) {
            if let Err(news) = cluster.tell(news) {
                self.held_for_nodes = Some(news);
                return;
            }
        }
    }

    fn flush_jobs(&mut self) -> Result<(), Failure> {
        while let Some(job) = self.held_job.take().or_else(|| self.shard.poll_job()) {
            match self.committer.submit(job) {
                Ok(()) => {}
                Err(SubmitError::Full(job)) => {
                    self.held_job = Some(job);
                    break;
                }
                Err(SubmitError::Stopped(_)) => {
                    return Err(Failure::Panicked("the committer".into()));
                }
            }
        }
        Ok(())
    }

    fn flush_datagrams(&mut self) -> Result<(), Failure> {
        loop {
            let held = self.held_datagram.take();
            let next = held.or_else(|| self.shard.poll_transmit(now(), &mut self.buffer));
            let Some(transmit) = next else { return Ok(()) };
            let socket = &self.sockets[self.routes.socket_for(transmit.to)];
            match socket.try_send(&transmit, &self.buffer) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.held_datagram = Some(transmit);
                    return Ok(());
                }
                Err(source) => return Err(Failure::system("sending datagrams")(source)),
            }
        }
    }

    /// How long nothing needs to be done by itself.
    fn pause(&self) -> Duration {
        let waits =
            self.held_job.is_some() || self.held_datagram.is_some() || self.peers.holds_back();
        let waits = waits || self.held_for_nodes.is_some();
        let retry = waits.then_some(RETRY);
        let linger = self.stopped_at.map(|_| LINGER / 10);
        let now = pychat_udp::now();
        let due = self.due.map(|due| due.since(now));
        let journal = self.journal.due().map(|due| due.since(now));
        let strangers = (!self.strangers.is_empty()).then(|| self.strangers_at.since(now));
        [retry, linger, due, journal, strangers]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Duration::from_secs(3600))
    }

    fn has_ended(&self) -> bool {
        self.stopped_at.is_some_and(|stopped_at| {
            let since = now().mono.since(stopped_at);
            let jobs_done = self.held_job.is_none() && self.shard.jobs_under_way() == 0;
            since >= LINGER && jobs_done || since >= JOBS_DEADLINE
        })
    }
}

/// Hands a datagram of a session on at once, and lets all others wait; how many wait now that did not.
fn admit(
    shard: &mut Shard,
    routes: &mut Routes,
    strangers: &mut Strangers,
    socket: usize,
    from: SocketAddr,
    datagram: &mut [u8],
) -> usize {
    if shard.is_for_session(datagram) {
        routes.learn(from, socket);
        shard.handle_datagram(now(), from, datagram);
        0
    } else {
        strangers.push(socket, from, datagram);
        1
    }
}

pub(super) fn now() -> Now {
    Now { mono: pychat_udp::now(), unix_ms: pychat_udp::unix_ms() }
}

#[cfg(test)]
mod tests;
