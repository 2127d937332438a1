//! `history [PEER]`: earlier messages, oldest first.

mod export;
mod remove;

use super::{Context, doubts::Doubts, peer::meant, users::Listed};
use crate::{
    cli::{HistoryArgs, HistoryCommand, ShowArgs},
    defaults, names,
    output::{Failed, Form},
    screen::{clean_line, of_history},
};
use pychat_control::{Failure, HistoryParams, List, Message, Request};
use std::collections::VecDeque;

/// The most that one answer holds.
const PAGE_LEN: u32 = 200;

/// Shows them, or does what else was typed.
pub(super) fn run(context: &mut Context, args: HistoryArgs) -> Result<(), Failed> {
    let Some(what) = args.what else { return show(context, args.show) };
    if args.show != ShowArgs::default() {
        return Err(misplaced(&args.show, &what).into());
    }
    match what {
        HistoryCommand::Export(args) => export::run(context, &args),
        HistoryCommand::Rm(args) => remove::run(context, args),
    }
}

fn show(context: &mut Context, args: ShowArgs) -> Result<(), Failed> {
    let limit = args.limit.unwrap_or(defaults::HISTORY_LEN);
    let params = params(args)?;
    let mut session = context.session()?;
    let mut items: VecDeque<Message> = VecDeque::new();
    let mut next = params.next.clone();
    loop {
        let wanted = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let page = HistoryParams { limit: wanted.min(PAGE_LEN), next, ..params.clone() };
        let page: List<Message> = session.call(&Request::History(page))?;
        next = page.next;
        if params.after.is_some() {
            // Each page is newer than the one before.
            items.extend(page.items);
        } else {
            for message in page.items.into_iter().rev() {
                items.push_front(message);
            }
        }
        if next.is_none() || items.len() >= limit as usize {
            break;
        }
    }
    let items = Vec::from(items);
    match context.out.form {
        Form::Json => context.out.json(&Listed::versioned(&items, next.as_deref()))?,
        Form::Text | Form::Quiet => {
            if items.is_empty() && context.out.remarks {
                let remark = nothing(context, params.peer.as_deref());
                context.out.remark(&remark)?;
            }
            for message in &items {
                let text = of_history(message, &context.out.view);
                context.out.text(&text)?;
            }
        }
    }
    let mut doubts = Doubts::default();
    doubts.note(&items);
    doubts.end()
}

fn nothing(context: &Context, peer: Option<&str>) -> String {
    let Some(peer) = peer.map(clean_line) else { return "no messages yet".into() };
    match meant(context, &peer) {
        Some(meant) => format!("no messages with {peer}; did you mean {meant}?"),
        None => format!("no messages with {peer} yet"),
    }
}

/// What is asked, from what was typed.
fn params(args: ShowArgs) -> Result<HistoryParams, Failure> {
    let peer = args.peer.or(args.with);
    for user in [&peer, &args.from].into_iter().flatten() {
        names::check_user(user)?;
    }
    Ok(HistoryParams {
        peer,
        from: args.from,
        since: args.since.as_deref().map(names::time).transpose()?,
        until: args.until.as_deref().map(names::time).transpose()?,
        limit: PAGE_LEN,
        next: args.next,
        before: args.before,
        after: args.after,
    })
}

/// For `history bob export`, which may mean two things.
fn misplaced(show: &ShowArgs, what: &HistoryCommand) -> Failure {
    let word = match what {
        HistoryCommand::Export(_) => "export",
        HistoryCommand::Rm(_) => "rm",
    };
    let hint = match &show.peer {
        Some(peer) => format!("pychatctl history {word} {peer}"),
        None => format!("for the user called {word}: pychatctl history --with {word}"),
    };
    names::usage(format!("what `history {word}` is about goes after {word}"), Some(hint))
}
