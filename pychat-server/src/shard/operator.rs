//! What the operator sees of a shard, and may do with it.

use super::{Now, Registration, Shard, stats::ShardStats};
use crate::person::Person;
use pychat_proto::{
    CloseCode, DisplayName, UserName,
    chat::{self, Note, Presence},
};
use std::{net::SocketAddr, time::Duration};

/// A session, as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whose.
    pub user: UserName,
    /// Online or away.
    pub presence: Presence,
    /// Where its client is.
    pub address: Option<SocketAddr>,
}

impl Shard {
    /// What was counted since the start.
    #[must_use]
    pub const fn counters(&self) -> &ShardStats {
        &self.stats
    }

    /// Sessions in no order, of at most so many users.
    #[must_use]
    pub fn seats(&self, limit: usize) -> Vec<Seat> {
        let seats = self.sessions.ids().filter_map(|id| {
            let session = self.sessions.get(&id)?;
            let address = self.endpoint.address(id);
            Some(Seat { user: session.user(), presence: session.presence, address })
        });
        seats.take(limit).collect()
    }

    /// Ends a user's session; whether there was one. Its client comes back after `retry_after`, unless
    /// `code` keeps it away.
    pub fn kick(
        &mut self,
        now: Now,
        user: &UserName,
        code: CloseCode,
        retry_after: Duration,
        reason: &str,
    ) -> bool {
        let Some(id) = self.sessions.of_user(user) else { return false };
        self.close(now, id, code, retry_after, reason);
        self.handle_events(now);
        true
    }

    /// Shows a user who is here under another name from now on.
    pub fn rename(&mut self, now: Now, user: &UserName, name: &DisplayName) {
        let Some(id) = self.sessions.of_user(user) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.person = Person::new(user, name);
        self.tell_presence(now, id);
        self.handle_events(now);
    }

    /// Takes logins again after [`Self::begin_shutdown`].
    pub fn resume(&mut self) {
        self.stopping = None;
    }

    /// Whether all are told to come back later.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        self.stopping.is_some()
    }

    /// Who may claim a new name, and what is written, from now on.
    pub fn configure(&mut self, registration: Registration, always_write: bool) {
        self.config.registration = registration;
        self.config.always_write = always_write;
    }

    /// Tells all who are here something, best effort; how many.
    pub fn tell_all(&mut self, now: Now, note: &Note) -> usize {
        let payload = chat::encode(note);
        let ids: Vec<_> = self.sessions.ids().collect();
        for id in &ids {
            self.endpoint.note(now.mono, *id, &payload);
        }
        ids.len()
    }
}
