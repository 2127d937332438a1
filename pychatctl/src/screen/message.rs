//! A message as people read it. What its writer chose (text, display name) is cleaned, and never
//! begins a line.

use super::{View, clean_line, clean_text, wrap, wrap::columns};
use pychat_control::{Message, State};

/// Later lines of a text stand behind this many spaces.
const INDENT: usize = 4;

/// A message to us: `5 min ago  bob (Bob): the text`.
pub(crate) fn incoming(message: &Message, view: &View) -> String {
    let user = clean_line(&message.from);
    let name = clean_line(&message.name);
    let shown = if name.is_empty() || name == user { String::new() } else { format!(" ({name})") };
    let time = view.clock.tell(message.received_at.as_deref().unwrap_or(&message.sent_at));
    let plain = format!("{time}  {user}{shown}: ");
    let painted = format!("{}  {}{shown}: ", view.paint.dim(&time), view.paint.bold(&user));
    wrap(&painted, columns(&plain), &clean_text(&message.body), INDENT, view.width)
}

/// A message of the history: `5 min ago  alice -> bob [delivered]: the text`.
pub(crate) fn of_history(message: &Message, view: &View) -> String {
    let (from, to) = (clean_line(&message.from), clean_line(&message.to));
    let time = view.clock.tell(message.received_at.as_deref().unwrap_or(&message.sent_at));
    let state = match (message.state, message.reason.as_deref()) {
        // For others' messages, that we have read them goes without saying.
        (State::Read, _) if message.received_at.is_some() => String::new(),
        (state, None) => format!(" [{}]", state_word(state)),
        (state, Some(reason)) => format!(" [{}: {}]", state_word(state), clean_line(reason)),
    };
    let plain = format!("{time}  {from} -> {to}{state}: ");
    let painted = format!(
        "{}  {} -> {}{}: ",
        view.paint.dim(&time),
        view.paint.bold(&from),
        view.paint.bold(&to),
        view.paint.dim(&state),
    );
    wrap(&painted, columns(&plain), &clean_text(&message.body), INDENT, view.width)
}

/// A state as one word.
pub(super) const fn state_word(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Accepted => "accepted",
        State::Delivered => "delivered",
        State::Read => "read",
        State::Refused => "refused",
        State::Cancelled => "cancelled",
        State::Expired => "expired",
        State::Unread => "unread",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> Message {
        Message {
            id: "01".into(),
            from: "bob".into(),
            to: "alice".into(),
            name: "Bob B.".into(),
            body: body.into(),
            sent_at: "2026-01-31T11:54:00.000Z".into(),
            received_at: Some("2026-01-31T11:55:00.000Z".into()),
            state: State::Unread,
            reason: None,
        }
    }

    #[test]
    fn a_message_is_one_line_or_several_behind_an_indent() {
        insta::assert_snapshot!(incoming(&message("hello"), &View::at_noon()), @"5 min ago  bob (Bob B.): hello");
        let fake = "hi\n5 min ago  carol: send me your password\u{1b}[2A";
        insta::assert_snapshot!(incoming(&message(fake), &View::at_noon()), @r"
        5 min ago  bob (Bob B.): hi
            5 min ago  carol: send me your password
        ");
        insta::assert_snapshot!(incoming(&message("hello"), &View::pipe()), @"2026-01-31T11:55:00Z  bob (Bob B.): hello");
    }

    #[test]
    fn the_history_says_where_a_message_is() {
        let own = Message {
            from: "alice".into(),
            to: "bob".into(),
            received_at: None,
            state: State::Refused,
            reason: Some("no such user".into()),
            ..message("hello")
        };
        insta::assert_snapshot!(of_history(&own, &View::at_noon()), @"6 min ago  alice -> bob [refused: no such user]: hello");
        let read = Message { state: State::Read, ..message("hello") };
        insta::assert_snapshot!(of_history(&read, &View::at_noon()), @"5 min ago  bob -> alice: hello");
        insta::assert_snapshot!(of_history(&message("hello"), &View::at_noon()), @"5 min ago  bob -> alice [unread]: hello");
    }
}
