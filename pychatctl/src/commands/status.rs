//! `status`: how the connection is.

use super::Context;
use crate::{
    output::{Failed, Form, Versioned},
    screen::{View, clean_line},
};
use pychat_control::{HookStatus, Link, Request, Status};

/// Shows it.
pub(super) fn run(context: &mut Context) -> Result<(), Failed> {
    let status: Status = context.ask(&Request::Status {})?;
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&status))?,
        Form::Quiet => context.out.line(word(status.link))?,
        Form::Text => {
            let text = text(&status, &context.out.view);
            context.out.text(&text)?;
            if status.user.is_none() {
                context.out.remark(
                    "log in with: pychatctl connect USER NAME --server pychat://HOST:PORT#KEY",
                )?;
            }
        }
    }
    Ok(())
}

const fn word(link: Link) -> &'static str {
    match link {
        Link::Disconnected => "disconnected",
        Link::Connecting => "connecting",
        Link::Connected => "connected",
        Link::Refused => "refused",
    }
}

/// A program for messages, where there is something to say of it.
fn hook_told(hook: &HookStatus, view: &View) -> Option<String> {
    let name = clean_line(&hook.hook);
    let waiting = match hook.waiting {
        0 => String::new(),
        1 => "; 1 message waits for it".into(),
        many => format!("; {many} messages wait for it"),
    };
    match &hook.last_error {
        Some(error) => {
            let failed = view.paint.bad("failed");
            Some(format!("{name} {failed}: {}{waiting}", clean_line(error)))
        }
        None if hook.waiting > 0 => Some(format!("{name}{waiting}")),
        None => None,
    }
}

/// That another machine used the identity.
fn elsewhere(seen: &str) -> String {
    format!("another machine used this identity (seen {seen}); what came there is there")
}

fn text(status: &Status, view: &View) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let since = view.clock.tell(&status.since);
    let link = match status.link {
        Link::Connected => view.paint.good(word(status.link)),
        Link::Connecting => view.paint.fair(word(status.link)),
        Link::Disconnected | Link::Refused => view.paint.bad(word(status.link)),
    };
    rows.push(("connection", format!("{link} ({since})")));
    let optional = |text: &Option<String>| text.as_deref().map(clean_line);
    if let Some(user) = optional(&status.user) {
        let name = optional(&status.name).unwrap_or_default();
        rows.push(("user", format!("{user} ({name})")));
    }
    if let Some(server) = optional(&status.server) {
        rows.push(("server", server.split('#').next().unwrap_or_default().to_owned()));
    }
    if let Some(address) = optional(&status.address) {
        rows.push(("address", address));
    }
    if let Some(node) = optional(&status.node) {
        rows.push(("node", format!("{node}, one of {} that are known", status.nodes)));
    }
    if let Some(fingerprint) = optional(&status.fingerprint) {
        rows.push(("server key", fingerprint));
    }
    if let Some(rtt_ms) = status.rtt_ms {
        let (whole, tenth) = (status.loss_permille / 10, status.loss_permille % 10);
        let again = status.retransmitted;
        let heard = status.heard_at.as_deref().map(|at| view.clock.tell(at));
        let heard = heard.map_or_else(String::new, |at| format!(", heard {at}"));
        rows.push((
            "path",
            format!("{rtt_ms} ms round trip, {whole}.{tenth} % lost, {again} sent again{heard}"),
        ));
    }
    rows.push(("messages", format!("{} queued, {} unread", status.queued, status.unread)));
    if status.unindexed > 0 {
        rows.push(("search", format!("{} messages are not looked at yet", status.unindexed)));
    }
    if let Some(changed) = changed_keys(&status.changed_keys) {
        let changed = view.paint.bad(&changed);
        rows.push(("keys", format!("{changed}; see: pychatctl contacts")));
    }
    if let Some(error) = optional(&status.last_error) {
        rows.push(("last error", error));
    }
    for hook in &status.hooks {
        if let Some(told) = hook_told(hook, view) {
            rows.push(("hook", told));
        }
    }
    if let Some(path) = optional(&status.set_aside) {
        rows.push(("set aside", format!("{path} (a damaged database)")));
    }
    if let Some(at) = &status.other_machine_at {
        rows.push(("elsewhere", elsewhere(&view.clock.tell(at))));
    }
    if let Some(notice) = &status.server_notice {
        let (text, at) = (clean_line(&notice.text), view.clock.tell(&notice.at));
        rows.push(("notice", format!("{text} (from the server's operator, {at})")));
    }
    let started = view.clock.tell(&status.started_at);
    let (mut version, pid) = (clean_line(&status.version), status.pid);
    let ours = env!("CARGO_PKG_VERSION");
    if status.version != ours {
        version.push_str(&format!(" (pychatctl is {ours}: pychatctl daemon restart)"));
    }
    rows.push(("daemon", format!("{version}, process {pid}, started {started}")));
    rows.push(("profile", clean_line(&status.profile)));
    rows.into_iter().map(|(head, text)| format!("{head:<11} {text}\n")).collect()
}

