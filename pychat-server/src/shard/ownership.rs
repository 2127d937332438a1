//! Whose the mailboxes of users who are here are: this node's, mostly, and what to do where that is not sure.
//!
//! A node whose signs of life were lost goes on, while others take its mailboxes over and write to them. A
//! text must not reach its reader there, unwritten, before others of the same sender that were written
//! meanwhile. So a text goes unwritten only under a lease that was asked of the store later than
//! - the last time that something between this node and another was lost, or one of them was gone;
//! - its sender's login here, as what the sender wrote before may be in the log; or, if it comes by another
//!   node, than that node first used its knowledge of whose the mailbox is for a session as young.

use super::{
    Now, Shard,
    forward::Whose,
    jobs::Purpose,
    mail::{Seated, ToNodes},
    parcel::Asker,
    session::{Delivery, Step},
};
use crate::{
    committer::{Outcome, Work},
    store::StoreError,
};
use pychat_proto::{
    CloseCode, Instant, SessionId, UserName,
    chat::{Presence, UnixMillis},
};
use std::{collections::BTreeMap, time::Duration};

/// Before anything happened.
pub(super) const LONG_AGO: Instant = Instant::from_micros(0);

/// How long a session whose mailbox another node has taken waits to hear that its user is there. Then its
/// client is sent away, to come back wherever it likes.
const LOSING: Duration = Duration::from_secs(2);

/// Sessions whose mailboxes are looked after at once, and how long after a try that failed.
const CHECKED_AT_ONCE: usize = 256;
const CHECK_AGAIN: Duration = Duration::from_secs(1);

/// Whether a session's user is told of as one who is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Here,
    Gone,
}

/// A mailbox is a session's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// The mailbox's number since when.
    pub(super) number: u64,
    /// Since when its user is as the others were told.
    since: UnixMillis,
    /// When the lease under which places are handed out was asked for.
    leased_at: Instant,
}

/// What a node's shard knows of its sessions' mailboxes.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    /// Sessions whose mailbox is theirs.
    pub(super) taken: BTreeMap<SessionId, Taken>,
    /// Those whose mailbox another node has taken, and when they are sent away.
    pub(super) losing: BTreeMap<SessionId, Instant>,
    /// When each session began.
    since: BTreeMap<SessionId, Instant>,
    /// Others may have taken any mailbox since.
    doubt_at: Option<Instant>,
    /// Sessions of which that is to be found out, and when that is tried again.
    unchecked: Vec<SessionId>,
    check_at: Option<Instant>,
    is_checking: bool,
}

impl Ownership {
    /// Others may have taken any mailbox by now.
    pub(super) const fn doubt(&mut self, now: Instant) {
        self.doubt_at = Some(now);
    }
}

impl Shard {
    /// When a session is sent away that has lost its mailbox, or mailboxes are looked after again.
    pub(super) fn ownership_timeout(&self) -> Option<Instant> {
        let losing = self.ownership.losing.values();
        losing.chain(&self.ownership.check_at).min().copied()
    }

