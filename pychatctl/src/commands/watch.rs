//! `watch`: what happens, as it happens.

use super::{
    Context,
    doubts::Doubts,
    subscription::{Gap, Step, Subscription, end_in_time},
};
use crate::{
    cli::{EventName, WatchArgs},
    output::{Failed, Form},
    screen::event_line,
};
use pychat_control::EventKind;

/// Shows it until interrupted, until `-n` events were shown, or until the time is up.
pub(super) fn run(context: &mut Context, args: &WatchArgs) -> Result<(), Failed> {
    let mut left = args.limit;
    let mut doubts = Doubts::default();
    // An event that is missed is nowhere else, so a gap is an error.
    let mut subscription = Subscription::open(context, args.after, Gap::Refuse)?;
    loop {
        let event = match subscription.next(context)? {
            Step::Anew | Step::Resumed => continue,
            Step::TimeUp => {
                doubts.end()?;
                return end_in_time(args.limit, left, "events");
            }
            Step::Event(event) => event,
        };
        if !args.events.is_empty() && !args.events.contains(&name(&event.what)) {
            continue;
        }
        match context.out.form {
            Form::Json => context.out.json(&event)?,
            Form::Text | Form::Quiet => {
                let line = event_line(&event, &context.out.view);
                context.out.line(&line)?;
            }
        }
        context.out.flush()?;
        if let EventKind::Message { message } = &event.what {
            doubts.note([message]);
        }
        left = left.map(|left| left - 1);
        if left == Some(0) {
            return doubts.end();
        }
    }
}

const fn name(what: &EventKind) -> EventName {
    match what {
        EventKind::Message { .. } => EventName::Message,
        EventKind::State { .. } => EventName::State,
        EventKind::Shown { .. } => EventName::Shown,
        EventKind::Connection { .. } => EventName::Connection,
        EventKind::Presence { .. } => EventName::Presence,
        EventKind::ServerNotice { .. } => EventName::ServerNotice,
        EventKind::Contact { .. } => EventName::Contact,
    }
}
