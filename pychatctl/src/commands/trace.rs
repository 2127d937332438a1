//! `trace ID`: what happened to a message, how long each step took, and what it waits for now.

use super::{Context, doubts::Doubts};
use crate::{
    cli::IdArgs,
    output::{Failed, Form, Versioned},
    screen::{View, clean_line, of_history},
};
use jiff::Timestamp;
use pychat_control::{Link, Message, Request, State, Status, Trace, TraceStep};

/// Shows it.
pub(super) fn run(context: &mut Context, args: IdArgs) -> Result<(), Failed> {
    let mut session = context.session()?;
    let trace: Trace = session.call(&Request::Trace { id: args.id })?;
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&trace))?,
        Form::Quiet => {
            let text = steps(&trace.steps, &context.out.view);
            context.out.text(&text)?;
        }
        Form::Text => {
            // Without it less is known of what it waits for.
            let status = session.try_call::<Status>(&Request::Status {}).ok();
            let text = text(&trace, status.as_ref(), &context.out.view);
            context.out.text(&text)?;
        }
    }
    let mut doubts = Doubts::default();
    doubts.note([&trace.message]);
    doubts.end()
}

fn text(trace: &Trace, status: Option<&Status>, view: &View) -> String {
    let mut text = format!("{}\n", view.paint.bold(&clean_line(&trace.message.id)));
    text.push_str(&of_history(&trace.message, view));
    text.push_str(&steps(&trace.steps, view));
    for line in now(trace, status) {
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// Told to the millisecond, which is what a trace is for.
fn steps(steps: &[TraceStep], view: &View) -> String {
    let mut text = String::new();
    let mut tries = 0;
    let mut before: Option<&TraceStep> = None;
    for step in steps {
        let span = before.and_then(|before| span(&before.at, &step.at)).unwrap_or_default();
        let what = clean_line(&step.what);
        tries += u32::from(what == SENT);
        let (what, note) = match what.as_str() {
            SENT if tries > 1 => ("sent again".to_owned(), format!("try {tries}")),
            _ => {
                let note = meaning(&what).to_owned();
                (what, note)
            }
        };
        let detail = step.detail.as_deref().map(clean_line);
        let at = view.paint.dim(&view.clock.stamp_exactly(&step.at));
        let line = format!("  {at}  {span:>9}  {what:<10}  {}", detail.unwrap_or(note));
        text.push_str(line.trim_end());
        text.push('\n');
        before = Some(step);
    }
    text
}

/// The step that may come more than once.
const SENT: &str = "sent";

const fn meaning(what: &str) -> &'static str {
    match what.as_bytes() {
        b"queued" => "written to this machine's disk",
        b"sent" => "handed to the network",
        b"accepted" => "safe at the server",
        b"delivered" => "on the recipient's disk",
        b"read" => "shown to the recipient",
        b"cancelled" => "taken back, before it left this machine",
        b"expired" => "given up, before it left this machine",
        b"received" => "written to this machine's disk",
        b"resealed" => "the recipient could not open it: it goes out again, sealed anew",
        _ => "",
    }
}

/// How long a step took.
fn span(from: &str, to: &str) -> Option<String> {
    let (from, to): (Timestamp, Timestamp) = (from.parse().ok()?, to.parse().ok()?);
    let ms = to.as_millisecond().saturating_sub(from.as_millisecond());
    Some(match ms {
        // The clock was set back.
        ..0 => String::new(),
        0..1000 => format!("+{ms} ms"),
        1000..60_000 => format!("+{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("+{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        3_600_000..86_400_000 => format!("+{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
        _ => format!("+{} d {} h", ms / 86_400_000, ms % 86_400_000 / 3_600_000),
    })
}

/// What it waits for, and what can be done.
fn now(trace: &Trace, status: Option<&Status>) -> Vec<String> {
    let message = &trace.message;
    let (id, to) = (clean_line(&message.id), clean_line(&message.to));
    let line = |line: &str| vec![line.to_owned()];
    if message.received_at.is_some() {
        return match message.state {
            State::Unread => line("It waits to be read: pychatctl inbox"),
            _ => line("It was shown here. Nothing is left to be done."),
        };
    }
    match message.state {
        State::Queued => queued(trace, status, &id, &to),
        State::Accepted => vec![
            format!(
                "It waits at the server until {to}'s machine fetches it, which goes by itself."
            ),
            format!("See when {to} was there: pychatctl users --all"),
        ],
        State::Delivered => {
            vec![format!("It waits until {to} looks at it. Nothing is left to be done.")]
        }
        State::Read => vec![format!("{to} has seen it. Nothing is left to be done.")],
        State::Refused => vec![
            format!("It will not arrive: the server refused it{}.", why(message)),
            format!("Once that is mended, send it anew: pychatctl send {to} TEXT"),
        ],
        State::Cancelled => vec![format!("It was taken back: {to} does not get it.")],
        State::Expired => vec![
            format!("It was given up in time: {to} does not get it."),
            format!("Send it anew, with a longer --expire or none: pychatctl send {to} TEXT"),
        ],
        // Not of a message of ours.
        State::Unread => Vec::new(),
    }
}

fn queued(trace: &Trace, status: Option<&Status>, id: &str, to: &str) -> Vec<String> {
    let is_held = |status: &Status| status.changed_keys.contains(&trace.message.to);
    let was_sent = trace.steps.iter().any(|step| step.what == SENT);
    let mut lines = match status {
        Some(status) if is_held(status) => vec![
            format!("It is held, as {to}'s key changed: compare with pychatctl verify {to},"),
            format!("then let it go out: pychatctl trust {to}"),
        ],
        Some(Status { link: Link::Disconnected | Link::Refused, .. }) => vec![
            "It waits for a login, and then goes out by itself: pychatctl connect USER NAME".into(),
            "Why there is none: pychatctl status".into(),
        ],
        Some(Status { link: Link::Connecting, .. }) => vec![
            "It waits for a connection to the server, and then goes out by itself.".into(),
            "What stands in the way: pychatctl status".into(),
        ],
        Some(Status { link: Link::Connected, .. }) | None if was_sent => {
            vec!["It waits for the server's answer, and is sent again until that comes.".into()]
        }
        Some(Status { link: Link::Connected, .. }) | None => {
            vec!["It goes out by itself as soon as it can.".into()]
        }
    };
    if !was_sent {
        lines.push(format!("To take it back: pychatctl cancel {id}"));
    }
    lines
}

fn why(message: &Message) -> String {
    message.reason.as_deref().map(|why| format!(" ({})", clean_line(why))).unwrap_or_default()
}

#[cfg(test)]
mod tests;
