//! What the operator decided that is no part of an account: bans and invites. All of it is in memory, and
//! each has a row of its own.

use super::load::damaged;
use crate::store::{BANS_MAX, Ban, Decided, Decision, INVITES_MAX, Invite, InviteCode, Note};
use pychat_proto::{UserName, chat::UnixMillis};
use rusqlite::{Connection, Result, Row, params};
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
    pub(super) fn decide(&mut self, decision: &Decision) -> std::result::Result<Change, Decided> {
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

/// Reads all of it.
pub(super) fn load(connection: &Connection) -> Result<Rules> {
    let mut rules = Rules::default();
    let mut select = connection.prepare("SELECT name, reason, since FROM bans")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str().ok().and_then(|name| UserName::parse(name).ok());
        let name = name.ok_or_else(|| damaged("bans", rules.bans.len() as u64))?;
        rules.bans.insert(name, Ban { reason: note(row, 1)?, since: time(row, 2)? });
    }
    let mut select =
        connection.prepare("SELECT code, uses, expires_at, note, made_at FROM invites")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let code = row.get_ref(0)?.as_str().ok().and_then(|code| InviteCode::parse(code).ok());
        let code = code.ok_or_else(|| damaged("invites", rules.invites.len() as u64))?;
        let invite = Invite {
            code: code.clone(),
            uses: row.get(1)?,
            expires_at: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
            note: note(row, 3)?,
            made_at: time(row, 4)?,
        };
        rules.invites.insert(code, invite);
    }
    Ok(rules)
}

/// Writes the rows of those that changed; some perhaps twice.
pub(super) fn write(connection: &Connection, rules: &Rules, changed: &[Name]) -> Result<()> {
    for name in changed {
        match name {
            Name::Ban(user) => match rules.ban(user) {
                Some(ban) => connection.execute(
                    "INSERT INTO bans VALUES(?1, ?2, ?3)
                     ON CONFLICT(name) DO UPDATE SET reason = ?2, since = ?3",
                    params![user.as_str(), ban.reason.as_str(), ban.since.cast_signed()],
                )?,
                None => connection.execute("DELETE FROM bans WHERE name = ?1", [user.as_str()])?,
            },
            Name::Invite(code) => match rules.invite(code) {
                Some(invite) => connection.execute(
                    "INSERT INTO invites VALUES(?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT(code) DO UPDATE SET uses = ?2",
                    params![
                        code.as_str(),
                        invite.uses,
                        invite.expires_at.map(UnixMillis::cast_signed),
                        invite.note.as_str(),
                        invite.made_at.cast_signed(),
                    ],
                )?,
                None => {
                    connection.execute("DELETE FROM invites WHERE code = ?1", [code.as_str()])?
                }
            },
        };
    }
    Ok(())
}

fn note(row: &Row<'_>, index: usize) -> Result<Note> {
    let text = row.get_ref(index)?.as_str().ok().and_then(|text| Note::parse(text).ok());
    text.ok_or_else(|| damaged("bans or invites", 0))
}

fn time(row: &Row<'_>, index: usize) -> Result<UnixMillis> {
    row.get(index).map(i64::cast_unsigned)
}
