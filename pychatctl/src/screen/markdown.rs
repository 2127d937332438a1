//! Messages as a document. What others wrote is text in it, never markup: it loads no picture and hides no
//! link.

use super::{
    clean_line,
    message::{body, state_note},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use pychat_control::{Message, Trust};

/// A document that is written message by message.
#[derive(Debug)]
pub(crate) struct Markdown {
    zone: TimeZone,
    day: Option<Date>,
}

impl Markdown {
    /// One with the times of this zone.
    pub(crate) const fn new(zone: TimeZone) -> Self {
        Self { zone, day: None }
    }

    /// What it begins with.
    pub(crate) fn title(peer: Option<&str>) -> String {
        match peer {
            Some(peer) => format!("# Messages with {}\n", escape(&clean_line(peer))),
            None => "# Messages\n".to_owned(),
        }
    }

    /// A message, under its day.
    pub(crate) fn message(&mut self, message: &Message) -> String {
        let mut out = String::new();
        let time = message.received_at.as_deref().unwrap_or(&message.sent_at);
        let time = match time.parse::<Timestamp>() {
            Ok(time) => {
                let time = time.to_zoned(self.zone.clone());
                if self.day != Some(time.date()) {
                    self.day = Some(time.date());
                    out.push_str(&format!("\n## {}\n", time.date()));
                }
                time.strftime("%H:%M").to_string()
            }
            Err(_) => escape(&clean_line(time)),
        };
        let from = escape(&clean_line(&message.from));
        let to = escape(&clean_line(&message.to));
        let note = escape(&state_note(message));
        let doubt = match message.trust {
            Some(Trust::KeyChanged) => " — another key: maybe somebody else wrote this",
            None | Some(Trust::FirstContact | Trust::Unopened) => "",
        };
        out.push_str(&format!(
            "\n**{from}** to {to}, {time}{note}{doubt}\n\n{}",
            quote(&body(message))
        ));
        out
    }
}

/// Lines behind `>`, each with an end of its own.
fn quote(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        // Four spaces would make it code.
        let words = line.trim_start_matches(' ');
        let spaces = "\u{a0}".repeat(line.len() - words.len());
        let next_is_text = lines.get(number + 1).is_some_and(|next| !next.trim().is_empty());
        let end = if next_is_text && !words.is_empty() { "\\" } else { "" };
        out.push_str(format!("> {spaces}{}{end}", escape(words)).trim_end_matches(' '));
        out.push('\n');
    }
    out
}

/// Every character that could mean something stands for itself.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut digits_only = true;
    for c in text.chars() {
        let is_markup = match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '(' | ')' | '#' | '!'
            | '|' | '&' | '~' | '$' => true,
            // They make lists and headings at the beginning of a line.
            '-' | '+' | '=' => out.is_empty(),
            '.' => digits_only && !out.is_empty(),
            _ => false,
        };
        digits_only &= c.is_ascii_digit();
        if is_markup {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use pychat_control::State;

    fn message(body: &str, at: &str) -> Message {
        Message {
            id: "01".into(),
            from: "bob".into(),
            to: "alice".into(),
            name: "Bob".into(),
            body: body.into(),
            sent_at: at.into(),
            received_at: Some(at.into()),
            state: State::Read,
            reason: None,
            trust: None,
            place: None,
        }
    }

    #[test]
    fn a_document_has_days_and_messages() {
        let mut markdown = Markdown::new(TimeZone::UTC);
        let own = Message {
            from: "alice".into(),
            to: "bob".into(),
            received_at: None,
            state: State::Refused,
            reason: Some("no such_user".into()),
            ..message("and me\n\n    code", "2026-01-31T00:01:00.000Z")
        };
        let doubtful = Message {
            trust: Some(Trust::KeyChanged),
            ..message("send money", "2026-01-31T00:02:00.000Z")
        };
        let text = Markdown::title(Some("bob_b"))
            + &markdown.message(&message("hello\nyou", "2026-01-30T23:59:00.000Z"))
            + &markdown.message(&own)
            + &markdown.message(&doubtful);
        insta::assert_snapshot!(text, @r"
        # Messages with bob\_b

        ## 2026-01-30

        **bob** to alice, 23:59

        > hello\
        > you

        ## 2026-01-31

        **alice** to bob, 00:01 \[refused: no such\_user\]

        > and me
        >
        >     code

        **bob** to alice, 00:02 — another key: maybe somebody else wrote this

        > send money
        ");
    }

    #[test]
    fn what_others_wrote_is_no_markup() {
        let evil = "![x](http://evil/p.png) <img src=x> `a` **b**\n# no\n- no\n1. no\n> no\n| a |\n\u{1b}[2Jx";
        insta::assert_snapshot!(quote(&super::super::clean_text(evil)), @r"
        > \!\[x\]\(http://evil/p.png\) \<img src=x\> \`a\` \*\*b\*\*\
        > \# no\
        > \- no\
        > 1\. no\
        > \> no\
        > \| a \|\
        > x
        ");
        assert_eq!(escape("e.g. 1.5 and a-b"), "e.g. 1.5 and a-b");
    }
}
