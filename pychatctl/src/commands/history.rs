//! `history [PEER]`: earlier messages, oldest first.

use super::{Context, doubts::Doubts, users::Listed};
use crate::{
    cli::HistoryArgs,
    defaults, names,
    output::{Failed, Form},
    screen::of_history,
};
use pychat_control::{HistoryParams, List, Message, Request};
use std::collections::VecDeque;

/// The most that one answer holds.
const PAGE_LEN: u32 = 200;

/// Shows them.
pub(super) fn run(context: &mut Context, args: HistoryArgs) -> Result<(), Failed> {
    if let Some(peer) = &args.peer {
        names::check_user(peer)?;
    }
    let limit = args.limit.unwrap_or(defaults::HISTORY_LEN);
    let mut session = context.session()?;
    let mut items: VecDeque<Message> = VecDeque::new();
    let mut next = args.next;
    loop {
        let wanted = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let params = HistoryParams {
            peer: args.peer.clone(),
            limit: wanted.min(PAGE_LEN),
            next,
            ..HistoryParams::default()
        };
        let page: List<Message> = session.call(&Request::History(params))?;
        next = page.next;
        // Each page is older than the one before.
        for message in page.items.into_iter().rev() {
            items.push_front(message);
        }
        if next.is_none() || items.len() >= limit as usize {
            break;
        }
    }
    let items = Vec::from(items);
    match context.out.form {
        Form::Json => context.out.json(&Listed::versioned(&items, next.as_deref()))?,
        Form::Text | Form::Quiet => {
            if items.is_empty() {
                context.out.remark("no messages yet")?;
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
