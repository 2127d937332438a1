//! `send PEER TEXT`: queues a message and waits until it is where it was asked to be.

use super::{Context, millis, peer::suggest};
use crate::{
    cli::SendArgs,
    names::{self, usage},
    output::{Failed, Form, Versioned},
    screen::clean_line,
    session::{Session, Unanswered},
};
use pychat_control::{
    ErrorCode, Failure, Request, SendParams, Sent, State, TEXT_BYTES_MAX, check_key, check_text,
};
use std::{
    hash::{BuildHasher, RandomState},
    io::{self, IsTerminal, Read},
};

/// Sends it.
pub(super) fn run(context: &mut Context, args: SendArgs) -> Result<(), Failed> {
    names::check_user(&args.peer)?;
    if let Some(key) = &args.id {
        names::check(check_key(key), "")?;
    }
    let body = match args.text.as_slice() {
        [text] if text == "-" => read_text(context)?,
        [text] => text.clone(),
        words => return Err(unquoted(&args.peer, words).into()),
    };
    check_body(&body)?;
    let params = SendParams {
        to: args.peer,
        body,
        key: Some(args.id.unwrap_or_else(fresh_key)),
        wait: args.wait.unwrap_or(context.settings.wait),
        timeout_ms: millis(context.settings.timeout),
        expire_ms: args.expire.map(millis),
    };
    let peer = params.to.clone();
    match ask(context, params) {
        Ok(sent) => {
            show(context, &sent, &peer)?;
            tell_first_contact(context, &sent, &peer)
        }
        Err(failure) => {
            if let Some(sent) = &failure.sent {
                // The message exists; scripts need its id to ask for it later.
                if matches!(context.out.form, Form::Json | Form::Quiet) {
                    show(context, sent, &peer)?;
                }
                tell_first_contact(context, sent, &peer)?;
            }
            Err(explain(suggest(context, failure, &peer), &peer).into())
        }
    }
}

/// Asks, and once more if the daemon ends meanwhile: with the same key nothing is sent twice.
fn ask(context: &Context, params: SendParams) -> Result<Sent, Failure> {
    let key = params.key.clone().unwrap_or_default();
    let request = Request::Send(params);
    let mut tries = 1;
    loop {
        return Err(match Session::ask(&context.settings, &request) {
            Ok(sent) => return Ok(sent),
            Err(Unanswered::Closed) if tries < TRIES_MAX => {
                tries += 1;
                continue;
            }
            // The daemon says itself what it kept.
            Err(Unanswered::Refused(failure)) => failure,
            Err(Unanswered::Unasked(failure)) if tries == 1 => not_kept(failure),
            // This one, or the one that ended meanwhile, had been asked.
            Err(unanswered) => maybe_kept(unanswered.into(), &key),
        });
    }
}

/// For a message that no daemon was told of.
fn not_kept(failure: Failure) -> Failure {
    Failure { message: format!("{}; the message was not kept", failure.message), ..failure }
}

/// For a message that a daemon was told of and did not answer for.
fn maybe_kept(failure: Failure, key: &str) -> Failure {
    let message = format!("{}; whether the message was kept is not known", failure.message);
    let repeat = format!("repeat the command with --id {key}, so that nothing is sent twice");
    let hint = match failure.hint {
        Some(first) => format!("{first}; then {repeat}"),
        None => repeat,
    };
    Failure { message, hint: Some(hint), ..failure }
}

/// How often a daemon that ends is found anew.
const TRIES_MAX: u32 = 3;

fn show(context: &mut Context, sent: &Sent, peer: &str) -> Result<(), Failed> {
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(sent))?,
        Form::Quiet => context.out.line(&clean_line(&sent.id))?,
        Form::Text => {
            let text = text(sent, peer);
            context.out.line(&text)?;
        }
    }
    Ok(())
}

/// It is said once, whatever becomes of the message.
fn tell_first_contact(context: &mut Context, sent: &Sent, peer: &str) -> Result<(), Failed> {
    if let Some(fingerprint) = &sent.first_contact {
        context.out.remark(&first_contact(fingerprint, peer))?;
    }
    Ok(())
}

fn first_contact(fingerprint: &str, peer: &str) -> String {
    let fingerprint = clean_line(fingerprint);
    format!(
        "first contact with {peer}, key fingerprint {fingerprint}; compare it with: pychatctl \
         verify {peer}"
    )
}

fn text(sent: &Sent, peer: &str) -> String {
    let id = clean_line(&sent.id);
    match sent.state {
        State::Queued => format!("queued on this machine, goes out by itself ({id})"),
        State::Accepted => format!("accepted by the server ({id})"),
        State::Delivered => format!("delivered to {peer} ({id})"),
        State::Read => format!("read by {peer} ({id})"),
        State::Refused => format!("refused by the server ({id})"),
        State::Cancelled => format!("cancelled ({id})"),
        State::Expired => format!("expired before it could be sent ({id})"),
        State::Unread => format!("received ({id})"),
    }
}

/// Where a message stayed behind, the person should know how to look after it.
fn explain(mut failure: Failure, peer: &str) -> Failure {
    if let (None, Some(sent)) = (&failure.hint, &failure.sent) {
        let id = &sent.id;
        failure.hint = match sent.state {
            State::Queued if failure.code == ErrorCode::KeyChanged => Some(format!(
                "it is held until you decide: compare with pychatctl verify {peer}, then pychatctl \
                 trust {peer}; or take it back: pychatctl cancel {id}"
            )),
            State::Queued => Some(format!(
                "it stays queued and goes out by itself; see: pychatctl trace {id}, or take it \
                 back: pychatctl cancel {id}"
            )),
            State::Accepted | State::Delivered => {
                Some(format!("it is on its way; see: pychatctl trace {id}"))
            }
            State::Read | State::Refused | State::Cancelled | State::Expired | State::Unread => {
                None
            }
        };
    }
    failure
}

