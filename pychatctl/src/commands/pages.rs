//! Lists longer than one answer: pages asked for until enough is there.

use crate::session::Session;
use pychat_control::{Failure, InboxParams, List, Message, Request};

/// Messages asked for at a time.
pub(super) const PAGE_LEN: u32 = 100;

/// The next page of the inbox, and in `params` from where to go on: `None` at the end.
pub(super) fn next_inbox_page(
    session: &mut Session,
    params: &mut Option<InboxParams>,
    limit: u32,
) -> Result<Vec<Message>, Failure> {
    let Some(mut asked) = params.take() else { return Ok(Vec::new()) };
    asked.limit = limit.min(PAGE_LEN);
    let page: List<Message> = session.call(&Request::Inbox(asked.clone()))?;
    *params = page.next.map(|next| InboxParams { next: Some(next), ..asked });
    Ok(page.items)
}
