//! `inbox`: shows unread messages and marks them read. A message is marked only after it was
//! written out, so that one that nobody saw stays unread.

use super::{
    Context,
    doubts::Doubts,
    pages::{PAGE_LEN, next_inbox_page},
    users::Listed,
};
use crate::{
    cli::InboxArgs,
    defaults, names,
    output::{Failed, Form, Versioned},
    screen::incoming,
    session::Session,
};
use pychat_control::{
    Empty, ErrorCode, Failure, InboxParams, MarkReaderParams, Message, Request, Unread,
};
use serde::Serialize;

/// Shows them.
pub(super) fn run(context: &mut Context, args: &InboxArgs) -> Result<(), Failed> {
    let params = params(args)?;
    if args.count {
        return count(context, args, params);
    }
    let mut session = context.session()?;
    let limit = args.limit.unwrap_or(defaults::INBOX_LEN);
    let mut shown = 0;
    let mut page_after = Some(params);
    let mut all: Vec<Message> = Vec::new();
    let mut doubts = Doubts::default();
    while shown < limit && page_after.is_some() {
        let page = next_inbox_page(&mut session, &mut page_after, limit - shown)?;
        shown += u32::try_from(page.len()).unwrap_or(u32::MAX);
        doubts.note(&page);
        if context.out.form == Form::Json {
            all.extend(page);
            continue;
        }
        show(context, &page)?;
        mark(&mut session, args, &page)?;
    }
    let next = page_after.and_then(|params| params.next);
    if context.out.form == Form::Json {
        context.out.json(&Listed::versioned(&all, next.as_deref()))?;
        context.out.flush()?;
        mark(&mut session, args, &all)?;
    } else if shown == 0 && args.reader.is_some() {
        context.out.remark("no message waits for this reader")?;
    } else if shown == 0 {
        context.out.remark("no unread messages; see earlier ones with: pychatctl history")?;
    } else if next.is_some() {
        let how = if args.reader.is_some() { "the same command" } else { "pychatctl inbox" };
        context.out.remark(&format!("there are more; see them with: {how}"))?;
    }
    doubts.end()
}

/// What is asked, from what was typed.
pub(super) fn params(args: &InboxArgs) -> Result<InboxParams, Failure> {
    if let Some(from) = &args.from {
        names::check_user(from)?;
    }
    Ok(InboxParams {
        limit: PAGE_LEN,
        since: args.since.as_deref().map(names::time).transpose()?,
        from: args.from.clone(),
        next: args.next.clone(),
        reader: args.reader.clone(),
    })
}

/// Writes messages out, for sure.
pub(super) fn show(context: &mut Context, messages: &[Message]) -> Result<(), Failed> {
    for message in messages {
        let text = incoming(message, &context.out.view);
        context.out.text(&text)?;
    }
    Ok(context.out.flush()?)
}

/// They were written out: they are done with, unless that is not wanted.
fn mark(session: &mut Session, args: &InboxArgs, messages: &[Message]) -> Result<(), Failure> {
    match &args.reader {
        Some(reader) => mark_reader(session, reader, messages),
        None if args.peek => Ok(()),
        None => mark_read(session, messages),
    }
}

/// Tells the daemon that a person saw them.
pub(super) fn mark_read(session: &mut Session, messages: &[Message]) -> Result<(), Failure> {
    for some in messages.chunks(PAGE_LEN as usize) {
        let ids = some.iter().map(|message| message.id.clone()).collect();
        let Empty {} = session.call(&Request::MarkRead { ids })?;
    }
    Ok(())
}

/// Tells the daemon how far a reader took them.
pub(super) fn mark_reader(
    session: &mut Session,
    reader: &str,
    messages: &[Message],
) -> Result<(), Failure> {
    let Some(last) = messages.last() else { return Ok(()) };
    let place = last.place.ok_or_else(|| Failure {
        code: ErrorCode::VersionMismatch,
        message: "the daemon does not know readers".into(),
        hint: None,
        sent: None,
    })?;
    let params = MarkReaderParams { reader: reader.to_owned(), place };
    let Empty {} = session.call(&Request::MarkReader(params))?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct Count {
    count: u64,
}

fn count(context: &mut Context, args: &InboxArgs, params: InboxParams) -> Result<(), Failed> {
    let mut session = context.session()?;
    let count = match (&args.from, &args.since) {
        (None, None) => session.call::<Unread>(&Request::Unread {})?.total,
        _ => {
            let mut page_after = Some(params);
            let mut count = 0;
            while page_after.is_some() {
                count += next_inbox_page(&mut session, &mut page_after, PAGE_LEN)?.len() as u64;
            }
            count
        }
    };
    match context.out.form {
        Form::Json => context.out.json(&Versioned::new(Count { count }))?,
        Form::Text | Form::Quiet => context.out.line(&count.to_string())?,
    }
    Ok(())
}
