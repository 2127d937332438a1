//! What the daemon says of its database, the login, keys and hooks.

use super::Finding;
use crate::screen::clean_line;
use pychat_control::{Diagnosis, ErrorCode, Link, Status};

/// Whether messages can be kept.
pub(super) fn database(status: &Status, diagnosis: &Diagnosis) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(error) = &diagnosis.disk_error {
        findings.push(Finding::bad(
            "database",
            format!("messages cannot be kept: {error}"),
            "make room on the disk, or look at it: dmesg | tail; the daemon goes on by itself",
        ));
    }
    if let Some(path) = &status.set_aside {
        findings.push(Finding::fair(
            "database",
            format!("a damaged database was set aside: {path}"),
            "what can be read of it: sqlite3 FILE .recover; when you need it no more, remove it",
        ));
    }
    findings
}

/// Whether somebody is logged in, and if not, why.
pub(super) fn login(status: &Status, diagnosis: &Diagnosis) -> Finding {
    let Some(user) = status.user.as_deref().map(clean_line) else {
        return Finding::bad(
            "login",
            "nobody has logged in with this profile",
            "pychatctl connect USER NAME --server pychat://HOST:PORT#KEY (the operator has the link)",
        );
    };
    let host = diagnosis.host.as_deref().map_or_else(|| "the server".into(), clean_line);
    match status.link {
        Link::Connected => Finding::good("login", format!("{user} at {host}")),
        Link::Disconnected => Finding::bad(
            "login",
            format!("{user} is logged out, by `pychatctl disconnect`"),
            format!("log in again: pychatctl connect {user} NAME"),
        ),
        Link::Refused => refused(&user, &host, diagnosis),
        Link::Connecting => connecting(&host, diagnosis),
    }
}

fn refused(user: &str, host: &str, diagnosis: &Diagnosis) -> Finding {
    let error = diagnosis.link_error.as_ref();
    let why = error.map_or_else(|| "it did not say why".into(), |error| error.message.clone());
    let hint = error.and_then(|error| error.hint.clone()).unwrap_or_else(|| {
        format!("take another name, or ask the operator of {host} about {user}")
    });
    Finding::bad("login", format!("refused: {why}"), hint)
}

/// What hinders the way to the server is told beside this; here, what a person decided.
fn connecting(host: &str, diagnosis: &Diagnosis) -> Finding {
    let Some(error) = &diagnosis.link_error else {
        return Finding::fair(
            "login",
            format!("on the way to {host}"),
            "what you send meanwhile is queued and goes out by itself",
        );
    };
    let own_hint = error.hint.clone();
    let (message, hint) = match ErrorCode::from_number(error.code.into()) {
        ErrorCode::KeyChanged => (
            format!("wrong key: {}", error.message),
            "ask the operator whether the server's key changed; if so: pychatctl connect USER NAME \
             --trust-key KEY; if not, somebody stands between you and the server"
                .to_owned(),
        ),
        ErrorCode::VersionMismatch => (
            format!("version mismatch: {}", error.message),
            own_hint.unwrap_or_else(|| "update pychatd and pychatctl, or ask the operator".into()),
        ),
        ErrorCode::Other
        | ErrorCode::Usage
        | ErrorCode::DaemonUnreachable
        | ErrorCode::NotConnected
        | ErrorCode::NoSuchUser
        | ErrorCode::TimedOut
        | ErrorCode::LimitReached
        | ErrorCode::Refused => (
            format!("no connection: {}", error.message),
            own_hint.unwrap_or_else(|| "what you send meanwhile is queued".into()),
        ),
    };
    Finding::bad("login", message, hint)
}

/// What the server says of itself.
pub(super) fn server(diagnosis: &Diagnosis) -> Option<Finding> {
    diagnosis.server_stuck.then(|| {
        Finding::bad(
            "server",
            "the server cannot store messages at the moment; yours wait here",
            "tell its operator: its disk may be full",
        )
    })
}

/// Whose key changed.
pub(super) fn keys(status: &Status) -> Option<Finding> {
    let first = clean_line(status.changed_keys.first()?);
    let names: Vec<String> = status.changed_keys.iter().map(|user| clean_line(user)).collect();
    Some(Finding::fair(
        "keys",
        format!("the key of {} changed; what you send there is held", names.join(", ")),
        format!("compare, then decide: pychatctl verify {first}; pychatctl trust {first}"),
    ))
}

/// Programs for messages that fail.
pub(super) fn hooks(status: &Status) -> Vec<Finding> {
    let failing = status.hooks.iter().filter_map(|hook| {
        let error = hook.last_error.as_ref()?;
        let name = &hook.hook;
        Some(Finding::fair(
            "hook",
            format!("{name} failed {} times, the last time: {error}", hook.failed),
            "mend the program or the configuration, then: pychatctl daemon restart",
        ))
    });
    failing.collect()
}
