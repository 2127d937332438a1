//! `users`: who is there.

use super::{Context, millis};
use crate::{
    cli::UsersArgs,
    output::{Failed, Form, Versioned},
    screen::{Table, View, clean_line},
};
use pychat_control::{List, Presence, Request, User, UsersParams};
use serde::Serialize;

/// A list as JSON: `next` is there even where nothing follows.
#[derive(Debug, Serialize)]
pub(super) struct Listed<'a, T> {
    items: &'a [T],
    next: Option<&'a str>,
}

impl<'a, T> Listed<'a, T> {
    /// Marks it with the version of its shape.
    pub(super) const fn versioned(items: &'a [T], next: Option<&'a str>) -> Versioned<Self> {
        Versioned::new(Self { items, next })
    }
}

/// Shows them.
pub(super) fn run(context: &mut Context, args: &UsersArgs) -> Result<(), Failed> {
    let params = UsersParams { all: args.all, timeout_ms: millis(context.settings.timeout) };
    let users: List<User> = context.ask(&Request::Users(params))?;
    match context.out.form {
        Form::Json => context.out.json(&Listed::versioned(&users.items, users.next.as_deref()))?,
        Form::Quiet => {
            for user in &users.items {
                context.out.line(&clean_line(&user.user))?;
            }
        }
        Form::Text if users.items.is_empty() => {
            let more = if args.all { "" } else { "; see everybody with: pychatctl users --all" };
            context.out.remark(&format!("nobody is there{more}"))?;
        }
        Form::Text => {
            let text = text(&users.items, &context.out.view);
            context.out.text(&text)?;
        }
    }
    Ok(())
}

fn text(users: &[User], view: &View) -> String {
    let mut table = Table::new(&["USER", "NAME", "STATUS", "SINCE"], 1);
    for user in users {
        let status = match user.status {
            Presence::Online => "online",
            Presence::Away => "away",
            Presence::Offline => "offline",
        };
        table.row(vec![
            clean_line(&user.user),
            clean_line(&user.name),
            status.into(),
            view.clock.tell(&user.since),
        ]);
    }
    table.lines(view, |column, cell, shown| match (column, cell) {
        (2, "online") => view.paint.good(&shown),
        (2, "away") => view.paint.fair(&shown),
        (2 | 3, _) => view.paint.dim(&shown),
        _ => shown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Paint;

    fn users() -> Vec<User> {
        let user = |user: &str, name: &str, status| User {
            user: user.into(),
            name: name.into(),
            status,
            since: "2026-01-31T11:55:00.000Z".into(),
        };
        vec![
            user("alice", "Alice", Presence::Online),
            user("bob", "Bob\u{1b}[2J\nroot", Presence::Away),
            user("a-user-name-of-32-characters-123", &"long ".repeat(13), Presence::Offline),
        ]
    }

    #[test]
    fn users_are_a_table_that_fits_80_columns() {
        insta::assert_snapshot!(text(&users(), &View::at_noon()), @r"
        USER                              NAME                        STATUS   SINCE
        alice                             Alice                       online   5 min ago
        bob                               Bob root                    away     5 min ago
        a-user-name-of-32-characters-123  long long long long long …  offline  5 min ago
        ");
    }

    #[test]
    fn colours_are_beside_the_layout() {
        let view = View { paint: Paint::COLOURED, ..View::at_noon() };
        let first = text(&users()[..1], &view);
        assert!(
            first.ends_with("\u{1b}[32monline\u{1b}[0m  \u{1b}[2m5 min ago\u{1b}[0m\n"),
            "{first:?}"
        );
    }

    #[test]
    fn the_shape_of_the_json_stays() {
        let json = serde_json::to_string(&Listed::versioned(&users()[..1], None)).unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"items":[{"user":"alice","name":"Alice","status":"online","since":"2026-01-31T11:55:00.000Z"}],"next":null}"#);
    }
}
