//! `connect USER NAME`: logs in, now and after each restart.

use super::{Context, millis};
use crate::{
    cli::ConnectArgs,
    names,
    output::{Failed, Form, Versioned},
    screen::{Paint, clean_line},
};
use pychat_control::{ConnectParams, Connected, Request, check_display_name};

/// Logs in.
pub(super) fn run(context: &mut Context, args: ConnectArgs) -> Result<(), Failed> {
    names::check_user(&args.user)?;
    names::check(check_display_name(&args.name), "")?;
    let ConnectArgs { user, name, server, trust_key } = args;
    let server = server.or_else(|| context.settings.server.clone());
    let timeout_ms = millis(context.settings.timeout);
    let params = ConnectParams { user, name, server, trust_key, timeout_ms };
    let connected: Connected = context.session()?.call(&Request::Connect(params))?;
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
