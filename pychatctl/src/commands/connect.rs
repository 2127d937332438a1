//! `connect USER NAME`: logs in, now and after each restart.

use super::{Context, millis};
use crate::{
    cli::ConnectArgs,
    names,
    output::{Failed, Form, Versioned},
    screen::{Paint, Progress, Ticker, clean_line},
    session::Session,
};
use pychat_control::{ConnectParams, Connected, Request, Status, check_display_name, check_invite};
use std::time::Duration;

/// Logs in.
pub(super) fn run(context: &mut Context, args: ConnectArgs) -> Result<(), Failed> {
    names::check_user(&args.user)?;
    names::check(check_display_name(&args.name), "")?;
    if let Some(invite) = &args.invite {
        names::check(check_invite(invite), "")?;
    }
    let ConnectArgs { user, name, server, trust_key, invite } = args;
    let server = server.or_else(|| context.settings.server.clone());
    let timeout_ms = millis(context.settings.timeout);
    let params = ConnectParams { user, name, server, trust_key, invite, timeout_ms };
    let waiting = wait_visibly(context, params.server.clone());
    let connected: Connected = context.ask(&Request::Connect(params))?;
    drop(waiting);
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&connected))?,
        Form::Quiet => {}
        Form::Text => {
            let text = text(&connected, context.out.view.paint);
            context.out.text(&text)?;
        }
    }
    Ok(())
}

/// Says, while a person waits, what for.
fn wait_visibly(context: &Context, server: Option<String>) -> Ticker {
    let settings = context.settings.clone();
    let mut session = None;
    Ticker::start(Progress::detect(context.out.remarks), move |elapsed| {
        if session.is_none() {
            session = Session::open_running(&settings).ok().flatten();
        }
        let asked = session.as_mut().map(|session| session.call::<Status>(&Request::Status {}));
        let status = asked.and_then(Result::ok);
        if status.is_none() {
            session = None;
        }
        waiting_line(server.as_deref(), status.as_ref(), elapsed)
    })
}

/// `connecting to chat.example.org... 3 s (no answer yet)`.
fn waiting_line(server: Option<&str>, status: Option<&Status>, elapsed: Duration) -> String {
    let server = server.or_else(|| status?.server.as_deref());
    let to = server.map(|server| format!(" to {}", host(server))).unwrap_or_default();
    let why = status.and_then(|status| status.last_error.as_deref());
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    format!("connecting{to}... {} s{why}", elapsed.as_secs())
}

/// A join link without what only programs need.
fn host(link: &str) -> &str {
    let link = link.split('#').next().unwrap_or_default();
    link.strip_prefix("pychat://").unwrap_or(link)
}

fn text(connected: &Connected, paint: Paint) -> String {
    let user = paint.bold(&connected.user);
    let name = clean_line(&connected.name);
    let server = connected.server.split('#').next().unwrap_or_default();
    let fingerprint = clean_line(&connected.fingerprint);
    let mut text = format!("connected to {} as {user} ({name})\n", clean_line(server));
    text.push_str(&format!("server key fingerprint: {fingerprint}\n"));
    if connected.first_contact {
        text.push_str(
            "This is the first contact with this server, and no link named its key. Compare the\n\
             fingerprint with the operator's; from now on only this key is accepted.\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_for_whom_how_long_and_why() {
        let status: Status = serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "pid": 42, "profile": "default",
            "started_at": "2026-01-31T10:00:00.000Z", "link": "connecting",
            "since": "2026-01-31T11:55:00.000Z", "server": "pychat://chat.example.org:7420#abc",
            "loss_permille": 0, "retransmitted": 0, "queued": 0, "unread": 0,
            "last_error": "the server does not answer",
        }))
        .unwrap();
        let line = |server, status| waiting_line(server, status, Duration::from_millis(3400));
        insta::assert_snapshot!(line(None, Some(&status)), @"connecting to chat.example.org:7420... 3 s (the server does not answer)");
        insta::assert_snapshot!(line(Some("pychat://h:1#k"), None), @"connecting to h:1... 3 s");
        insta::assert_snapshot!(line(None, None), @"connecting... 3 s");
    }

    #[test]
    fn the_fingerprint_is_shown_and_explained_at_the_first_contact() {
        let connected = Connected {
            user: "alice".into(),
            name: "Alice Doe".into(),
            server: "pychat://chat.example.org:7420#abc".into(),
            fingerprint: "0123 4567 89ab cdef".into(),
            first_contact: true,
        };
        insta::assert_snapshot!(text(&connected, Paint::PLAIN), @r"
        connected to pychat://chat.example.org:7420 as alice (Alice Doe)
        server key fingerprint: 0123 4567 89ab cdef
        This is the first contact with this server, and no link named its key. Compare the
        fingerprint with the operator's; from now on only this key is accepted.
        ");
        let known = Connected { first_contact: false, ..connected };
        insta::assert_snapshot!(text(&known, Paint::PLAIN), @r"
        connected to pychat://chat.example.org:7420 as alice (Alice Doe)
        server key fingerprint: 0123 4567 89ab cdef
        ");
    }
}
