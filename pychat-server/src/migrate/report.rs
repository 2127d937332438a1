//! What a migration came to, as text and as JSON.

use super::{Place, Report, Totals};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What is printed after everything was moved to a place.
#[must_use]
pub fn moved(report: &Report, to: &Place, as_json: bool) -> String {
    if as_json {
        return line(report, "moved");
    }
    let Report { from, to: target, totals, resumed, seconds } = report;
    let again = if *resumed { ", going on where an earlier try had ended" } else { "" };
    let mut text = format!("moved from {from} to {target} in {seconds:.1} s{again}\n");
    text += &held(totals);
    let _ = writeln!(
        text,
        "servers do not use {from} any more; nothing in it was changed, and `pychat-server migrate --reopen` \
         gives it back as it was"
    );
    text += match to {
        Place::Cluster(_) => {
            "next: bring the server's key to each node with `pychat-server key export` and `key import`, and \
             start them with this cluster as --store\n"
        }
        Place::Directory(_) => {
            "next: unless the server's key is there already, bring it with `pychat-server key export` and \
             `key import`, and start the server with this directory as --data and without --store\n"
        }
    };
    text
}

/// What is printed after two places were compared.
#[must_use]
pub fn compared(report: &Report, as_json: bool) -> String {
    if as_json { line(report, "same") } else { held(&report.totals) }
}

/// What is printed after a place was given back.
#[must_use]
pub fn reopened(place: &Place, moved: Option<&str>, as_json: bool) -> String {
    let place = place.to_string();
    if as_json {
        return format!("{}\n", json!({ "v": 1, "reopened": place, "moved_to": moved }));
    }
    match moved {
        Some(to) => {
            format!("servers may use {place} again; what came since it was moved is at {to}\n")
        }
        None => format!("{place} was not moved; servers may use it\n"),
    }
}

fn held(totals: &Totals) -> String {
    let Totals { names, accounts, entries, bytes, bans, invites, digest } = totals;
    format!(
        "both hold the same, read back and compared: {accounts} accounts among {names} names, {entries} waiting \
         entries ({bytes} bytes), {bans} bans, {invites} invites\ndigest {digest}\n"
    )
}

fn line(report: &Report, what: &str) -> String {
    let Report { from, to, totals, resumed, seconds } = report;
    let Totals { names, accounts, entries, bytes, bans, invites, digest } = totals;
    let line: Value = json!({
        "v": 1, "result": what, "from": from, "to": to, "names": names, "accounts": accounts,
        "entries": entries, "bytes": bytes, "bans": bans, "invites": invites, "digest": digest,
        "resumed": resumed, "seconds": seconds,
    });
    format!("{line}\n")
}
