//! `doctor`: looks at everything that can stand in the way, and says what to do next.

mod account;
mod local;
mod path;
#[cfg(test)]
mod tests;

use super::{Context, users::Listed};
use crate::{
    output::{Failed, Form},
    screen::{View, clean_line, clean_text, wrap},
    session::Session,
};
use pychat_control::{Diagnosis, ErrorCode, Failure, Request, Status};
use serde::Serialize;

/// What was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    state: Health,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    /// As it should be.
    Good,
    /// It works, and something is to be known.
    Fair,
    /// It stands in the way.
    Bad,
}

impl Finding {
    fn good(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: Health::Good, message: message.into(), hint: None }
    }

    fn fair(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { check, state: Health::Fair, message: message.into(), hint }
    }

    fn bad(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { check, state: Health::Bad, message: message.into(), hint }
    }
}

/// Looks, and shows what was found.
pub(super) fn run(context: &mut Context) -> Result<(), Failed> {
    let findings = examine(context);
    match context.out.form {
        Form::Json => context.out.json(&Listed::versioned(&findings, None))?,
        Form::Quiet => {
            for finding in findings.iter().filter(|finding| finding.state == Health::Bad) {
                context.out.line(&clean_line(&finding.message))?;
            }
        }
        Form::Text => {
            let text = text(&findings, &context.out.view);
            context.out.text(&text)?;
        }
    }
    context.out.flush()?;
    let bad = findings.iter().filter(|finding| finding.state == Health::Bad).count();
    match bad {
        0 => Ok(()),
        bad => Err(Failed::from(stands_in_the_way(bad, &findings))),
    }
}

/// The first thing in the way is what the others may come from.
fn stands_in_the_way(bad: usize, findings: &[Finding]) -> Failure {
    let message = match bad {
        1 => "one thing stands in the way".to_owned(),
        bad => format!("{bad} things stand in the way"),
    };
    let first = findings.iter().find(|finding| finding.state == Health::Bad);
    let hint = first.and_then(|finding| finding.hint.clone());
    Failure { code: ErrorCode::Other, message, hint, sent: None }
}

fn examine(context: &Context) -> Vec<Finding> {
    let settings = &context.settings;
    let mut findings = vec![local::files(&settings.place), local::disk(&settings.place)];
    let (daemon, session) = daemon(context);
    findings.push(daemon);
    let Some(mut session) = session else { return findings };
    let asked = session.call::<Status>(&Request::Status {}).and_then(|status| {
        session.call::<Diagnosis>(&Request::Diagnose {}).map(|diagnosis| (status, diagnosis))
    });
    let (status, diagnosis) = match asked {
        Ok(asked) => asked,
        Err(failure) => {
            let hint = "restart the daemon: pychatctl daemon restart";
            findings.push(Finding::bad(
                "daemon",
                failure.message,
                failure.hint.unwrap_or(hint.into()),
            ));
            return findings;
        }
    };
    findings.extend(local::logout(session.hello.pid));
    findings.extend(account::database(&status, &diagnosis));
    findings.push(account::login(&status, &diagnosis));
    if status.user.is_some() {
        findings.extend(path::path(&status, &diagnosis, path::probe));
        findings.extend(path::node(&status));
        findings.extend(path::clock(&diagnosis));
    }
    findings.extend(account::server(&diagnosis));
    findings.extend(account::keys(&status));
    findings.extend(account::hooks(&status));
    findings
}

/// Whether the daemon is there, or can be started, and is of our version.
fn daemon(context: &Context) -> (Finding, Option<Session>) {
    match Session::open(&context.settings) {
        Ok(session) => {
            let (ours, theirs) = (env!("CARGO_PKG_VERSION"), session.hello.version.as_str());
            let finding = if ours == theirs {
                Finding::good("daemon", format!("running (pid {}, {theirs})", session.hello.pid))
            } else {
                Finding::fair(
                    "daemon",
                    format!("of another version: it is {theirs}, pychatctl is {ours}"),
                    "restart the daemon: pychatctl daemon restart",
                )
            };
            (finding, Some(session))
        }
        Err(failure) => {
            let hint = failure.hint.unwrap_or_else(|| "start it: pychatctl daemon start".into());
            (Finding::bad("daemon", failure.message, hint), None)
        }
    }
}

fn text(findings: &[Finding], view: &View) -> String {
    let mut out = String::new();
    for finding in findings {
        let (mark, painted) = match finding.state {
            Health::Good => ("ok", view.paint.good("ok")),
            Health::Fair => ("note", view.paint.fair("note")),
            Health::Bad => ("BAD", view.paint.bad("BAD")),
        };
        let gap = " ".repeat(MARK_COLUMNS - mark.len());
        let (name, message) = (finding.check, clean_text(&finding.message));
        let first = format!("{painted}{gap}{name:<NAME_COLUMNS$}  ");
        let indent = MARK_COLUMNS + NAME_COLUMNS + 2;
        out.push_str(&wrap(&first, indent, &message, indent, view.width));
        if let Some(hint) = &finding.hint {
            let arrow = format!("{}-> ", " ".repeat(indent));
            out.push_str(&wrap(&arrow, arrow.len(), &clean_text(hint), indent + 3, view.width));
        }
    }
    out
}

/// The longest mark and a gap.
const MARK_COLUMNS: usize = 6;

/// The longest check's name.
const NAME_COLUMNS: usize = 8;
