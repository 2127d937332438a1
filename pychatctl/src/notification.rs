//! A desktop notification, for the daemon: shown by a process of its own, so that the bus's library stays out
//! of the daemon, and a bus that hangs is left after the time limit.

use pychat_control::{Message, NOTIFY_JOB};
use std::{
    collections::BTreeSet,
    io::{self, BufRead, Read},
    process::ExitCode,
};

/// More than one page of messages.
const INPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Of a text: more does not fit a notification.
const TEXT_CHARS_SHOWN: usize = 200;

/// Senders that are named where several messages wait.
const SENDERS_NAMED: usize = 3;

/// What of a message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Sender,
    Text,
}

/// Shows the messages on standard input, if it is the daemon that asks for that. It is no verb: nobody
/// types it.
pub(crate) fn answer_daemon() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != NOTIFY_JOB {
        return None;
    }
    let shown = if words.next()? == "text" { Shown::Text } else { Shown::Sender };
    Some(match read().and_then(|messages| show(&messages, shown)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    })
}

fn read() -> Result<Vec<Message>, String> {
    let lines = io::stdin().lock().take(INPUT_BYTES_MAX).lines();
    let message = |line: io::Result<String>| {
        let line = line.map_err(|error| error.to_string())?;
        serde_json::from_str(&line).map_err(|error| error.to_string())
    };
    lines.map(message).collect()
}

/// Shows them as one notification.
#[cfg(all(unix, not(target_os = "macos")))]
fn show(messages: &[Message], shown: Shown) -> Result<(), String> {
    use notify_rust::{Notification, Urgency};
    let Some((summary, body)) = texts(messages, shown) else { return Ok(()) };
    let shown = Notification::new()
        .appname("PyChat")
        .summary(&summary)
        .body(&body)
        .icon("mail-message-new")
        .urgency(Urgency::Normal)
        .show();
    shown.map(drop).map_err(|error| format!("no notification can be shown: {error}"))
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn show(messages: &[Message], shown: Shown) -> Result<(), String> {
    match texts(messages, shown) {
        Some(_) => Err("there is no session bus on this system to show a notification".into()),
        None => Ok(()),
    }
}

/// What a notification says: its heading and its text.
fn texts(messages: &[Message], shown: Shown) -> Option<(String, String)> {
    let name = |message: &Message| match message.name.is_empty() {
        true => message.from.clone(),
        false => format!("{} ({})", plain(&message.name), message.from),
    };
    match messages {
        [] => None,
        [message] if shown == Shown::Text => Some((name(message), escaped(&message.body))),
        [message] => Some((name(message), "wrote a message".into())),
        many => {
            let senders: BTreeSet<&str> = many.iter().map(|m| m.from.as_str()).collect();
            let named: Vec<&str> = senders.iter().copied().take(SENDERS_NAMED).collect();
            let more = match senders.len() - named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Some((format!("{} messages", many.len()), format!("from {}{more}", named.join(", "))))
        }
    }
}

/// Without controls: they mean something to some of those who show it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_SHOWN).collect()
}

/// A notification's text is markup.
fn escaped(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_control::State;

    fn message(from: &str, body: &str) -> Message {
        Message {
            id: "01".into(),
            from: from.into(),
            to: "us".into(),
            name: "Bob".into(),
            body: body.into(),
            sent_at: String::new(),
            received_at: None,
            state: State::Unread,
            reason: None,
            trust: None,
            place: Some(1),
        }
    }

    #[test]
    fn one_message_is_told_with_its_text_where_that_is_wanted() {
        let one = [message("bob", "<b>hi</b>\n& bye\u{1b}[2J")];
        let (summary, body) = texts(&one, Shown::Text).unwrap();
        assert_eq!(
            (summary.as_str(), body.as_str()),
            ("Bob (bob)", "&lt;b&gt;hi&lt;/b&gt; &amp; bye [2J")
        );
        assert_eq!(texts(&one, Shown::Sender).unwrap().1, "wrote a message");
        assert_eq!(texts(&[], Shown::Text), None);
    }

    #[test]
    fn many_messages_are_told_as_one_line() {
        let many: Vec<Message> =
            ["dan", "bob", "bob", "carol", "alice"].iter().map(|from| message(from, "x")).collect();
        let (summary, body) = texts(&many, Shown::Text).unwrap();
        assert_eq!(
            (summary.as_str(), body.as_str()),
            ("5 messages", "from alice, bob, carol and 1 more")
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = [message("bob", &"&".repeat(1000))];
        assert_eq!(texts(&long, Shown::Text).unwrap().1, "&amp;".repeat(TEXT_CHARS_SHOWN));
    }
}
