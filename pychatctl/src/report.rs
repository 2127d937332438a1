//! How a failed command says so: on standard error, for people or for programs, and as the exit
//! code.

use crate::{
    output::ErrorForm,
    screen::{Paint, clean_text},
};
use clap::error::ErrorKind;
use pychat_control::{ErrorCode, Failure};
use serde::Serialize;
use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

/// Says why the command failed; the exit code is the error's number.
pub(crate) fn failure(failure: &Failure, form: ErrorForm) -> ExitCode {
    let text = match form {
        ErrorForm::Lines => lines(failure, Paint::detect(io::stderr().is_terminal())),
        ErrorForm::Json => json(failure),
    };
    // Without standard error the exit code alone tells.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(failure.code.number())
}

/// Says what is wrong with the command line, or shows the help that was asked for.
pub(crate) fn usage(error: &clap::Error, args: impl Iterator<Item = OsString>) -> ExitCode {
    let asked_for_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked_for_help || !wants_json(args) {
        // Without a terminal there is nobody to tell.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let rendered = error.render().to_string();
    let message = rendered.split("\n\n").next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message).to_owned();
    let tip = rendered.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    let hint = Some(tip.unwrap_or("pychatctl --help").to_owned());
    failure(&Failure { code: ErrorCode::Usage, message, hint, sent: None }, ErrorForm::Json)
}

/// The command line could not be read, so this looks at its words.
fn wants_json(args: impl Iterator<Item = OsString>) -> bool {
    let mut args = args;
    args.any(|arg| arg == "--json" || arg == "--json=true")
}

/// `error:` and `hint:` lines. Parts of them may come from a peer or a server.
fn lines(failure: &Failure, paint: Paint) -> String {
    let mut text = format!("{} {}\n", paint.bad("error:"), clean_text(&failure.message));
    if let Some(hint) = failure.hint.as_deref().or_else(|| default_hint(failure.code)) {
        text.push_str(&format!("{} {}\n", paint.bold("hint:"), clean_text(hint)));
    }
    text
}

fn json(failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        error: Body<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        code: u8,
        name: &'a str,
        message: &'a str,
        hint: Option<&'a str>,
    }
    let body = Body {
        code: failure.code.number(),
        name: failure.code.name(),
        message: &failure.message,
        hint: failure.hint.as_deref().or_else(|| default_hint(failure.code)),
    };
    let mut text = serde_json::to_string(&Line { error: body })
        .unwrap_or_else(|_| unreachable!("texts and numbers are always JSON"));
    text.push('\n');
    text
}

/// What to do where the daemon does not say.
const fn default_hint(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::NotConnected => {
            Some("log in first: pychatctl connect USER NAME --server pychat://HOST:PORT#KEY")
        }
        ErrorCode::NoSuchUser => Some("see who is there: pychatctl users --all"),
        ErrorCode::DaemonUnreachable => Some("start the daemon: pychatctl daemon start"),
        ErrorCode::VersionMismatch => Some("restart the daemon: pychatctl daemon restart"),
        ErrorCode::TimedOut => Some("see how the connection is: pychatctl status"),
        ErrorCode::KeyChanged => Some(
            "ask the server's operator whether its key changed; if so, accept the new one: \
             pychatctl connect USER NAME --trust-key KEY",
        ),
        ErrorCode::Other | ErrorCode::Usage | ErrorCode::LimitReached | ErrorCode::Refused => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> Failure {
        Failure {
            code: ErrorCode::Refused,
            message: "the name bob belongs to \u{1b}[31manother key".into(),
            hint: Some("choose another name".into()),
            sent: None,
        }
    }

    #[test]
    fn people_get_two_lines_without_control_characters() {
        insta::assert_snapshot!(lines(&taken(), Paint::PLAIN), @r"
        error: the name bob belongs to another key
        hint: choose another name
        ");
    }

    #[test]
    fn programs_get_one_object() {
        insta::assert_snapshot!(json(&taken()), @r#"{"error":{"code":10,"name":"refused","message":"the name bob belongs to \u001b[31manother key","hint":"choose another name"}}"#);
    }

    #[test]
    fn whoever_is_not_connected_is_told_what_to_type() {
        let code = ErrorCode::NotConnected;
        let failure = Failure { code, message: "not connected".into(), hint: None, sent: None };
        insta::assert_snapshot!(lines(&failure, Paint::PLAIN), @r"
        error: not connected
        hint: log in first: pychatctl connect USER NAME --server pychat://HOST:PORT#KEY
        ");
    }
}
