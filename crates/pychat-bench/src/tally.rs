//! What all members of a crowd add to.

use crate::body::{Fault, Stamp};
use hdrhistogram::Histogram;
use pychat_proto::{Instant, RefuseCode};
use std::{fmt, time::Duration};

/// The longest latency that is told apart: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// Digits of a latency that are kept.
const LATENCY_DIGITS: u8 = 3;

/// Why a run is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A text was lost, doubled, overtaken or changed.
    Text(Fault),
    /// The server refused a text.
    TextRefused(RefuseCode),
    /// The server refused a login.
    LoginRefused(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(fault) => write!(f, "{fault}"),
            Self::TextRefused(code) => write!(f, "the server refused a text: {code}"),
            Self::LoginRefused(why) => write!(f, "the server refused a login: {why}"),
        }
    }
}

/// What happened so far.
#[derive(Debug)]
pub struct Tally {
    /// Members with a session.
    pub logged_in: u64,
    /// Members whose name the server knows, so that they can be written to.
    pub known: u64,
    /// Sessions that ended without being asked to, or were replaced by another login.
    pub sessions_lost: u64,
    /// When members who had a session before a restart had one again, in that order.
    pub back: Vec<Instant>,
    /// The longest that a server which said goodbye asked anybody to stay away.
    pub asked_away: Duration,
    /// INITs sent, each a try to log in.
    pub inits: u64,
    /// RETRYs that came.
    pub retries: u64,
    /// Texts handed to a session.
    pub sent: u64,
    /// Texts of which the server said that they are safe.
    pub accepted: u64,
    /// Texts that arrived.
    pub delivered: u64,
    /// Whether latencies are written down now.
    pub measuring: bool,
    /// From a text's hand-over to its arrival, in nanoseconds.
    pub latency: Histogram<u64>,
    /// The first that went wrong.
    pub trouble: Option<Trouble>,
}

impl Tally {
    /// Nothing happened yet.
    ///
    /// # Panics
    /// Never: the histogram's bounds are constants that it takes.
    #[must_use]
    pub fn new() -> Self {
        let latency = Histogram::new_with_max(LATENCY_MAX_NS, LATENCY_DIGITS);
        Self {
            logged_in: 0,
            known: 0,
            sessions_lost: 0,
            back: Vec::new(),
            asked_away: Duration::ZERO,
            inits: 0,
            retries: 0,
            sent: 0,
            accepted: 0,
            delivered: 0,
            measuring: false,
            latency: latency.expect("a minute and three digits fit a histogram"),
            trouble: None,
        }
    }

    /// A text that was sent at this moment arrived.
    pub(crate) fn arrived(&mut self, sent_at: Stamp, now: Stamp) {
        self.delivered += 1;
        if self.measuring {
            self.latency.saturating_record(now.nanos_since(sent_at));
        }
    }

    /// Something went wrong; the first such thing is kept.
    pub(crate) fn note(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert(trouble);
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}
