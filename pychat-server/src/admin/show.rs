//! Answers as text: tables that a person reads.

use super::api::{
    BackedUp, Banned, Changed, Invite, List, Log, Mailbox, Reloaded, Request, Session, Stats, User,
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt::Write as _};

/// The answer to a request as text.
///
/// # Errors
/// The answer has another shape: the server is of another version.
pub fn text(request: &Request, answer: serde_json::Value) -> Result<String, serde_json::Error> {
    Ok(match request {
        Request::Stats {} => stats(&of(answer)?),
        Request::Users(_) => users(&of(answer)?),
        Request::User { .. } => user(&of(answer)?),
        Request::Bans(_) => bans(&of(answer)?),
        Request::Sessions {} => sessions(&of(answer)?),
        Request::Mailboxes(_) => mailboxes(&of(answer)?),
        Request::Invites {} => invites(&of(answer)?),
        Request::Invite { .. } => format!("{}\n", of::<Invite>(answer)?.code),
        Request::Log { .. } => format!("{}\n", of::<Log>(answer)?.filter),
        Request::Reload {} => reloaded(&of(answer)?),
        Request::Backup { .. } => {
            let BackedUp { file, bytes } = of(answer)?;
            let note = "it holds the server's keys: keep it as safe as the server";
            format!("{} ({}); {note}\n", file.display(), size(bytes))
        }
        Request::Account { .. }
        | Request::Kick { .. }
        | Request::Purge { .. }
        | Request::Revoke { .. }
        | Request::Drain { .. }
        | Request::Resume {}
        | Request::Broadcast { .. } => format!("{}\n", of::<Changed>(answer)?.done),
    })
}

fn of<T: DeserializeOwned>(answer: serde_json::Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(answer)
}

fn stats(stats: &Stats) -> String {
    let count = |of: &BTreeMap<String, u64>, what: &str| of.get(what).copied().unwrap_or_default();
    let by_reason = |of: &BTreeMap<String, u64>| match of.len() {
        0 => "none".to_owned(),
        _ => of.iter().map(|(why, count)| format!("{count} {why}")).collect::<Vec<_>>().join(", "),
    };
    let messages = &stats.messages;
    let store = if stats.store_fails { "FAILS: see the log" } else { "works" };
    let drained = if stats.drained { " (drained: nobody is let in)" } else { "" };
    let rows = [
        ("version", stats.version.clone()),
        ("started", stats.started_at.clone()),
        ("link", stats.link.clone()),
        ("sessions", format!("{}{drained}", stats.sessions)),
        ("accounts", stats.accounts.to_string()),
        (
            "messages",
            format!(
                "{} accepted, {} delivered, {} written to disk",
                count(messages, "accepted"),
                count(messages, "delivered"),
                count(messages, "written"),
            ),
        ),
        ("refused messages", by_reason(&stats.refused_messages)),
        ("logins", stats.logins.to_string()),
        ("refused logins", by_reason(&stats.refused_logins)),
        (
            "datagrams",
            format!(
                "{} in, {} out, {} dropped",
                count(&stats.datagrams, "in"),
                count(&stats.datagrams, "out"),
                count(&stats.datagrams, "dropped"),
            ),
        ),
        ("packets lost", stats.packets_lost.to_string()),
        ("records sent again", stats.records_retransmitted.to_string()),
        ("commits", format!("{}, {:.1} ms each", stats.commits, stats.commit_ms)),
        ("store", format!("{store}, {}", size(stats.store_bytes))),
        ("memory", stats.memory_bytes.map_or_else(|| "unknown".into(), size)),
    ];
    pairs(&rows)
}

fn users(list: &List<User>) -> String {
    let mut table = Table::new(&["USER", "NAME", "STATUS", "SINCE", "NOTE"]);
    for user in &list.items {
        let note = if user.banned.is_some() { "banned" } else { "" };
        table.row([&user.user, &user.name, &user.status, &user.since, note]);
    }
    table.end("there are no users", list.next.as_deref())
}

