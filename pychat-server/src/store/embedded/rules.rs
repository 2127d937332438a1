//! Bans and invites in SQLite: each has a row of its own, and all of them are in memory.

use super::load::damaged;
use crate::store::{
    Ban, Invite, InviteCode, Note,
    rules::{Name, Rules},
};
use pychat_proto::{UserName, chat::UnixMillis};
use rusqlite::{Connection, Result, Row, params};

/// Reads all of it.
pub(super) fn load(connection: &Connection) -> Result<Rules> {
    let (mut rules, mut count) = (Rules::default(), 0);
    let mut select = connection.prepare("SELECT name, reason, since FROM bans")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str().ok().and_then(|name| UserName::parse(name).ok());
        let name = name.ok_or_else(|| damaged("bans", count))?;
        rules.put_ban(name, Some(Ban { reason: note(row, 1)?, since: time(row, 2)? }));
        count += 1;
    }
    count = 0;
    let mut select =
        connection.prepare("SELECT code, uses, expires_at, note, made_at FROM invites")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let code = row.get_ref(0)?.as_str().ok().and_then(|code| InviteCode::parse(code).ok());
        let code = code.ok_or_else(|| damaged("invites", count))?;
        let invite = Invite {
            code: code.clone(),
            uses: row.get(1)?,
            expires_at: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
            note: note(row, 3)?,
            made_at: time(row, 4)?,
        };
        rules.put_invite(code, Some(invite));
        count += 1;
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
