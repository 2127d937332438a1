//! `search WORDS...`: messages that hold the words, the newest last, where the eye is.

mod groups;

use super::{Context, doubts::Doubts, users::Listed};
use crate::{
    cli::SearchArgs,
    defaults, names,
    output::{Failed, Form},
    screen::{Among, Progress, around, of_search},
    session::Session,
};
use groups::{Line, groups};
use pychat_control::{ErrorCode, Failure, Found, Hit, Request, SearchParams};
use std::time::{Duration, Instant};

/// Looks for them.
pub(super) fn run(context: &mut Context, args: SearchArgs) -> Result<(), Failed> {
    let limit = args.limit.unwrap_or(defaults::SEARCH_LEN);
    let params = params(args)?;
    let mut session = context.session()?;
    let mut progress = Progress::detect(context.out.remarks);
    let stalled_after = context.settings.timeout;
    let mut found = first_page(&mut session, &params, limit, stalled_after, &mut progress)?;
    while let Some(next) = found.next.take_if(|_| found.items.len() < limit as usize) {
        progress.tell(|_| format!("{} found so far", found.items.len()));
        let limit = limit.saturating_sub(u32::try_from(found.items.len()).unwrap_or(u32::MAX));
        let params =
            SearchParams { next: Some(next), limit: limit.min(PAGE_LEN), ..params.clone() };
        let page: Found = session.call(&Request::Search(params))?;
        found.items.extend(page.items);
        found.next = page.next;
    }
    progress.clear();
    found.items.reverse();
    show(context, &found, if params.context > 0 { Among::Others } else { Among::Hits })?;
    context.out.flush()?;
    let mut doubts = Doubts::default();
    doubts.note(found.items.iter().flat_map(messages));
    doubts.end()?;
    match found.unindexed {
        0 => Ok(()),
        unindexed => Err(incomplete(unindexed).into()),
    }
}

/// What is asked, from what was typed.
fn params(args: SearchArgs) -> Result<SearchParams, Failure> {
    for user in [&args.from, &args.with].into_iter().flatten() {
        names::check_user(user)?;
    }
    Ok(SearchParams {
        words: args.words.iter().map(|word| phrase(word)).collect::<Vec<_>>().join(" "),
        peer: args.with,
        from: args.from,
        since: args.since.as_deref().map(names::time).transpose()?,
        until: args.until.as_deref().map(names::time).transpose()?,
        context: args.context,
        limit: PAGE_LEN,
        next: args.next,
    })
}

/// What was put in quotes for the shell is meant in this order; with quotes of its own it is as it is.
fn phrase(word: &str) -> String {
    let word = word.trim();
    let is_phrase = word.contains(char::is_whitespace) && !word.contains('"');
    if is_phrase { format!("\"{word}\"") } else { word.to_owned() }
}

/// The newest hits, once every message was looked at; or as it is when the index gets no further.
fn first_page(
    session: &mut Session,
    params: &SearchParams,
    limit: u32,
    stalled_after: Duration,
    progress: &mut Progress,
) -> Result<Found, Failure> {
    let request = Request::Search(SearchParams { limit: limit.min(PAGE_LEN), ..params.clone() });
    let mut found: Found = session.call(&request)?;
    let at_first = found.unindexed;
    let mut moved = Instant::now();
    while found.unindexed > 0 && moved.elapsed() < stalled_after {
        let left = found.unindexed;
        progress.tell(|_| format!("indexing {} %", percent(at_first, left)));
        std::thread::sleep(LOOK_AGAIN);
        found = session.call(&request)?;
        if found.unindexed < left {
            moved = Instant::now();
        }
    }
    Ok(found)
}

/// How much is done, of what was to be done when we came.
fn percent(at_first: u64, left: u64) -> u64 {
    at_first.saturating_sub(left).saturating_mul(100) / at_first.max(1)
}

fn incomplete(unindexed: u64) -> Failure {
    let messages = if unindexed == 1 { "message was" } else { "messages were" };
    Failure {
        code: ErrorCode::TimedOut,
        message: format!("{unindexed} {messages} not looked at, as the index is not there yet"),
        hint: Some("search again in a while; see how far it is: pychatctl status".into()),
        sent: None,
    }
}

fn show(context: &mut Context, found: &Found, among: Among) -> Result<(), Failed> {
    match context.out.form {
        Form::Json => {
            context.out.json(&Listed::versioned(&found.items, found.next.as_deref()))?;
        }
        Form::Text | Form::Quiet if found.items.is_empty() => {
            context.out.remark("nothing found")?;
        }
        Form::Text | Form::Quiet => {
            if found.next.is_some() {
                context.out.remark("there are older ones; see more of them with: -n N")?;
            }
            for (number, group) in groups(&found.items).iter().enumerate() {
                if number > 0 && among == Among::Others {
                    context.out.line("--")?;
                }
                for line in group {
                    let view = &context.out.view;
                    let text = match line {
                        Line::Hit(hit) => of_search(&hit.message, &hit.matches, among, view),
                        Line::Around(message) => around(message, view),
                    };
                    context.out.text(&text)?;
                }
            }
        }
    }
    Ok(())
}

fn messages(hit: &Hit) -> impl Iterator<Item = &pychat_control::Message> {
    hit.before.iter().chain([&hit.message]).chain(&hit.after)
}

/// The most that one answer holds.
const PAGE_LEN: u32 = 200;

/// Between two looks at whether the index is there.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_took_as_one_word_is_a_phrase() {
        assert_eq!(phrase("see you"), "\"see you\"");
        assert_eq!(phrase("see*"), "see*");
        assert_eq!(phrase("\"see you\" bob*"), "\"see you\" bob*");
    }

    #[test]
    fn progress_is_of_what_was_to_be_done() {
        assert_eq!(percent(200, 200), 0);
        assert_eq!(percent(200, 114), 43);
        assert_eq!(percent(200, 0), 100);
        assert_eq!(percent(200, 300), 0);
    }
}
