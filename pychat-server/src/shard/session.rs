//! What the relay knows of one confirmed session: little while it is idle.

use super::{receipts::Receipts, unsettled::Unsettled, uplink::Uplink};
use crate::{
    person::Person,
    store::{Account, Command, InviteCode},
};
use pychat_proto::{Cursor, Instant, Seq, StreamId, UserName, chat::Presence};

/// A confirmed session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) person: Person,
    pub(super) stream: StreamId,
    /// The client was told that its records up to here are safe.
    pub(super) committed: Seq,
    /// No crash of this server brings its records up to here back.
    pub(super) settled: Seq,
    /// Entries up to here were sent, or were at the client already.
    pub(super) sent: Cursor,
    /// Places in its user's mailbox after `sent` and up to here are this shard's to hand out; none if it
    /// is the store that does.
    pub(super) reserved: Cursor,
    /// What it usually takes to make an entry safe.
    pub(super) usual_micros: u32,
    pub(super) delivery: Delivery,
    pub(super) presence: Presence,
    /// What is under way, if anything is.
    pub(super) hot: Option<Box<Hot>>,
}

/// How far a session is with its mailbox.
///
/// ```text
/// Claiming --> Raising --> Behind <--> Reading --> CaughtUp --> Behind, Blocked
///                            ^------ Blocked <------'
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The name has to become the device's first; until then nothing is written for it.
    Claiming(Step),
    /// The store has to know the client's cursor first.
    Raising(Step),
    /// The mailbox may hold entries after `sent`; they are read when there is room.
    Behind,
    /// A page of them is on its way.
    Reading,
    /// There is no room; the endpoint will say when there is.
    Blocked,
    /// The mailbox holds nothing after `sent`.
    CaughtUp,
}

/// Where a single write stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To be submitted.
    Waiting,
    /// With the committer.
    Submitted,
}

/// What is claimed for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) account: Account,
    /// What it takes one use of.
    pub(super) invite: Option<InviteCode>,
}

impl Claim {
    pub(super) fn command(&self) -> Command {
        let account = self.account.clone();
        match &self.invite {
            None => Command::Claim(account),
            Some(code) => {
                let (code, at) = (code.clone(), account.since);
                Command::ClaimInvited { account, code, at }
            }
        }
    }
}

/// Freed as soon as nothing is under way and the client has what its mailbox holds.
#[derive(Debug, Default)]
pub(super) struct Hot {
    /// What is claimed for it, until the store has it.
    pub(super) claim: Option<Box<Claim>>,
    /// Entries up to here were on the client's disk when it logged in. Once it has caught up, none of
    /// those is in the mailbox any more, and none will be.
    pub(super) floor: Cursor,
    /// The newest entry announced since the last page was asked for.
    pub(super) announced: Cursor,
    pub(super) uplink: Uplink,
    pub(super) unsettled: Unsettled,
    pub(super) receipts: Receipts,
    /// Whether places in its user's mailbox were asked for.
    pub(super) asked_for_places: bool,
    /// Entries for its user's mailbox that the store is to find a place for.
    pub(super) appends: u32,
    /// When the shard looks after what is held for it.
    pub(super) hold_at: Option<Instant>,
}

impl Session {
    /// Whose it is.
    pub(super) fn user(&self) -> UserName {
        self.person.user()
    }

    pub(super) fn hot(&mut self) -> &mut Hot {
        self.hot.get_or_insert_default()
    }

    /// Frees what an idle session does not need.
    pub(super) fn cool(&mut self) {
        let caught_up = matches!(self.delivery, Delivery::CaughtUp);
        let idle = |hot: &Hot| {
            let nothing_asked = hot.appends == 0 && !hot.asked_for_places && hot.hold_at.is_none();
            let all_settled = hot.uplink.is_empty() && hot.unsettled.is_empty();
            caught_up && nothing_asked && all_settled && hot.receipts.is_empty()
        };
        if self.hot.as_deref().is_some_and(idle) {
            self.hot = None;
        }
    }

    pub(super) const fn is_claimed(&self) -> bool {
        !matches!(self.delivery, Delivery::Claiming(_))
    }
}
