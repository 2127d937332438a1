//! `readers`: who takes each message once, and how far it is.

use super::{Context, users::Listed};
use crate::{
    cli::ReadersCommand,
    output::{Failed, Form, Versioned},
    screen::{Table, View, clean_line},
};
use pychat_control::{Empty, List, ReaderState, Request};

/// Shows them, or removes one.
pub(super) fn run(context: &mut Context, what: Option<ReadersCommand>) -> Result<(), Failed> {
    match what {
        None => list(context),
        Some(ReadersCommand::Rm { reader }) => remove(context, &reader),
    }
}

fn list(context: &mut Context) -> Result<(), Failed> {
    let readers: List<ReaderState> = context.ask(&Request::Readers {})?;
    let items = &readers.items;
    match context.out.form {
        Form::Json => context.out.json(&Listed::versioned(items, readers.next.as_deref()))?,
        Form::Quiet => {
            for reader in items {
                context.out.line(&clean_line(&reader.reader))?;
            }
        }
        Form::Text if items.is_empty() => context
            .out
            .remark("no readers yet; a script begins one with: pychatctl inbox --reader NAME")?,
        Form::Text => {
            let text = text(items, &context.out.view);
            context.out.text(&text)?;
        }
    }
    Ok(())
}

fn remove(context: &mut Context, reader: &str) -> Result<(), Failed> {
    let request = Request::RemoveReader { reader: reader.to_owned() };
    let empty: Empty = context.ask(&request)?;
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&empty))?,
        Form::Quiet => {}
        Form::Text => {
            let reader = clean_line(reader);
            context.out.line(&format!("removed {reader}; a new one begins with what is unread"))?;
        }
    }
    Ok(())
}

fn text(readers: &[ReaderState], view: &View) -> String {
    let mut table = Table::new(&["READER", "WAITING", "LAST USED"], 0);
    for reader in readers {
        table.row(vec![
            clean_line(&reader.reader),
            reader.waiting.to_string(),
            view.clock.tell(&reader.used_at),
        ]);
    }
    table.lines(view, |column, _, shown| match column {
        2 => view.paint.dim(&shown),
        _ => shown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers() -> Vec<ReaderState> {
        let reader = |reader: &str, waiting| ReaderState {
            reader: reader.into(),
            place: 41,
            used_at: "2026-01-31T11:55:00.000Z".into(),
            waiting,
        };
        vec![reader("backup-bot", 0), reader("lights", 12)]
    }

    #[test]
    fn readers_are_a_table() {
        insta::assert_snapshot!(text(&readers(), &View::at_noon()), @r"
        READER      WAITING  LAST USED
        backup-bot  0        5 min ago
        lights      12       5 min ago
        ");
    }

    #[test]
    fn the_shape_of_the_json_stays() {
        let json = serde_json::to_string(&Listed::versioned(&readers()[..1], None)).unwrap();
        insta::assert_snapshot!(json, @r#"{"v":1,"items":[{"reader":"backup-bot","place":41,"used_at":"2026-01-31T11:55:00.000Z","waiting":0}],"next":null}"#);
    }
}
