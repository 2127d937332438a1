//! Messages that a search found, and those around them.

use super::{
    Paint, View, clean_text,
    message::{INDENT, body, heading, note},
    wrap,
    wrap::columns,
};
use pychat_control::{Message, Trust};

/// Before a hit that stands among others, so that it is told apart without colours too.
const MARK: &str = "> ";

/// What stands there before the others.
const NO_MARK: &str = "  ";

/// Whether other messages stand around the hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Among {
    /// Hits alone.
    Hits,
    /// Others too.
    Others,
}

/// A hit, as in the history; `matches` are the ranges of bytes in its text that were looked for.
pub(crate) fn of_search(
    message: &Message,
    matches: &[(u32, u32)],
    among: Among,
    view: &View,
) -> String {
    let mark = match among {
        Among::Hits => "",
        Among::Others => MARK,
    };
    let (plain, painted) = heading(message, view);
    let (plain, painted) = (format!("{mark}{plain}"), format!("{mark}{painted}"));
    let text = body(message);
    let marked = match message.trust {
        Some(Trust::Unopened) => None,
        None | Some(Trust::FirstContact | Trust::KeyChanged) if view.paint.is_on() => {
            Some(Marked::new(&message.body, &text, matches))
        }
        None | Some(Trust::FirstContact | Trust::KeyChanged) => None,
    };
    let lines = match marked.flatten() {
        Some(marked) => {
            let first = columns(&plain);
            // The heading may hold anything: it is not looked at for marks.
            let wrapped = wrap(&plain, first, &marked.text, INDENT, view.width);
            let (heading, rest) = match wrapped.strip_prefix(&plain) {
                Some(rest) => (painted.as_str(), rest),
                // The text begins on a line of its own, and no space ends the heading's.
                None => (painted.trim_end(), wrapped.get(plain.trim_end().len()..).unwrap_or("\n")),
            };
            format!("{heading}{}", marked.paint(rest, view.paint))
        }
        None => wrap(&painted, columns(&plain), &text, INDENT, view.width),
    };
    note(message, view) + &lines
}

/// A message that stands around a hit: dimmed.
pub(crate) fn around(message: &Message, view: &View) -> String {
    let plain = View { paint: Paint::PLAIN, ..view.clone() };
    let (heading, _) = heading(message, &plain);
    let heading = format!("{NO_MARK}{heading}");
    let lines = wrap(&heading, columns(&heading), &body(message), INDENT, view.width);
    let dimmed = lines.lines().map(|line| view.paint.dim(line) + "\n").collect::<String>();
    note(message, view) + &dimmed
}

/// A clean text with characters of no width around what was looked for, so that it can be wrapped before
/// it is painted.
struct Marked {
    text: String,
    begin: char,
    end: char,
}

impl Marked {
    /// `clean` is what `raw` became, whose ranges `matches` are. `None` where nothing can be marked.
    fn new(raw: &str, clean: &str, matches: &[(u32, u32)]) -> Option<Self> {
        let mut free = FREE.filter(|c| !clean.contains(*c));
        let (begin, end) = (free.next()?, free.next()?);
        let mut text = String::with_capacity(clean.len());
        let mut done = 0;
        for (from, to) in matches.iter().take(MATCHES_MAX) {
            let Some((from, to)) = in_clean(raw, clean, *from).zip(in_clean(raw, clean, *to))
            else {
                continue;
            };
            // Spaces and line ends at its edges are not marked: they may go when it is wrapped.
            let Some(found) = clean.get(from.max(done)..to).map(str::trim_start) else { continue };
            let (from, found) = (to - found.len(), found.trim_end());
            if found.is_empty() {
                continue;
            }
            text.push_str(&clean[done..from]);
            text.push(begin);
            text.push_str(found);
            text.push(end);
            done = from + found.len();
        }
        text.push_str(&clean[done..]);
        Some(Self { text, begin, end })
    }

    /// Wrapped text with colours in place of the marks; those end before each line feed and begin behind
    /// the indent.
    fn paint(&self, wrapped: &str, paint: Paint) -> String {
        let mut out = String::with_capacity(wrapped.len());
        let mut found = None;
        let close = |out: &mut String, found: &mut Option<String>| {
            if let Some(text) = found.take().filter(|text| !text.is_empty()) {
                out.push_str(&paint.found(&text));
            }
        };
        let mut line_begins = false;
        for c in wrapped.chars() {
            line_begins &= c == ' ';
            match (c, &mut found) {
                _ if c == self.begin => found = Some(String::new()),
                _ if c == self.end => close(&mut out, &mut found),
                ('\n', Some(_)) => {
                    close(&mut out, &mut found);
                    found = Some(String::new());
                    line_begins = true;
                    out.push('\n');
                }
                (_, Some(text)) if !line_begins => text.push(c),
                _ => out.push(c),
            }
        }
        close(&mut out, &mut found);
        out
    }
}

/// Where a place in a raw text is in what it became: what comes before it became a beginning of that. It
/// did not if the place is within an escape sequence.
fn in_clean(raw: &str, clean: &str, at: u32) -> Option<usize> {
    let before = clean_text(raw.get(..usize::try_from(at).ok()?)?);
    clean.starts_with(&before).then_some(before.len())
}

/// Characters of no width that hardly any text has (variation selectors of rare ideographs).
const FREE: std::ops::RangeInclusive<char> = '\u{e01d0}'..='\u{e01ef}';

/// More in one message are not marked: each costs a look at the whole text.
const MATCHES_MAX: usize = 100;

#[cfg(test)]
mod tests;
