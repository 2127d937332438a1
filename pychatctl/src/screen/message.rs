//! A message as people read it. What its writer chose (text, display name) is cleaned, and never
//! begins a line.

use super::{View, clean_body, clean_line, wrap, wrap::columns};
use pychat_control::{Message, State, Trust};
use std::borrow::Cow;

/// Later lines of a text stand behind this many spaces.
pub(super) const INDENT: usize = 4;

/// A message to us: `5 min ago  bob (Bob): the text`. What is to be known of its key stands before it.
pub(crate) fn incoming(message: &Message, view: &View) -> String {
    let user = clean_line(&message.from);
    let name = clean_line(&message.name);
    let shown = if name.is_empty() || name == user { String::new() } else { format!(" ({name})") };
    let time = view.clock.tell(message.received_at.as_deref().unwrap_or(&message.sent_at));
    let plain = format!("{time}  {user}{shown}: ");
    let painted = format!("{}  {}{shown}: ", view.paint.dim(&time), view.paint.bold(&user));
    layout(message, &plain, &painted, view)
}

/// A message of the history: `5 min ago  alice -> bob [delivered]: the text`.
pub(crate) fn of_history(message: &Message, view: &View) -> String {
    let (plain, painted) = heading(message, view);
    layout(message, &plain, &painted, view)
}

/// What stands before a message's text in the history: without colours, which tells its width, and
/// with them.
pub(super) fn heading(message: &Message, view: &View) -> (String, String) {
    let (from, to) = (clean_line(&message.from), clean_line(&message.to));
    let time = view.clock.tell(message.received_at.as_deref().unwrap_or(&message.sent_at));
    let state = state_note(message);
    let plain = format!("{time}  {from} -> {to}{state}: ");
    let painted = format!(
        "{}  {} -> {}{}: ",
        view.paint.dim(&time),
        view.paint.bold(&from),
        view.paint.bold(&to),
        view.paint.dim(&state),
    );
    (plain, painted)
}

/// Where a message is, in brackets behind a space.
pub(super) fn state_note(message: &Message) -> String {
    match (message.state, message.reason.as_deref()) {
        // For others' messages, that we have read them goes without saying.
        (State::Read, _) if message.received_at.is_some() => String::new(),
        (state, None) => format!(" [{}]", state_word(state)),
        (state, Some(reason)) => format!(" [{}: {}]", state_word(state), clean_line(reason)),
    }
}

fn layout(message: &Message, plain: &str, painted: &str, view: &View) -> String {
    let text = wrap(painted, columns(plain), &body(message), INDENT, view.width);
    note(message, view) + &text
}

/// The text, or what stands in its place where no key opened it.
pub(super) fn body(message: &Message) -> Cow<'_, str> {
    match message.trust {
        Some(Trust::Unopened) => {
            let from = clean_line(&message.from);
            format!("[this text could not be opened; ask {from} to send it again]").into()
        }
        None | Some(Trust::FirstContact | Trust::KeyChanged) => clean_body(&message.body).into(),
    }
}

/// A line before the message, where there is something to say about its key. The message cannot
/// counterfeit it, as it never begins a line.
pub(super) fn note(message: &Message, view: &View) -> String {
    let from = clean_line(&message.from);
    match message.trust {
        None | Some(Trust::Unopened) => String::new(),
        Some(Trust::FirstContact) => {
            let note = format!("first message of {from}; compare keys: pychatctl verify {from}");
            format!("{}\n", view.paint.dim(&note))
        }
        Some(Trust::KeyChanged) => {
            let note = format!(
                "{from}'s key changed, so somebody else may have written this; compare keys: \
                 pychatctl verify {from}"
            );
            let warning = "warning:";
            let painted = format!("{} ", view.paint.bad(warning));
            wrap(&painted, columns(warning) + 1, &note, INDENT, view.width)
        }
    }
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
            trust: None,
            place: None,
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

    #[test]
    fn what_is_to_be_known_of_the_key_stands_before_the_message() {
        let told = |trust| {
            let message = Message { trust: Some(trust), ..message("hello") };
            incoming(&message, &View::at_noon())
        };
        insta::assert_snapshot!(told(Trust::FirstContact), @r"
        first message of bob; compare keys: pychatctl verify bob
        5 min ago  bob (Bob B.): hello
        ");
        insta::assert_snapshot!(told(Trust::KeyChanged), @r"
        warning: bob's key changed, so somebody else may have written this; compare
            keys: pychatctl verify bob
        5 min ago  bob (Bob B.): hello
        ");
        let changed = Message { trust: Some(Trust::KeyChanged), ..message("hello") };
        insta::assert_snapshot!(of_history(&changed, &View::pipe()), @r"
        warning: bob's key changed, so somebody else may have written this; compare keys: pychatctl verify bob
        2026-01-31T11:55:00Z  bob -> alice [unread]: hello
        ");
    }

    #[test]
    fn a_text_that_was_not_opened_has_a_placeholder() {
        let unopened = Message { trust: Some(Trust::Unopened), ..message("") };
        insta::assert_snapshot!(incoming(&unopened, &View::at_noon()), @r"
        5 min ago  bob (Bob B.): [this text could not be opened; ask bob to send it
            again]
        ");
        insta::assert_snapshot!(of_history(&unopened, &View::pipe()), @"2026-01-31T11:55:00Z  bob -> alice [unread]: [this text could not be opened; ask bob to send it again]");
    }
}
