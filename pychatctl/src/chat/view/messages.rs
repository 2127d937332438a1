//! The open conversation: with whom, and the messages.

use super::{
    put, put_at,
    style::{Progress, Styles},
};
use crate::{
    chat::{
        input::Beyond,
        model::{Author, Chat, GUTTER, Item, Open, Position, Row, RowKind},
    },
    screen::{clean_line, columns, cut},
};
use jiff::civil::Date;
use pychat_control::{ContactState, Presence, State};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

/// With whom, whether they are there, how well their key is known.
pub(super) fn draw_head(chat: &Chat, area: Rect, styles: &Styles, buffer: &mut Buffer) {
    let Some(open) = &chat.open else { return };
    let peer = open.peer.as_str();
    let name = chat.people.name(peer).map(|name| format!(" ({})", clean_line(name)));
    let there = chat.people.user(peer).map(|user| match user.status {
        Presence::Online => "online",
        Presence::Away => "away",
        Presence::Offline => "offline",
    });
    let key = chat.people.contact(peer).map(|contact| match contact.state {
        ContactState::Pinned => "not verified",
        ContactState::Verified => "verified",
        ContactState::Changed => "KEY CHANGED",
    });
    let dot = styles.dot();
    let facts: String =
        [there, key].into_iter().flatten().map(|fact| format!("{dot}{fact}")).collect();
    let below = below(chat, open, styles);
    let below_columns = u16::try_from(columns(&below)).unwrap_or(0);
    let left = format!(" {}{}{facts}", clean_line(peer), name.unwrap_or_default());
    let room = area.width.saturating_sub(below_columns + 1);
    put(buffer, area, 0, &cut(&left, usize::from(room)), Styles::bold());
    put_at(buffer, area, area.width.saturating_sub(below_columns), 0, &below, styles.fair());
}

/// That there is more below the screen.
fn below(chat: &Chat, open: &Open, styles: &Styles) -> String {
    if open.position == Position::Bottom {
        return String::new();
    }
    let unread = chat.people.conversation(&open.peer).map_or(0, |with| with.unread);
    let down = styles.down();
    match unread {
        0 => format!("{down} End: newest"),
        unread => format!("{down} {unread} unread, End: newest"),
    }
}

pub(super) fn draw(chat: &Chat, area: Rect, styles: &Styles, buffer: &mut Buffer) {
    let Some(open) = &chat.open else { return draw_nobody(chat, area, buffer) };
    let Some(window) = &open.window else {
        put(buffer, area, area.height / 2, "   loading...", Styles::faint());
        return;
    };
    let height = usize::from(area.height);
    let latest_own = latest_own(chat);
    // Few messages stand at the bottom, where the next one will.
    let top = height.saturating_sub(open.shown.len());
    for (index, row) in open.shown.iter().enumerate().take(height) {
        let at = u16::try_from(top + index).unwrap_or(u16::MAX);
        if let Some(item) = chat.entry(row.item) {
            let mut pen = Pen { chat, area, at, styles, buffer };
            pen.draw(open, row, item, latest_own);
        }
    }
    if top > 0 && window.before == Beyond::Nothing && open.shown.is_empty() {
        let told = format!("   no messages with {} yet", clean_line(&open.peer));
        put(buffer, area, area.height / 2, &told, Styles::faint());
    }
}

fn draw_nobody(chat: &Chat, area: Rect, buffer: &mut Buffer) {
    if !chat.people.conversations_known {
        put(buffer, area, area.height / 2, "   loading...", Styles::faint());
        return;
    }
    let lines = [
        "   No conversation yet.",
        "",
        "   Press Ctrl-K and type somebody's user name to begin one.",
    ];
    let top = area.height.saturating_sub(3) / 2;
    for (row, line) in (top..).zip(lines) {
        put(buffer, area, row, line, Style::new());
    }
}

/// The newest message of ours says in a word how far it is: so the signs explain themselves.
fn latest_own(chat: &Chat) -> Option<i64> {
    let window = chat.open.as_ref()?.window.as_ref()?;
    if window.after != Beyond::Nothing {
        return None;
    }
    let outgoing = i64::try_from(chat.outgoing_here().count()).unwrap_or(0);
    if outgoing > 0 {
        return Some(window.end() + outgoing - 1);
    }
    let own = |item: &Item| item.author() == Author::Us;
    let behind = window.items().rev().position(own)?;
    Some(window.end() - 1 - i64::try_from(behind).unwrap_or(0))
}

