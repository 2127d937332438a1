//! `contacts`: whom we know by key, and how well.

use super::{Context, users::Listed};
use crate::{
    output::{Failed, Form},
    screen::{Table, View, clean_line},
};
use pychat_control::{Contact, ContactState, List, Request};

/// Shows them.
pub(super) fn run(context: &mut Context) -> Result<(), Failed> {
    let contacts: List<Contact> = context.ask(&Request::Contacts {})?;
    let (items, next) = (&contacts.items, contacts.next.as_deref());
    match context.out.form {
        Form::Json => context.out.json(&Listed::versioned(items, next))?,
        Form::Quiet => {
            for contact in items {
                context.out.line(&clean_line(&contact.user))?;
            }
        }
        Form::Text if items.is_empty() => context.out.remark(
            "no contacts yet: whoever you exchange messages with becomes one, known by key",
        )?,
        Form::Text => {
            let text = text(items, &context.out.view);
            context.out.text(&text)?;
            if let Some(advice) = advice(items) {
                context.out.remark(&advice)?;
            }
        }
    }
    Ok(())
}

/// A state as one word. What needs a person's decision stands out without colour too.
const fn word(state: ContactState) -> &'static str {
    match state {
        ContactState::Pinned => "pinned",
        ContactState::Verified => "verified",
        ContactState::Changed => "CHANGED",
    }
}

fn text(contacts: &[Contact], view: &View) -> String {
    // The column takes room that a fingerprint needs, and mostly has nothing to say.
    let any_held = contacts.iter().any(|contact| contact.held > 0);
    let mut heads = vec!["USER", "STATE", "FINGERPRINT", "SINCE"];
    if any_held {
        heads.push("HELD");
    }
    let mut table = Table::new(&heads, 2);
    for contact in contacts {
        let mut row = vec![
            clean_line(&contact.user),
            word(contact.state).into(),
            clean_line(&contact.fingerprint),
            view.clock.tell(&contact.since),
        ];
        if any_held {
            row.push(contact.held.to_string());
        }
        table.row(row);
    }
    table.lines(view, |column, cell, shown| match (column, cell) {
        (1, "CHANGED") => view.paint.bad(&shown),
        (1, "verified") => view.paint.good(&shown),
        (3, _) => view.paint.dim(&shown),
        _ => shown,
    })
}

/// What to do for those whose key changed.
fn advice(contacts: &[Contact]) -> Option<String> {
    let mut changed = contacts.iter().filter(|contact| contact.state == ContactState::Changed);
    let first = clean_line(&changed.next()?.user);
    let user = if changed.next().is_some() { "USER" } else { &first };
    Some(format!("CHANGED: compare with pychatctl verify {user}, then pychatctl trust {user}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        output::Versioned,
        screen::{Paint, Width},
    };

    fn contacts() -> Vec<Contact> {
        let contact = |user: &str, state, since: &str| Contact {
            user: user.into(),
            state,
            fingerprint: "0123 4567 89ab cdef 0123 4567 89ab cdef".into(),
            since: since.into(),
            offered: None,
            held: 0,
        };
        vec![
            contact("alice", ContactState::Verified, "2026-01-01T09:00:00.000Z"),
            Contact {
                offered: Some("cdef 89ab 4567 0123 cdef 89ab 4567 0123".into()),
                held: 2,
                ..contact("bob", ContactState::Changed, "2026-01-31T11:55:00.000Z")
            },
            contact("c\u{1b}[2Jarol", ContactState::Pinned, "2026-01-31T11:00:00.000Z"),
        ]
    }

    #[test]
    fn contacts_are_a_table_that_fits_80_columns() {
        insta::assert_snapshot!(text(&contacts(), &View::at_noon()), @r"
        USER   STATE     FINGERPRINT                              SINCE             HELD
        alice  verified  0123 4567 89ab cdef 0123 4567 89ab cdef  2026-01-01 09:00  0
        bob    CHANGED   0123 4567 89ab cdef 0123 4567 89ab cdef  5 min ago         2
        carol  pinned    0123 4567 89ab cdef 0123 4567 89ab cdef  1 h ago           0
        ");
        insta::assert_snapshot!(text(&contacts()[..1], &View::at_noon()), @r"
        USER   STATE     FINGERPRINT                              SINCE
        alice  verified  0123 4567 89ab cdef 0123 4567 89ab cdef  2026-01-01 09:00
        ");
        let long =
            Contact { user: "a-user-name-of-32-characters-123".into(), ..contacts().remove(0) };
        let lines = text(&[long], &View { width: Width::Columns(80), ..View::at_noon() });
        assert!(lines.lines().all(|line| line.chars().count() <= 80), "{lines}");
        assert!(text(&contacts(), &View::pipe()).contains("2026-01-31T11:55:00Z"));
    }

    #[test]
    fn who_changed_stands_out() {
        let view = View { paint: Paint::COLOURED, ..View::at_noon() };
        assert!(text(&contacts(), &view).contains("\u{1b}[1;31mCHANGED\u{1b}[0m"));
        insta::assert_snapshot!(advice(&contacts()).unwrap(), @"CHANGED: compare with pychatctl verify bob, then pychatctl trust bob");
        let two = [contacts(), contacts()].concat();
        insta::assert_snapshot!(advice(&two).unwrap(), @"CHANGED: compare with pychatctl verify USER, then pychatctl trust USER");
        assert_eq!(advice(&contacts()[..1]), None);
    }

    #[test]
    fn the_shape_of_the_json_stays() {
        let json = serde_json::to_string(&Listed::versioned(&contacts()[..2], None)).unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"items":[{"user":"alice","state":"verified","fingerprint":"0123 4567 89ab cdef 0123 4567 89ab cdef","since":"2026-01-01T09:00:00.000Z"},{"user":"bob","state":"changed","fingerprint":"0123 4567 89ab cdef 0123 4567 89ab cdef","since":"2026-01-31T11:55:00.000Z","offered":"cdef 89ab 4567 0123 cdef 89ab 4567 0123","held":2}],"next":null}"#);
        let first = serde_json::to_string(&Versioned::new(&contacts()[0])).unwrap();
        assert!(!first.contains("held") && !first.contains("offered"), "{first}");
    }
}