/// Whose keys changed; the first few by name, so that it stays a line.
fn changed_keys(users: &[String]) -> Option<String> {
    let (named, more) = users.split_at(users.len().min(CHANGED_NAMED));
    let named = named.iter().map(|user| clean_line(user)).collect::<Vec<_>>().join(", ");
    match (users.len(), more.len()) {
        (0, _) => None,
        (_, 0) => Some(format!("changed for {named}")),
        (_, more) => Some(format!("changed for {named} and {more} more")),
    }
}

/// Names that fit the line.
const CHANGED_NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            version: "0.1.0".into(),
            pid: 42,
            profile: "default".into(),
            started_at: "2026-01-31T10:00:00.000Z".into(),
            link: Link::Connected,
            since: "2026-01-31T11:55:00.000Z".into(),
            user: Some("alice".into()),
            name: Some("Alice Doe".into()),
            server: Some("pychat://chat.example.org:7420#abc".into()),
            address: Some("192.0.2.1:7420".into()),
            node: None,
            nodes: 0,
            fingerprint: Some("0123 4567".into()),
            rtt_ms: Some(24),
            loss_permille: 13,
            retransmitted: 7,
            packets_sent: 540,
            heard_at: Some("2026-01-31T11:59:58.000Z".into()),
            queued: 0,
            unread: 3,
            unindexed: 0,
            last_error: None,
            changed_keys: Vec::new(),
            other_machine_at: None,
            server_notice: None,
            set_aside: None,
            hooks: Vec::new(),
        }
    }

    #[test]
    fn a_connection_is_told_in_full() {
        insta::assert_snapshot!(text(&status(), &View::at_noon()), @r"
        connection  connected (5 min ago)
        user        alice (Alice Doe)
        server      pychat://chat.example.org:7420
        address     192.0.2.1:7420
        server key  0123 4567
        path        24 ms round trip, 1.3 % lost, 7 sent again, heard just now
        messages    0 queued, 3 unread
        daemon      0.1.0, process 42, started 2 h ago
        profile     default
        ");
    }

    #[test]
    fn the_node_is_told_where_there_are_several() {
        let node = Some("b.example.org:7420".into());
        let told = text(&Status { node, nodes: 3, ..status() }, &View::at_noon());
        let row = told.lines().find(|line| line.starts_with("node")).unwrap();
        insta::assert_snapshot!(row, @"node        b.example.org:7420, one of 3 that are known");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let unknown = Status {
            link: Link::Disconnected,
            user: None,
            name: None,
            server: None,
            address: None,
            fingerprint: None,
            rtt_ms: None,
            last_error: Some("no route".into()),
            unindexed: 1200,
            set_aside: Some("/s/pychat.db.damaged-20260131T000000Z".into()),
            ..status()
        };
        insta::assert_snapshot!(text(&unknown, &View::at_noon()), @r"
        connection  disconnected (5 min ago)
        messages    0 queued, 3 unread
        search      1200 messages are not looked at yet
        last error  no route
        set aside   /s/pychat.db.damaged-20260131T000000Z (a damaged database)
        daemon      0.1.0, process 42, started 2 h ago
        profile     default
        ");
    }

    #[test]
    fn another_machine_is_told() {
        let at = Some("2026-01-31T09:00:00.000Z".into());
        let told = text(&Status { other_machine_at: at, ..status() }, &View::at_noon());
        let row = told.lines().find(|line| line.starts_with("elsewhere")).unwrap();
        insta::assert_snapshot!(row, @"elsewhere   another machine used this identity (seen 3 h ago); what came there is there");
    }

    #[test]
    fn the_shape_of_the_json_stays() {
        let json = serde_json::to_string(&Versioned::new(&status())).unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"version":"0.1.0","pid":42,"profile":"default","started_at":"2026-01-31T10:00:00.000Z","link":"connected","since":"2026-01-31T11:55:00.000Z","user":"alice","name":"Alice Doe","server":"pychat://chat.example.org:7420#abc","address":"192.0.2.1:7420","fingerprint":"0123 4567","rtt_ms":24,"loss_permille":13,"retransmitted":7,"packets_sent":540,"heard_at":"2026-01-31T11:59:58.000Z","queued":0,"unread":3}"#);
    }

    #[test]
    fn changed_keys_are_named_as_long_as_they_are_few() {
        let users = |users: &[&str]| -> Vec<String> {
            users.iter().map(|user| (*user).to_owned()).collect()
        };
        let changed = Status { changed_keys: users(&["bob", "carol"]), ..status() };
        let shown = text(&changed, &View::at_noon());
        let line = shown.lines().find(|line| line.starts_with("keys")).unwrap();
        insta::assert_snapshot!(line, @"keys        changed for bob, carol; see: pychatctl contacts");
        let many = changed_keys(&users(&["a", "b", "c", "d", "e"])).unwrap();
        insta::assert_snapshot!(many, @"changed for a, b, c and 2 more");
        let json = serde_json::to_string(&changed).unwrap();
        assert!(json.contains(r#""changed_keys":["bob","carol"]"#), "{json}");
    }
}
