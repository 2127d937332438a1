//! How long a text takes from person to person on a path that loses datagrams, and what that costs.
//!
//! Pairs of clients, a few texts a second, a server in the middle whose store answers at once: a text
//! crosses the lossy link twice. In virtual time, so that the figures are the same on each machine.

use pychat_proto::{ClientEvent, Instant};
use pychat_testkit::{
    dice::Dice,
    faults::Faults,
    sim::world::{Account, Peer, PeerId, World},
};
use std::{collections::BTreeMap, time::Duration};

/// From a client to the server.
const ONE_WAY: Duration = Duration::from_millis(25);
const PAIRS: usize = 10;
/// Each sender writes two texts a second for a minute.
const TEXT_EVERY: Duration = Duration::from_millis(500);
const TEXTS: usize = 120;
const TEXT_BYTES: usize = 200;
/// Between a login and the first text.
const AFTER_LOGIN: Duration = Duration::from_secs(1);
/// After the last text: a longer wait is a text that got lost.
const PATIENCE: Duration = Duration::from_secs(60);
const SEEDS: [u64; 3] = [1, 2, 3];
/// Acknowledgements of what was sent last, where they found no company, and those that leave at once behind a
/// number that was left out on purpose.
const LONE_ACKS: u64 = 7;

/// What came of some runs.
#[derive(Default)]
struct Measured {
    /// From the sender's call to the recipient's event, shortest first.
    latencies: Vec<Duration>,
    /// Datagram payload from the clients to the server, and back.
    up_bytes: u64,
    down_bytes: u64,
    datagrams: u64,
    /// The longest login.
    login: Duration,
    /// Logins beyond each client's first.
    relogins: u64,
    /// Frames that clients sent again.
    retransmitted: u64,
}

impl Measured {
    fn percentile(&self, per_mille: usize) -> Duration {
        self.latencies[(self.latencies.len() - 1) * per_mille / 1_000]
    }

    fn print(&self, loss: f64, clean: &Self) {
        let millis = |per_mille| self.percentile(per_mille).as_secs_f64() * 1_000.0;
        println!(
            "{loss:>4}% | {:>6.1} | {:>6.1} | {:>7.1} | {:>7.1} | {:>5.2} | {:>5.2} | {:>5.2} | {:>7.2} | {}",
            millis(500),
            millis(900),
            millis(990),
            millis(1_000),
            self.up_bytes as f64 / clean.up_bytes as f64,
            self.down_bytes as f64 / clean.down_bytes as f64,
            self.datagrams as f64 / clean.datagrams as f64,
            self.login.as_secs_f64(),
            self.relogins,
        );
    }
}

/// Pairs that chat, as one run leaves them.
struct Chat {
    world: World,
    dice: Dice,
    pairs: Vec<(PeerId, PeerId)>,
    /// When each text of each recipient was written, in order.
    written: BTreeMap<PeerId, Vec<Instant>>,
}

impl Chat {
    fn new(seed: u64, percent: f64) -> (Self, Duration) {
        let mut world = World::new(seed);
        world.network.set_all_faults(Faults::delayed(ONE_WAY).losing(percent));
        let pairs: Vec<_> = (0..PAIRS).map(|_| (world.join(), world.join())).collect();
        for (sender, recipient) in &pairs {
            let (sender, recipient) = (world.peer(*sender).key(), world.peer(*recipient).key());
            world.relay.pair(sender, recipient);
        }
        let connected = |world: &World| world.peers().iter().all(Peer::is_connected);
        let login = world.run_until(PATIENCE, connected);
        // A text that is written at once waits for the session's hybrid keys: that is the login's time.
        world.run_for(AFTER_LOGIN);
        (Self { world, dice: Dice::new(seed), pairs, written: BTreeMap::new() }, login)
    }