fn read_text(context: &mut Context) -> Result<String, Failed> {
    if io::stdin().is_terminal() {
        let end = if cfg!(windows) { "Ctrl-Z and Enter" } else { "Ctrl-D" };
        context.out.remark(&format!("type the message, then {end} on a line of its own:"))?;
    }
    let mut bytes = Vec::new();
    // Enough to tell that it is too much.
    let read = io::stdin().lock().take(TEXT_BYTES_MAX as u64 + 3).read_to_end(&mut bytes);
    read.map_err(|error| usage(format!("standard input cannot be read: {error}"), None))?;
    Ok(decode(bytes)?)
}

/// The line end that tools put at the end of their output is no part of the text.
fn decode(bytes: Vec<u8>) -> Result<String, Failure> {
    if bytes.len() > TEXT_BYTES_MAX + 2 {
        let message = format!("standard input holds more than {TEXT_BYTES_MAX} bytes (32 KiB)");
        return Err(usage(message, Some("send it in parts".into())));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let hint = "a message is text; convert it first, for example with iconv";
        usage(format!("standard input is no UTF-8, at byte {at}"), Some(hint.into()))
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn check_body(body: &str) -> Result<(), Failure> {
    let hint = if body.is_empty() { "type some text" } else { "send it in parts" };
    names::check(check_text(body), hint)
}

fn unquoted(peer: &str, words: &[String]) -> Failure {
    let text = words.join(" ").replace('\'', "'\\''");
    usage(
        format!("the text is {} words; put it in quotes", words.len()),
        Some(format!("pychatctl send {peer} '{text}'")),
    )
}

/// A key that nobody else mints: the standard library's hash seeds are random.
pub(super) fn fresh_key() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(state: State) -> Sent {
        Sent { id: "01A".into(), state, first_contact: None }
    }

    #[test]
    fn every_state_is_told() {
        let told = |state| text(&sent(state), "bob");
        insta::assert_snapshot!(told(State::Queued), @"queued on this machine, goes out by itself (01A)");
        insta::assert_snapshot!(told(State::Accepted), @"accepted by the server (01A)");
        insta::assert_snapshot!(told(State::Delivered), @"delivered to bob (01A)");
        insta::assert_snapshot!(told(State::Read), @"read by bob (01A)");
    }

    #[test]
    fn the_shape_of_the_json_stays() {
        let json = serde_json::to_string(&Versioned::new(sent(State::Accepted))).unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"id":"01A","state":"accepted"}"#);
    }

    #[test]
    fn what_became_of_a_message_is_told_with_the_failure() {
        let failure = Failure {
            code: ErrorCode::DaemonUnreachable,
            message: "no daemon".into(),
            hint: Some("start it".into()),
            sent: None,
        };
        let told = not_kept(failure.clone());
        assert_eq!(told.message, "no daemon; the message was not kept");
        assert_eq!(told.hint, failure.hint);
        let told = maybe_kept(failure, "k1");
        assert_eq!(told.message, "no daemon; whether the message was kept is not known");
        insta::assert_snapshot!(told.hint.unwrap(), @"start it; then repeat the command with --id k1, so that nothing is sent twice");
    }

    #[test]
    fn one_line_end_of_standard_input_is_dropped() {
        for (bytes, text) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\n", "")]
        {
            assert_eq!(decode(bytes.into()).unwrap(), text, "{bytes:?}");
        }
    }

    #[test]
    fn standard_input_is_taken_up_to_the_bound() {
        let text = "x".repeat(TEXT_BYTES_MAX);
        assert!(check_body(&decode(format!("{text}\r\n").into()).unwrap()).is_ok());
        assert!(check_body(&decode(format!("{text}x").into()).unwrap()).is_err());
        assert!(decode(format!("{text}xxx").into()).is_err());
    }

    #[test]
    fn input_that_is_no_text_or_nothing_is_refused() {
        let failure = decode(vec![b'a', 0xff]).unwrap_err();
        insta::assert_snapshot!(failure.message, @"standard input is no UTF-8, at byte 1");
        assert_eq!(check_body("").unwrap_err().code, ErrorCode::Usage);
    }

    #[test]
    fn words_without_quotes_are_shown_with_quotes() {
        let failure = unquoted("bob", &["it's".into(), "late".into()]);
        assert_eq!(failure.hint.unwrap(), r"pychatctl send bob 'it'\''s late'");
    }

    #[test]
    fn a_message_that_stays_queued_is_told_so() {
        let hint = |code| {
            let (message, sent) = ("no".to_owned(), Some(sent(State::Queued)));
            explain(Failure { code, message, hint: None, sent }, "bob").hint.unwrap()
        };
        insta::assert_snapshot!(hint(ErrorCode::TimedOut), @"it stays queued and goes out by itself; see: pychatctl trace 01A, or take it back: pychatctl cancel 01A");
        insta::assert_snapshot!(hint(ErrorCode::KeyChanged), @"it is held until you decide: compare with pychatctl verify bob, then pychatctl trust bob; or take it back: pychatctl cancel 01A");
    }

    #[test]
    fn keys_differ() {
        assert_ne!(fresh_key(), fresh_key());
        assert!(check_key(&fresh_key()).is_ok());
    }
}
