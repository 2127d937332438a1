//! Bans and invites in memory, for every engine: what a decision does to them, and how it is taken back.

use super::{BANS_MAX, Ban, Decided, Decision, INVITES_MAX, Invite, InviteCode};
use pychat_proto::{UserName, chat::UnixMillis};
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

/// Bans and invites.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    bans: BTreeMap<UserName, Ban>,
    invites: BTreeMap<InviteCode, Invite>,
}

/// Whose row it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Ban(UserName),
    Invite(InviteCode),
}

/// One change, and what was there before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Ban { user: UserName, before: Option<Ban> },
    Invite { code: InviteCode, before: Option<Invite> },
}

impl Change {
    /// Whose row it concerns.
    pub(super) fn name(&self) -> Name {
        match self {
            Self::Ban { user, .. } => Name::Ban(*user),
            Self::Invite { code, .. } => Name::Invite(code.clone()),
        }
    }
}

impl Rules {
    /// Puts in a ban that an engine has read; `None` where it was lifted.
    pub(super) fn put_ban(&mut self, user: UserName, ban: Option<Ban>) {
        match ban {
            Some(ban) => drop(self.bans.insert(user, ban)),
            None => drop(self.bans.remove(&user)),
        }
    }

    /// Puts in an invite that an engine has read; `None` where it was revoked.
    pub(super) fn put_invite(&mut self, code: InviteCode, invite: Option<Invite>) {
        match invite {
            Some(invite) => drop(self.invites.insert(code, invite)),
            None => drop(self.invites.remove(&code)),
        }
    }

    pub(super) fn ban(&self, user: &UserName) -> Option<&Ban> {
        self.bans.get(user)
    }

    pub(super) fn bans(&self, after: Option<&UserName>, limit: usize) -> Vec<(UserName, Ban)> {
        let from = after.map_or(Unbounded, Excluded);
        let bans = self.bans.range((from, Unbounded));
        bans.take(limit).map(|(user, ban)| (*user, ban.clone())).collect()
    }

    pub(super) fn invite(&self, code: &InviteCode) -> Option<&Invite> {
        self.invites.get(code)
    }

    pub(super) fn invites(&self) -> Vec<Invite> {
        self.invites.values().cloned().collect()
    }

    /// Takes one use of an invite that is open; `None` if there is none of that code.
    pub(super) fn use_invite(&mut self, code: &InviteCode, at: UnixMillis) -> Option<Change> {
        let invite = self.invites.get_mut(code).filter(|invite| invite.is_open(at))?;
        let before = Some(invite.clone());
        invite.uses = invite.uses.map(|uses| uses.saturating_sub(1));
        Some(Change::Invite { code: code.clone(), before })
    }

    /// Makes a decision hold that concerns no account.
    pub(super) fn decide(&mut self, decision: &Decision) -> Result<Change, Decided> {
        match decision {
            Decision::Ban { user, ban } => {
                if self.bans.len() >= BANS_MAX && !self.bans.contains_key(user) {
                    return Err(Decided::Full);
                }
                let before = self.bans.insert(*user, ban.clone());
                Ok(Change::Ban { user: *user, before })
            }
            Decision::Unban { user } => {
                let before = self.bans.remove(user).ok_or(Decided::NoSuchUser)?;
                Ok(Change::Ban { user: *user, before: Some(before) })
            }
            Decision::Invite(invite) => {
                if self.invites.contains_key(&invite.code) {
                    return Err(Decided::InviteExists);
                }
                if self.invites.len() >= INVITES_MAX {
                    return Err(Decided::Full);
                }
                let code = invite.code.clone();
                let before = self.invites.insert(code.clone(), invite.clone());
                Ok(Change::Invite { code, before })
            }
            Decision::Revoke { code } => {
                let before = self.invites.remove(code).ok_or(Decided::NoSuchInvite)?;
                Ok(Change::Invite { code: code.clone(), before: Some(before) })
            }
            Decision::Free { .. }
            | Decision::Rebind { .. }
            | Decision::Rename { .. }
            | Decision::Purge { .. } => unreachable!("these concern an account"),
        }
    }

    /// Takes a change back.
    pub(super) fn undo(&mut self, change: Change) {
        match change {
            Change::Ban { user, before: Some(ban) } => drop(self.bans.insert(user, ban)),
            Change::Ban { user, before: None } => drop(self.bans.remove(&user)),
            Change::Invite { code, before: Some(it) } => drop(self.invites.insert(code, it)),
            Change::Invite { code, before: None } => drop(self.invites.remove(&code)),
        }
    }
}
