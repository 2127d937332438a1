//! `verify PEER`: what two people compare to know that nobody stands between them, and, with
//! `--code`, the comparison.

use super::{
    Context, millis,
    peer::{check_other, suggest},
};
use crate::{
    cli::VerifyArgs,
    names,
    output::{Failed, Form, Output, Versioned, on_terminal},
    screen::{NoQr, View, clean_line, qr_code},
};
use pychat_control::{
    Contact, ContactState, ErrorCode, Failure, Request, Verification, VerifyParams, check_code,
};

/// Shows or compares.
pub(super) fn run(context: &mut Context, args: VerifyArgs) -> Result<(), Failed> {
    names::check_user(&args.peer)?;
    let drawing = Drawing::of(&args, on_terminal());
    let code = args.code.map(|words| words.join(" "));
    if let Some(code) = &code {
        let hint = format!("type all of what {} sees, or what the camera read", args.peer);
        names::check(check_code(code), &hint)?;
    }
    let mut session = context.session()?;
    let us = check_other(&mut session, &args.peer)?;
    let timeout_ms = millis(context.settings.timeout);
    let params = VerifyParams { peer: args.peer, code, timeout_ms };
    let is_comparison = params.code.is_some();
    let peer = params.peer.clone();
    let answer = session.call::<Verification>(&Request::Verify(params));
    let verification = answer.map_err(|failure| suggest(context, failure, &peer))?;
    if context.out.form == Form::Json {
        context.out.json(&Versioned::new(&verification))?;
    }
    if is_comparison {
        tell_outcome(&mut context.out, &verification)
    } else {
        show(&mut context.out, &verification, drawing, us.as_deref())
    }
}

/// Whether a QR code is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drawing {
    Wanted,
    Unwanted,
}

impl Drawing {
    /// Unless somebody said what is wanted: for eyes and cameras, not for pipes.
    const fn of(args: &VerifyArgs, terminal: bool) -> Self {
        if args.qr || (terminal && !args.no_qr) { Self::Wanted } else { Self::Unwanted }
    }
}

fn show(
    out: &mut Output,
    verification: &Verification,
    drawing: Drawing,
    us: Option<&str>,
) -> Result<(), Failed> {
    let contact = &verification.contact;
    match out.form {
        Form::Json => {}
        Form::Quiet => out.line(&clean_line(&verification.safety_number))?,
        Form::Text => {
            let text = text(verification, &out.view);
            out.text(&text)?;
            if drawing == Drawing::Wanted {
                draw(out, &verification.qr)?;
            }
            out.remark(&advice(contact, us))?;
        }
    }
    match contact.state {
        ContactState::Pinned | ContactState::Verified => Ok(()),
        ContactState::Changed => Err(not_trusted(contact).into()),
    }
}

fn draw(out: &mut Output, text: &str) -> Result<(), Failed> {
    match qr_code(text, out.view.width, out.view.paint) {
        Ok(code) => {
            out.text("\n")?;
            out.text(&code)?;
        }
        Err(NoQr::TerminalTooNarrow) => out.remark("the terminal is too narrow for the QR code")?,
        Err(NoQr::TextTooLong) => out.remark("the text is too long for a QR code")?,
    }
    Ok(())
}

