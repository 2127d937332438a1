//! What the server keeps of one device: its stream's position and its mailbox.

use super::REFUSED_PREFIX;
use pychat_proto::{Seq, SessionId, StreamId};
use std::collections::{BTreeMap, VecDeque};

/// What the server keeps of one device.
#[derive(Debug, Default)]
pub struct Account {
    pub(super) committed: BTreeMap<StreamId, Seq>,
    pub(super) stream: Option<StreamId>,
    pub(super) received: Vec<Vec<u8>>,
    /// Messages behind a refused one that came too early.
    pub(super) waiting: VecDeque<(Seq, Seq, Vec<u8>)>,
    pub(super) mailbox: Vec<Vec<u8>>,
    /// Mailbox entries that are safe with the client.
    pub(super) delivered: usize,
    pub(super) session: Option<SessionId>,
    /// Mailbox entries handed to this session's protocol.
    pub(super) offered: usize,
    /// The last record of each entry under way in this session, and the entry's place.
    pub(super) under_way: VecDeque<(Seq, usize)>,
    pub(super) confirmed: u64,
    pub(super) away: bool,
}

impl Account {
    /// What it received, in order.
    #[must_use]
    pub fn received(&self) -> &[Vec<u8>] {
        &self.received
    }

    /// How many sessions were confirmed over time.
    #[must_use]
    pub const fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// The live session.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Whether the session was silent for long.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.away
    }

    pub(super) fn has_received<'a>(&self, sent: impl Iterator<Item = &'a [u8]>) -> bool {
        let accepted = sent.filter(|payload| !payload.starts_with(REFUSED_PREFIX));
        self.received.iter().map(Vec::as_slice).eq(accepted)
    }

    pub(super) fn has_delivered_all(&self) -> bool {
        self.delivered == self.mailbox.len()
    }
}

impl Account {
    pub(super) fn position(&self) -> Seq {
        self.stream.and_then(|stream| self.committed.get(&stream).copied()).unwrap_or(Seq::NONE)
    }

    pub(super) fn advance(&mut self, to: Seq) {
        let stream = self.stream.expect("a session has said its stream");
        self.committed.insert(stream, to.max(self.position()));
    }

    pub(super) fn trim(&mut self, up_to: Seq) {
        while let Some((last, place)) = self.under_way.front() {
            if *last > up_to {
                return;
            }
            self.delivered = self.delivered.max(*place);
            self.under_way.pop_front();
        }
    }

    pub(super) fn forget_session(&mut self) {
        self.session = None;
        self.under_way.clear();
        self.waiting.clear();
    }
}
