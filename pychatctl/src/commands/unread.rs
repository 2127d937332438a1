//! `unread`: how many messages wait, and from whom; as a table, or as a line for a status bar.

mod template;

pub(crate) use template::Template;

use super::{
    Context,
    subscription::{Gap, Step, Subscription},
};
use crate::{
    cli::UnreadArgs,
    output::{Failed, Form, Versioned},
    screen::{Table, View, clean_line},
};
use pychat_control::{ErrorCode, EventKind, Failure, Request, Unread};

/// Shows it.
pub(super) fn run(context: &mut Context, args: &UnreadArgs) -> Result<(), Failed> {
    if args.follow {
        return follow(context, args);
    }
    let unread: Unread = context.ask(&Request::Unread {})?;
    if args.if_any && unread.total == 0 {
        return Ok(());
    }
    match (&args.format, context.out.form) {
        (Some(template), _) => context.out.line(&template.fill(&unread))?,
        (None, Form::Json) => context.out.json(&Versioned::new(&unread))?,
        (None, Form::Quiet) => context.out.line(&unread.total.to_string())?,
        (None, Form::Text) if unread.total == 0 => context.out.remark("no unread messages")?,
        (None, Form::Text) => {
            let text = text(&unread, &context.out.view);
            context.out.text(&text)?;
            context.out.remark("read them with: pychatctl inbox")?;
        }
    }
    Ok(())
}

/// A line now and on each change, until interrupted.
fn follow(context: &mut Context, args: &UnreadArgs) -> Result<(), Failed> {
    let mut subscription = Subscription::open(context, None, Gap::Fill)?;
    let mut shown: Option<String> = None;
    loop {
        match subscription.next(context)? {
            Step::TimeUp => return Ok(()),
            Step::Event(event) if !may_change(&event.what) => continue,
            Step::Event(_) | Step::Anew | Step::Resumed => {}
        }
        let unread: Unread = match subscription.session.call(&Request::Unread {}) {
            Err(Failure { code: ErrorCode::DaemonUnreachable, .. }) => {
                subscription.begin_anew();
                continue;
            }
            answer => answer?,
        };
        let line = line(context.out.form, args, &unread);
        if shown.as_ref() != Some(&line) {
            context.out.line(&line)?;
            context.out.flush()?;
            shown = Some(line);
        }
    }
}

const fn may_change(what: &EventKind) -> bool {
    match what {
        EventKind::Message { .. } | EventKind::Shown { .. } => true,
        EventKind::State { .. }
        | EventKind::Connection { .. }
        | EventKind::Presence { .. }
        | EventKind::ServerNotice { .. }
        | EventKind::Contact { .. } => false,
    }
}

/// With `--if-any` an empty one where there are none, so that a bar that showed some is cleared.
fn line(form: Form, args: &UnreadArgs, unread: &Unread) -> String {
    match (&args.format, form) {
        _ if args.if_any && unread.total == 0 => String::new(),
        (Some(template), _) => template.fill(unread),
        (None, Form::Json) => serde_json::to_string(&Versioned::new(unread))
            .unwrap_or_else(|_| unreachable!("texts and numbers are always JSON")),
        (None, Form::Text | Form::Quiet) => unread.total.to_string(),
    }
}
fn text(unread: &Unread, view: &View) -> String {
    let mut table = Table::new(&["FROM", "UNREAD"], 0);
    for item in &unread.items {
        table.row(vec![clean_line(&item.user), item.count.to_string()]);
    }
    if unread.items.len() > 1 {
        table.row(vec!["(all)".into(), unread.total.to_string()]);
    }
    table.lines(view, |_, _, cell| cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_control::UnreadFrom;

    fn unread() -> Unread {
        let from = |user: &str, count| UnreadFrom { user: user.into(), count };
        Unread { total: 5, items: vec![from("bob", 4), from("carol", 1)] }
    }

    #[test]
    fn senders_are_counted() {
        insta::assert_snapshot!(text(&unread(), &View::at_noon()), @r"
        FROM   UNREAD
        bob    4
        carol  1
        (all)  5
        ");
    }

    #[test]
    fn the_shape_of_the_json_stays() {
        let json = serde_json::to_string(&Versioned::new(&unread())).unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"total":5,"items":[{"user":"bob","count":4},{"user":"carol","count":1}]}"#);
    }
}