fn user(user: &User) -> String {
    let set = if user.name_is_set { " (set by the operator)" } else { "" };
    let banned = match user.banned.as_deref() {
        None => "no".to_owned(),
        Some("") => "yes".to_owned(),
        Some(reason) => format!("yes: {reason}"),
    };
    pairs(&[
        ("user", user.user.clone()),
        ("name", format!("{}{set}", user.name)),
        ("status", format!("{}, since {}", user.status, user.since)),
        ("key", user.key.clone()),
        ("fingerprint", user.fingerprint.clone()),
        ("banned", banned),
    ])
}

fn bans(list: &List<Banned>) -> String {
    let mut table = Table::new(&["USER", "SINCE", "REASON"]);
    for ban in &list.items {
        table.row([&ban.user, &ban.since, &ban.reason]);
    }
    table.end("nobody is banned", list.next.as_deref())
}

fn sessions(list: &List<Session>) -> String {
    let mut table = Table::new(&["USER", "STATUS", "ADDRESS"]);
    for session in &list.items {
        let address = session.address.as_deref().unwrap_or("");
        table.row([&session.user, &session.status, address]);
    }
    table.end("nobody is there", list.next.as_deref())
}

fn mailboxes(list: &List<Mailbox>) -> String {
    let mut table = Table::new(&["USER", "MESSAGES", "SIZE"]);
    for mailbox in &list.items {
        table.row([&mailbox.user, &mailbox.messages.to_string(), &size(mailbox.bytes)]);
    }
    table.end("nothing waits in a mailbox", list.next.as_deref())
}

fn invites(list: &List<Invite>) -> String {
    let mut table = Table::new(&["CODE", "USES LEFT", "EXPIRES", "NOTE"]);
    for invite in &list.items {
        let uses = invite.uses.map_or_else(|| "any".into(), |uses| uses.to_string());
        let expires = match (&invite.expires_at, invite.is_open) {
            (Some(at), true) => at.clone(),
            (Some(at), false) => format!("{at} (over)"),
            (None, _) => "never".into(),
        };
        table.row([&invite.code, &uses, &expires, &invite.note]);
    }
    table.end("there are no invites", list.next.as_deref())
}

fn reloaded(reloaded: &Reloaded) -> String {
    let mut text = match reloaded.applied.len() {
        0 if reloaded.needs_restart.is_empty() => "nothing had changed\n".to_owned(),
        0 => String::new(),
        _ => format!("holds from now on: {}\n", reloaded.applied.join(", ")),
    };
    if !reloaded.needs_restart.is_empty() {
        let _ = writeln!(text, "holds after a restart: {}", reloaded.needs_restart.join(", "));
    }
    text
}

/// Lines of a name and a value.
fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// Columns as wide as they need to be.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&name| name.to_owned()).collect()] }
    }

    fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(ToOwned::to_owned).to_vec());
    }

    fn end(self, empty: &str, next: Option<&str>) -> String {
        let more =
            next.map_or_else(String::new, |next| format!("there may be more: --after {next}\n"));
        if self.rows.len() == 1 {
            return format!("{empty}\n{more}");
        }
        let columns = self.rows[0].len();
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text + &more
    }
}

/// Bytes in the unit that fits.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let told = [0, 1023, 1024, 1536, 64 << 20, 5 << 40].map(size);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "64.0 MiB", "5.0 TiB"]);
    }

    #[test]
    fn a_table_has_columns_and_tells_where_to_go_on() {
        let mut table = Table::new(&["USER", "MESSAGES"]);
        table.row(["bob", "3"]);
        assert_eq!(
            table.end("empty", Some("bob")),
            "USER  MESSAGES\nbob   3\nthere may be more: --after bob\n"
        );
        assert_eq!(Table::new(&["USER"]).end("nobody is there", None), "nobody is there\n");
    }
}
