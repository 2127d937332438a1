//! `trace ID`: what happened to a message.

use super::{Context, doubts::Doubts};
use crate::{
    cli::IdArgs,
    output::{Failed, Form, Versioned},
    screen::{View, clean_line, of_history},
};
use pychat_control::{Request, Trace};

/// Shows it.
pub(super) fn run(context: &mut Context, args: IdArgs) -> Result<(), Failed> {
    let trace: Trace = context.session()?.call(&Request::Trace { id: args.id })?;
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(&trace))?,
        Form::Text | Form::Quiet => {
            let text = text(&trace, &context.out.view);
            context.out.text(&text)?;
        }
    }
    let mut doubts = Doubts::default();
    doubts.note([&trace.message]);
    doubts.end()
}

/// Steps are told to the millisecond, which is what a trace is for.
fn text(trace: &Trace, view: &View) -> String {
    let mut text = format!("{}\n", view.paint.bold(&clean_line(&trace.message.id)));
    text.push_str(&of_history(&trace.message, view));
    for step in &trace.steps {
        let (at, what) = (clean_line(&step.at), clean_line(&step.what));
        let detail = step.detail.as_deref().map(clean_line).unwrap_or_default();
        let line = format!("  {at}  {what:<9}  {detail}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_control::{Message, State, TraceStep};

    #[test]
    fn the_steps_are_told_in_order() {
        let step = |at: &str, what: &str, detail: Option<&str>| TraceStep {
            at: at.into(),
            what: what.into(),
            detail: detail.map(Into::into),
        };
        let trace = Trace {
            message: Message {
                id: "01KG9".into(),
                from: "alice".into(),
                to: "bob".into(),
                name: "Alice".into(),
                body: "hello".into(),
                sent_at: "2026-01-31T11:59:00.000Z".into(),
                received_at: None,
                state: State::Accepted,
                reason: None,
                trust: None,
                place: None,
            },
            steps: vec![
                step("2026-01-31T11:59:00.000Z", "queued", None),
                step("2026-01-31T11:59:00.004Z", "sent", Some("try 1")),
                step("2026-01-31T11:59:00.040Z", "accepted", None),
            ],
        };
        insta::assert_snapshot!(text(&trace, &View::at_noon()), @r"
        01KG9
        1 min ago  alice -> bob [accepted]: hello
          2026-01-31T11:59:00.000Z  queued
          2026-01-31T11:59:00.004Z  sent       try 1
          2026-01-31T11:59:00.040Z  accepted
        ");
        let json = serde_json::to_string(&Versioned::new(&trace)).unwrap();
        assert!(json.starts_with(r#"{"v":1,"message":{"id":"01KG9","#), "{json}");
    }
}
