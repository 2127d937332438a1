//! What is counted in some seconds: of all seconds that are alike, or of those after a node's death.

use super::{model::Deployment, queues::Loads};
use hdrhistogram::Histogram;

/// Longest wait that is told apart from longer ones: a minute.
const WAIT_MAX: u64 = 60 * super::figures::SECOND;
/// Digits of a wait.
const DIGITS: u8 = 2;

/// See the module.
pub(super) struct Phase {
    pub(super) seconds: u64,
    pub(super) texts: Rate,
    /// Never written: within a node, and from one to another.
    pub(super) within: u64,
    pub(super) across: u64,
    /// Written, as somebody is away, or as nobody has proof of whose the mailbox is.
    pub(super) away: u64,
    pub(super) first: u64,
    /// For somebody who is here, whoever wrote them down.
    pub(super) others_node: u64,
    pub(super) logins: Rate,
    pub(super) written: Rate,
    /// Texts that waited until somebody was at another node.
    pub(super) held: u64,
    /// What signs of life and logins took of the shards.
    pub(super) sign_time: u64,
    pub(super) login_time: u64,
    pub(super) nodes: Loads,
    pub(super) shards: Loads,
    /// Time in which a write was under way, and how many there were.
    pub(super) streams: Loads,
    pub(super) writes: Loads,
    pub(super) servers: Loads,
    /// What texts waited in queues: those never written, and those written.
    pub(super) live_waits: Histogram<u64>,
    pub(super) written_waits: Histogram<u64>,
    /// What logins waited.
    pub(super) login_waits: Histogram<u64>,
}

/// How many, and in the busiest second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    now: u64,
    pub(super) total: u64,
    pub(super) busiest_second: u64,
}

impl Rate {
    pub(super) fn note(&mut self) {
        self.now += 1;
    }

    fn next_second(&mut self) {
        self.busiest_second = self.busiest_second.max(self.now);
        self.total += std::mem::take(&mut self.now);
    }
}

impl Phase {
    pub(super) fn new(deployment: Deployment) -> Self {
        let waits = || {
            let mut waits =
                Histogram::new_with_bounds(1, WAIT_MAX, DIGITS).expect("the bounds are in order");
            waits.auto(false);
            waits
        };
        Self {
            seconds: 0,
            texts: Rate::default(),
            within: 0,
            across: 0,
            away: 0,
            first: 0,
            others_node: 0,
            logins: Rate::default(),
            written: Rate::default(),
            held: 0,
            sign_time: 0,
            login_time: 0,
            nodes: Loads::new(usize::from(deployment.nodes)),
            shards: Loads::new(deployment.shards()),
            streams: Loads::new(usize::from(deployment.streams)),
            writes: Loads::new(usize::from(deployment.streams)),
            servers: Loads::new(usize::from(deployment.servers)),
            live_waits: waits(),
            written_waits: waits(),
            login_waits: waits(),
        }
    }

    pub(super) fn next_second(&mut self) {
        self.seconds += 1;
        for rate in [&mut self.texts, &mut self.logins, &mut self.written] {
            rate.next_second();
        }
        for loads in [
            &mut self.nodes,
            &mut self.shards,
            &mut self.streams,
            &mut self.writes,
            &mut self.servers,
        ] {
            loads.next_second();
        }
    }

    /// So many a second.
    pub(super) fn a_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds.max(1) as f64
    }
}