    /// Sends sessions away that have lost their mailbox, and of whose users nothing was heard, and looks after
    /// mailboxes again.
    pub(super) fn expire_ownership(&mut self, now: Now) {
        let due = self.ownership.losing.iter().filter(|(_, at)| **at <= now.mono);
        let due: Vec<SessionId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.close(now, id, CloseCode::Restarting, Duration::ZERO, MOVED);
        }
        if self.ownership.check_at.is_some_and(|at| at <= now.mono) {
            self.check();
        }
    }

    /// Somebody else has written to a mailbox whose user may be here.
    pub(super) fn check_user(&mut self, mailbox: &UserName) {
        self.ownership.unchecked.extend(self.sessions.of_user(mailbox));
        self.check();
    }

    /// Users who are here, for a node that has just come.
    #[must_use]
    pub fn seated(&self) -> Vec<Seated> {
        self.ownership.taken.iter().filter_map(|(id, taken)| self.seated_at(id, *taken)).collect()
    }

    fn seated_at(&self, id: &SessionId, taken: Taken) -> Option<Seated> {
        let session = self.sessions.get(id)?;
        let (user, name) = (session.user(), session.person.display_name());
        let Taken { number, since, .. } = taken;
        Some(Seated { user, name, presence: session.presence, since, taken: number })
    }

    /// The session of a mailbox's user, if the mailbox is still that session's.
    pub(super) fn reader(&self, mailbox: &UserName) -> Option<SessionId> {
        let id = self.sessions.of_user(mailbox)?;
        (!self.ownership.losing.contains_key(&id)).then_some(id)
    }

    /// A session has begun here.
    pub(super) fn note_login(&mut self, now: Now, id: SessionId) {
        if self.config.member.is_some() {
            self.ownership.since.insert(id, now.mono);
        }
    }

    /// Since when what others wrote cannot matter to the order of an asker's entries. That of receipts means
    /// nothing.
    pub(super) fn since(&self, asker: &Asker) -> Instant {
        let Asker::Stream(record, _) = asker else { return LONG_AGO };
        self.ownership.since.get(&record.session).copied().unwrap_or(LONG_AGO)
    }

    /// A lease of places that was asked for at this time.
    pub(super) fn note_lease(&mut self, id: SessionId, asked_at: Instant) {
        if let Some(taken) = self.ownership.taken.get_mut(&id) {
            taken.leased_at = asked_at;
        }
    }

    /// Whether a session's mailbox is surely still this node's, for an entry that has to know since then.
    pub(super) fn is_sure_of(&self, id: SessionId, since: Instant) -> bool {
        if self.config.member.is_none() {
            return true;
        }
        let Some(Taken { leased_at, .. }) = self.ownership.taken.get(&id) else { return false };
        *leased_at > since && self.ownership.doubt_at.is_none_or(|doubt_at| *leased_at > doubt_at)
    }

    /// A session's mailbox is another node's by now: its user is there, or will come back.
    pub(super) fn lose(&mut self, now: Now, id: SessionId) {
        self.ownership.losing.insert(id, now.mono + LOSING);
        self.ownership.taken.remove(&id);
        self.end_lease(id);
    }

    /// The mailbox is this session's.
    pub(super) fn on_taken(&mut self, now: Now, id: SessionId, number: u64) {
        let Some(session) = self.sessions.get(&id) else { return };
        let mailbox = session.user();
        self.ownership.losing.remove(&id);
        let taken = Taken { number, since: now.unix_ms, leased_at: LONG_AGO };
        self.ownership.taken.insert(id, taken);
        self.forwards.learn(mailbox, Whose::Here);
        self.recall(now, mailbox, Whose::Here);
        self.tell_nodes_of(now, id, Standing::Here);
    }

    /// Tells other nodes of a user who is here, if the mailbox is that session's.
    pub(super) fn tell_nodes_of(&mut self, now: Now, id: SessionId, standing: Standing) {
        let Some(taken) = self.ownership.taken.get_mut(&id) else { return };
        taken.since = now.unix_ms;
        let taken = *taken;
        let Some(mut seated) = self.seated_at(&id, taken) else { return };
        if standing == Standing::Gone {
            seated.presence = Presence::Offline;
            self.ownership.taken.remove(&id);
        }
        self.forwards.tell(ToNodes::Presence(seated));
    }

    /// A session has ended.
    pub(super) fn forget_taken(&mut self, id: SessionId) {
        self.ownership.taken.remove(&id);
        self.ownership.losing.remove(&id);
        self.ownership.since.remove(&id);
    }

    /// Finds out of all who are here whether others have taken their mailboxes.
    pub(super) fn check_all(&mut self) {
        self.ownership.unchecked = self.sessions.ids().collect();
        self.check();
    }

    /// Asks for the next of them.
    fn check(&mut self) {
        self.ownership.check_at = None;
        if self.ownership.is_checking {
            return;
        }
        let left = self.ownership.unchecked.len().saturating_sub(CHECKED_AT_ONCE);
        let mut sessions = self.ownership.unchecked.split_off(left);
        sessions.retain(|id| self.sessions.contains(id));
        if sessions.is_empty() {
            return;
        }
        let mailboxes = sessions.iter().filter_map(|id| Some(self.sessions.get(id)?.user()));
        let work = Work::Elsewhere { mailboxes: mailboxes.collect() };
        self.ownership.is_checking = true;
        self.jobs.push(Purpose::Elsewhere(sessions), work);
    }

    /// The store says which mailboxes others have taken: their users are here, so they are taken back.
    pub(super) fn on_checked(
        &mut self,
        now: Now,
        sessions: Vec<SessionId>,
        outcome: Result<Outcome, StoreError>,
    ) {
        self.ownership.is_checking = false;
        match outcome {
            Ok(Outcome::Elsewhere(mailboxes)) => {
                for mailbox in mailboxes {
                    if let Some(id) = self.sessions.of_user(&mailbox) {
                        self.take_back(now, id);
                    }
                }
                self.check();
            }
            Ok(_) | Err(_) => {
                self.ownership.unchecked.extend(sessions);
                self.ownership.check_at = Some(now.mono + CHECK_AGAIN);
            }
        }
    }

    /// Makes a session's mailbox this node's again, whoever has it.
    fn take_back(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if matches!(session.delivery, Delivery::Claiming(_) | Delivery::Raising(_)) {
            return;
        }
        self.end_lease(id);
        self.ownership.taken.remove(&id);
        self.ownership.losing.remove(&id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.delivery = Delivery::Raising(Step::Waiting);
            session.hot();
        }
        self.pump(now, id);
    }
}

/// What a client hears whose mailbox another node has.
const MOVED: &str = "your mailbox is with another of the servers";
