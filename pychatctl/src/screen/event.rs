//! An event as one line: when, what kind, and what happened.

use super::{View, clean_line, message::state_word, wrap::cut_to};
use pychat_control::{
    Contact, ContactState, Event, EventKind, Link, Message, Presence, State, Trust, User,
};

/// `12:00:00  message     bob (Bob): the text`. Nothing that others wrote begins the line, and nothing
/// ends it.
pub(crate) fn event_line(event: &Event, view: &View) -> String {
    let time = view.clock.stamp(&event.at);
    let (kind, told) = match &event.what {
        EventKind::Message { message } => ("message", arrived(message)),
        EventKind::State { id, state, reason } => ("state", got_further(id, *state, reason)),
        EventKind::Shown { from, id } => {
            ("shown", format!("you read {}'s {}", clean_line(from), clean_line(id)))
        }
        EventKind::Connection { state } => ("connection", link_words(*state).to_owned()),
        EventKind::Presence { user } => ("presence", came_or_went(user)),
        EventKind::ServerNotice { text } => {
            ("notice", format!("from the server's operator: {}", clean_line(text)))
        }
        EventKind::Contact { contact } => ("contact", known(contact)),
    };
    let line = cut_to(&format!("{time}  {kind:<10}  {told}"), view.width);
    match line.strip_prefix(&time) {
        Some(rest) => format!("{}{rest}", view.paint.dim(&time)),
        None => line,
    }
}

fn arrived(message: &Message) -> String {
    let (from, name) = (clean_line(&message.from), clean_line(&message.name));
    let shown = if name.is_empty() || name == from { String::new() } else { format!(" ({name})") };
    let (note, body) = match message.trust {
        None => ("", clean_line(&message.body)),
        Some(Trust::FirstContact) => (" [first message]", clean_line(&message.body)),
        Some(Trust::KeyChanged) => (" [KEY CHANGED]", clean_line(&message.body)),
        Some(Trust::Unopened) => ("", "[this text could not be opened]".to_owned()),
    };
    format!("{from}{shown}{note}: {body}")
}

fn got_further(id: &str, state: State, reason: &Option<String>) -> String {
    let why = reason.as_deref().map(|why| format!(": {}", clean_line(why))).unwrap_or_default();
    format!("{} is {}{why}", clean_line(id), state_word(state))
}

const fn link_words(link: Link) -> &'static str {
    match link {
        Link::Disconnected => "disconnected",
        Link::Connecting => "connecting to the server",
        Link::Connected => "connected to the server",
        Link::Refused => "the server refused the login",
    }
}

fn came_or_went(user: &User) -> String {
    let (user_name, name) = (clean_line(&user.user), clean_line(&user.name));
    let status = match user.status {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Offline => "offline",
    };
    format!("{user_name} ({name}) is {status}")
}

fn known(contact: &Contact) -> String {
    let user = clean_line(&contact.user);
    match contact.state {
        ContactState::Pinned => format!("{user}'s key was pinned"),
        ContactState::Verified => format!("{user}'s key is verified"),
        ContactState::Changed => {
            format!("{user}'s key CHANGED; compare: pychatctl verify {user}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Width;

    fn lines(events: &str, view: &View) -> String {
        let event = |line| event_line(&serde_json::from_str(line).unwrap(), view) + "\n";
        events.lines().map(event).collect()
    }

    const EVENTS: &str = r#"{"cursor":5,"at":"2026-01-31T11:59:58.120Z","event":"message","message":{"id":"01A","from":"bob","to":"alice","name":"Bob\u001b[2J B.","body":"hello\nyou","sent_at":"2026-01-31T11:59:58.000Z","state":"unread"}}
{"cursor":6,"at":"2026-01-31T11:59:59.000Z","event":"state","id":"01B","state":"delivered"}
{"cursor":7,"at":"2026-01-31T11:59:59.000Z","event":"state","id":"01C","state":"refused","reason":"no such\nuser"}
{"cursor":8,"at":"2026-01-30T08:00:00.000Z","event":"shown","from":"bob","id":"01A"}
{"at":"2026-01-31T12:00:00.000Z","event":"connection","state":"connecting"}
{"at":"2026-01-31T12:00:00.000Z","event":"presence","user":{"user":"bob","name":"Bob","status":"away","since":"2026-01-31T11:55:00.000Z"}}
{"at":"2026-01-31T12:00:00.000Z","event":"contact","contact":{"user":"bob","state":"changed","fingerprint":"0123","since":"2026-01-31T11:55:00.000Z"}}"#;

    #[test]
    fn each_event_is_one_line() {
        insta::assert_snapshot!(lines(EVENTS, &View::at_noon()), @r"
        11:59:58  message     bob (Bob B.): hello you
        11:59:59  state       01B is delivered
        11:59:59  state       01C is refused: no such user
        2026-01-30 08:00:00  shown       you read bob's 01A
        12:00:00  connection  connecting to the server
        12:00:00  presence    bob (Bob) is away
        12:00:00  contact     bob's key CHANGED; compare: pychatctl verify bob
        ");
        insta::assert_snapshot!(lines(EVENTS, &View::pipe()), @r"
        2026-01-31T11:59:58Z  message     bob (Bob B.): hello you
        2026-01-31T11:59:59Z  state       01B is delivered
        2026-01-31T11:59:59Z  state       01C is refused: no such user
        2026-01-30T08:00:00Z  shown       you read bob's 01A
        2026-01-31T12:00:00Z  connection  connecting to the server
        2026-01-31T12:00:00Z  presence    bob (Bob) is away
        2026-01-31T12:00:00Z  contact     bob's key CHANGED; compare: pychatctl verify bob
        ");
    }

    #[test]
    fn a_line_fits_the_terminal() {
        let view = View { width: Width::Columns(40), ..View::at_noon() };
        let lines = lines(EVENTS, &view);
        assert!(lines.lines().all(|line| line.chars().count() <= 40), "{lines}");
    }
}