    /// Everybody writes; each one at a moment of their own within the half second.
    fn talk(&mut self) {
        let mut due: Vec<(Instant, PeerId, PeerId, usize)> = Vec::new();
        for (sender, recipient) in &self.pairs {
            let begin = self.world.network.now() + self.dice.up_to(TEXT_EVERY);
            let texts = (0..TEXTS).map(|number| (begin + TEXT_EVERY * number as u32, number));
            due.extend(texts.map(|(at, number)| (at, *sender, *recipient, number)));
        }
        due.sort();
        for (at, sender, recipient, number) in due {
            self.world.run_for(at.since(self.world.network.now()));
            let mut text = format!("{number} ").into_bytes();
            text.resize(TEXT_BYTES, b'x');
            self.written.entry(recipient).or_default().push(self.world.network.now());
            self.world.send_up(sender, &text);
        }
        self.world.run_for(Duration::from_secs(1));
        self.world.run_until(PATIENCE, World::is_settled);
    }

    fn latencies(&self) -> Vec<Duration> {
        let mut latencies = Vec::new();
        for (recipient, written) in &self.written {
            let arrived = self.world.peer(*recipient).events().iter();
            let arrived = arrived.filter_map(|(at, event)| {
                matches!(event, ClientEvent::Message { .. }).then_some(*at)
            });
            let before = latencies.len();
            latencies.extend(arrived.zip(written).map(|(at, written)| at.since(*written)));
            assert_eq!(latencies.len() - before, TEXTS, "all arrive");
        }
        latencies
    }
}

fn measure(percent: f64) -> Measured {
    let mut measured = Measured::default();
    for seed in SEEDS {
        let (mut chat, login) = Chat::new(seed, percent);
        let wiretap = chat.world.wiretap();
        chat.talk();
        measured.latencies.extend(chat.latencies());
        let server = chat.world.relay.address();
        for sent in wiretap.all() {
            let up = sent.to == server;
            let bytes = if up { &mut measured.up_bytes } else { &mut measured.down_bytes };
            *bytes += sent.bytes.len() as u64;
            measured.datagrams += 1;
        }
        measured.login = measured.login.max(login);
        let logins = |id| chat.world.account(id).map_or(0, Account::confirmed);
        measured.relogins += (0..2 * PAIRS).map(logins).sum::<u64>() - 2 * PAIRS as u64;
        measured.retransmitted +=
            chat.world.peers().iter().map(|peer| peer.stats().retransmitted).sum::<u64>();
    }
    measured.latencies.sort();
    measured
}

/// The most that half of the texts may take, and all but one in a hundred; at which loss in percent.
const MOST: [(f64, Duration, Duration); 3] = [
    (10.0, Duration::from_millis(55), Duration::from_millis(130)),
    (20.0, Duration::from_millis(60), Duration::from_millis(220)),
    (40.0, Duration::from_millis(130), Duration::from_millis(1_000)),
];

#[test]
fn texts_are_fast_on_a_path_that_loses_datagrams_and_cost_twice_the_bytes_at_most() {
    println!("latency in ms; bytes up and down, datagrams: as shares of a run without loss");
    println!(
        "loss  |    p50 |    p90 |     p99 |     max |    up |  down | dgram | login s | relogins"
    );
    let clean = measure(0.0);
    clean.print(0.0, &clean);
    for percent in [1.0, 2.0, 5.0] {
        measure(percent).print(percent, &clean);
    }
    for (percent, half, most) in MOST {
        let measured = measure(percent);
        measured.print(percent, &clean);
        assert!(measured.percentile(500) <= half, "{percent}%: {:?}", measured.percentile(500));
        assert!(measured.percentile(990) <= most, "{percent}%: {:?}", measured.percentile(990));
        if percent <= 20.0 {
            let bytes = |run: &Measured| run.up_bytes + run.down_bytes;
            assert!(bytes(&measured) <= 2 * bytes(&clean), "{percent}%: too many bytes");
        }
    }
}

#[test]
fn where_nothing_is_lost_nothing_is_sent_for_redundancy() {
    let clean = measure(0.0);
    assert!(clean.latencies.iter().all(|took| *took == 2 * ONE_WAY));
    assert_eq!(clean.retransmitted, 0);
    // A text up and down, a receipt down, their three COMMITs with the ACKs, and ACKs of those, which
    // wait for company.
    let texts = (SEEDS.len() * PAIRS * TEXTS) as u64;
    println!("{} datagrams, {} and {} bytes", clean.datagrams, clean.up_bytes, clean.down_bytes);
    assert_eq!(clean.datagrams, 8 * texts + LONE_ACKS);
}