fn text(verification: &Verification, view: &View) -> String {
    let contact = &verification.contact;
    let since = view.clock.tell(&contact.since);
    let fingerprint = clean_line(&contact.fingerprint);
    let (state, keys) = match (contact.state, &contact.offered) {
        (ContactState::Pinned, _) => {
            (format!("not verified yet (pinned {since})"), vec![("fingerprint", fingerprint)])
        }
        (ContactState::Verified, _) => {
            let verified = view.paint.good("verified");
            (format!("{verified} ({since})"), vec![("fingerprint", fingerprint)])
        }
        (ContactState::Changed, offered) => {
            let changed = view.paint.bad("THE KEY CHANGED");
            let new = offered.as_deref().map(clean_line).unwrap_or_default();
            let keys = vec![("old key", fingerprint), ("new key", new)];
            (format!("{changed} ({since})"), keys)
        }
    };
    let mut rows = vec![("user", clean_line(&contact.user)), ("state", state)];
    rows.extend(keys);
    let rows: String =
        rows.into_iter().map(|(head, text)| format!("{head:<11}  {text}\n")).collect();
    let whose = match contact.state {
        ContactState::Pinned | ContactState::Verified => "",
        ContactState::Changed => "The new key's number:\n",
    };
    format!("{rows}\n{whose}{}", number_lines(&verification.safety_number, view))
}

/// Three lines of four groups: a person who reads them aloud does not lose the place.
fn number_lines(number: &str, view: &View) -> String {
    let number = clean_line(number);
    let groups: Vec<&str> = number.split_whitespace().collect();
    let lines = groups.chunks(GROUPS_PER_LINE);
    lines.map(|line| format!("    {}\n", view.paint.bold(&line.join("  ")))).collect()
}

/// Of twelve.
const GROUPS_PER_LINE: usize = 4;

fn advice(contact: &Contact, us: Option<&str>) -> String {
    let peer = clean_line(&contact.user);
    let us = us.map_or_else(|| "YOUR-NAME".into(), clean_line);
    let compare = format!(
        "\nCompare it, by voice or camera, with what {peer} sees from:\n  pychatctl verify {us}"
    );
    match contact.state {
        ContactState::Pinned | ContactState::Verified => format!(
            "{compare}\n\
             If it is the same, nobody stands between you. Then type what {peer} sees:\n  \
             pychatctl verify {peer} --code NUMBER"
        ),
        // What to do next is the hint of the failure.
        ContactState::Changed => compare,
    }
}

fn not_trusted(contact: &Contact) -> Failure {
    let user = clean_line(&contact.user);
    let held = match contact.held {
        0 => "what you send is held".to_owned(),
        1 => "1 message is held".to_owned(),
        held => format!("{held} messages are held"),
    };
    key_failure(
        format!("{user}'s key changed, and the new one is not trusted: {held}"),
        format!(
            "{user} started anew on some machine, or somebody poses as {user}: if the numbers are \
             the same, accept the new key: pychatctl trust {user}"
        ),
    )
}

/// What came of a comparison.
fn tell_outcome(out: &mut Output, verification: &Verification) -> Result<(), Failed> {
    let contact = &verification.contact;
    let user = clean_line(&contact.user);
    match (verification.matches, contact.state) {
        (Some(true), ContactState::Pinned | ContactState::Verified) => {
            if out.form == Form::Text {
                let verified = out.view.paint.good("verified");
                let key = clean_line(&contact.fingerprint);
                out.line(&format!("{verified}: the key {key} is {user}'s"))?;
            }
            Ok(())
        }
        (Some(true), ContactState::Changed) => Err(Failed::from(key_failure(
            format!("the numbers are the same, but {user}'s new key is not trusted yet"),
            format!("accept it: pychatctl trust {user}"),
        ))),
        (Some(false), _) => Err(Failed::from(differs(&user))),
        (None, _) => Err(Failed::from(Failure {
            code: ErrorCode::VersionMismatch,
            message: "the daemon did not compare the numbers".into(),
            hint: None,
            sent: None,
        })),
    }
}

fn differs(user: &str) -> Failure {
    key_failure(
        format!("the numbers differ: what {user} sees is not what you see"),
        format!(
            "look for a slip first: pychatctl verify {user}; if there is none, somebody may stand \
             between you and {user} and read along: send nothing secret, and tell {user} another way"
        ),
    )
}

const fn key_failure(message: String, hint: String) -> Failure {
    Failure { code: ErrorCode::KeyChanged, message, hint: Some(hint), sent: None }
}

#[cfg(test)]
mod tests;
