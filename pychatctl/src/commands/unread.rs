//! `unread`: how many messages wait, and from whom.

use super::Context;
use crate::{
    output::{Failed, Form, Versioned},
    screen::{Table, View, clean_line},
};
use pychat_control::{Request, Unread};

/// Shows it.
pub(super) fn run(context: &mut Context) -> Result<(), Failed> {
    let unread: Unread = context.session()?.call(&Request::Unread {})?;
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&unread))?,
        Form::Quiet => context.out.line(&unread.total.to_string())?,
        Form::Text if unread.total == 0 => context.out.remark("no unread messages")?,
        Form::Text => {
            let text = text(&unread, &context.out.view);
            context.out.text(&text)?;
            context.out.remark("read them with: pychatctl inbox")?;
        }
    }
    Ok(())
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