struct Pen<'a> {
    chat: &'a Chat,
    area: Rect,
    at: u16,
    styles: &'a Styles,
    buffer: &'a mut Buffer,
}

impl Pen<'_> {
    fn draw(&mut self, open: &Open, row: &Row, item: &Item, latest_own: Option<i64>) {
        match &row.kind {
            RowKind::Day(day) => self.rule(&self.day(*day), Styles::faint()),
            RowKind::Unread => self.rule("unread", self.styles.bad()),
            RowKind::Head => self.head(item),
            RowKind::Note(text) => self.text(text, self.styles.fair()),
            RowKind::Failure(text) => self.text(text, self.styles.bad()),
            RowKind::Text(number) => {
                let is_found = open.found.is_some() && open.found == item.message.place;
                let style = if is_found { Styles::bold() } else { Style::new() };
                self.text(item.row(*number), style);
                if is_found && *number == 0 {
                    self.put(0, self.styles.marker(), self.styles.fair());
                }
                if item.author() == Author::Us {
                    self.progress(row.item, *number, item, latest_own);
                }
            }
        }
    }

    fn put(&mut self, column: u16, text: &str, style: Style) -> u16 {
        put_at(self.buffer, self.area, column, self.at, text, style)
    }

    fn text(&mut self, text: &str, style: Style) {
        self.put(u16::try_from(GUTTER).unwrap_or(0), text, style);
    }

    /// Words in a line across.
    fn rule(&mut self, words: &str, style: Style) {
        let rule = self.styles.rule();
        let words = format!("{} {words} ", rule.repeat(3));
        let end = self.put(0, &words, style);
        let left = usize::from(self.area.width.saturating_sub(end + 1));
        self.put(end, &rule.repeat(left), style);
    }

    fn day(&self, day: Date) -> String {
        let today = self.chat.now.time.to_zoned(self.chat.zone.clone()).date();
        if day == today {
            "Today".into()
        } else if today.yesterday().is_ok_and(|yesterday| day == yesterday) {
            "Yesterday".into()
        } else {
            day.strftime("%A, %-d %B %Y").to_string()
        }
    }

    fn head(&mut self, item: &Item) {
        let (who, style) = match item.author() {
            Author::Us => ("you".to_owned(), Styles::bold()),
            Author::Peer => (clean_line(&item.message.from), self.styles.peer()),
        };
        let end = self.put(u16::try_from(GUTTER).unwrap_or(0), &who, style);
        let when = format!("{}{}", self.styles.dot(), self.when(item));
        self.put(end, &when, Styles::faint());
    }

    /// How long ago, while that is short; else the time of the day, whose date stands above.
    fn when(&self, item: &Item) -> String {
        let seconds = self.chat.now.time.as_second().saturating_sub(item.at.as_second());
        match seconds {
            -60..60 => "just now".into(),
            60..3600 => format!("{} min ago", seconds / 60),
            _ => item.at.to_zoned(self.chat.zone.clone()).strftime("%H:%M").to_string(),
        }
    }

    /// How far a message of ours is: a sign before its first row, and behind the last one of the newest a
    /// word.
    fn progress(&mut self, number: i64, row: usize, item: &Item, latest_own: Option<i64>) {
        let progress = progress(self.chat, item);
        let (sign, style) = self.styles.tick(progress);
        if row == 0 {
            self.put(0, sign, style);
        }
        if latest_own == Some(number) && row + 1 == item.row_count() {
            let used = GUTTER + columns(item.row(row));
            let word = progress.word();
            let start = usize::from(self.area.width).saturating_sub(word.len() + 1);
            if used < start {
                self.put(u16::try_from(start).unwrap_or(0), word, Styles::faint().patch(style));
            }
        }
    }
}

/// How far a message of ours is.
fn progress(chat: &Chat, item: &Item) -> Progress {
    if item.message.id.is_empty() {
        return Progress::Typed;
    }
    match item.message.state {
        State::Queued if chat.people.is_changed(&item.message.to) => Progress::Held,
        state => Progress::Told(state),
    }
}
