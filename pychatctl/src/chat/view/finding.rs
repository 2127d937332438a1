//! Going to another conversation, and looking for words.

use super::{
    Cursor,
    overlays::{Wanted, open_box, put_typed},
    put, put_at,
    style::Styles,
};
use crate::{
    chat::model::{Chat, Scope, Search, Switcher},
    screen::{clean_line, columns, cut},
};
use pychat_control::Hit;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

pub(super) fn draw_switcher(
    chat: &Chat,
    switcher: &Switcher,
    styles: &Styles,
    buffer: &mut Buffer,
) -> Cursor {
    let wanted = Wanted { columns: 56, rows: 14 };
    let area = open_box(chat, " Write to ", wanted, styles, buffer);
    let cursor = put_typed(buffer, area, 0, "> ", &switcher.line, styles);
    let choices = chat.choices(switcher);
    let rows = usize::from(area.height.saturating_sub(2));
    let top = (switcher.chosen + 1).saturating_sub(rows);
    for (row, (index, choice)) in (1..).zip(choices.iter().enumerate().skip(top).take(rows)) {
        let is_chosen = index == switcher.chosen;
        let style = if is_chosen { Styles::chosen() } else { Style::new() };
        let mark = if is_chosen { styles.marker() } else { " " };
        let name = choice.name.as_deref().map(|name| format!(" ({})", clean_line(name)));
        let new = if choice.is_new { "  new conversation" } else { "" };
        let user = clean_line(&choice.user);
        let text = format!("{mark} {user}{}{new}", name.unwrap_or_default());
        put(buffer, area, row, &cut(&text, usize::from(area.width)), style);
    }
    if choices.is_empty() {
        let told = if switcher.line.is_empty() {
            "type somebody's user name"
        } else {
            "a user name is made of a-z 0-9 . _ -"
        };
        put(buffer, area, 1, told, Styles::faint());
    }
    put(buffer, area, area.height - 1, "Enter opens, Esc closes", Styles::faint());
    cursor
}

pub(super) fn draw_search(
    chat: &Chat,
    search: &Search,
    styles: &Styles,
    buffer: &mut Buffer,
) -> Cursor {
    let (width, height) = (chat.size.width, chat.size.height);
    let wanted = Wanted { columns: width.saturating_sub(8), rows: height.saturating_sub(4) };
    let title = match (search.scope, chat.peer()) {
        (Scope::Here, Some(peer)) => {
            format!(" Search with {} (Tab: everywhere) ", clean_line(peer))
        }
        (Scope::Everywhere, Some(peer)) => {
            format!(" Search everywhere (Tab: only with {}) ", clean_line(peer))
        }
        (_, None) => " Search everywhere ".into(),
    };
    let area = open_box(chat, &title, wanted, styles, buffer);
    let cursor = put_typed(buffer, area, 0, "/ ", &search.line, styles);
    // Each hit takes two rows.
    let shown = usize::from(area.height.saturating_sub(2) / 2).max(1);
    let top = (search.chosen + 1).saturating_sub(shown);
    let hits = search.hits.iter().enumerate().skip(top).take(shown);
    for (place, (index, hit)) in (0_u16..).zip(hits) {
        draw_hit(chat, hit, index == search.chosen, area, 1 + 2 * place, styles, buffer);
    }
    let told = search_told(search);
    put(buffer, area, area.height - 1, &cut(&told, usize::from(area.width)), Styles::faint());
    cursor
}

fn search_told(search: &Search) -> String {
    if let Some(failure) = &search.failure {
        return clean_line(failure);
    }
    if search.line.text().trim().is_empty() {
        return "words that all have to be there; \"some words\" in this order; begin*".into();
    }
    let found = match (search.hits.len(), search.more, search.under_way) {
        (0, _, true) => "searching...".into(),
        (0, ..) => "nothing found".into(),
        (1, false, _) => "1 found; Enter goes there".into(),
        (count, false, _) => format!("{count} found; Enter goes there"),
        (count, true, _) => format!("the newest {count}; more words find less; Enter goes there"),
    };
    match search.unindexed {
        0 => found,
        left => format!("{found}; {left} older ones are not searched yet"),
    }
}

fn draw_hit(
    chat: &Chat,
    hit: &Hit,
    is_chosen: bool,
    area: Rect,
    row: u16,
    styles: &Styles,
    buffer: &mut Buffer,
) {
    let message = &hit.message;
    let is_theirs = message.received_at.is_some();
    let who = if is_theirs {
        clean_line(&message.from)
    } else {
        format!("you to {}", clean_line(&message.to))
    };
    let at = message.received_at.as_deref().unwrap_or(&message.sent_at);
    let when = at.parse::<jiff::Timestamp>().map_or_else(
        |_| String::new(),
        |at| at.to_zoned(chat.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
    );
    let mark = if is_chosen { styles.marker() } else { " " };
    let head = format!("{mark} {who}{}{when}", styles.dot());
    let style = if is_chosen { Styles::chosen() } else { Styles::bold() };
    let width = usize::from(area.width);
    put(buffer, area, row, &cut(&head, width), style);
    let (before, found, behind) = excerpt(hit, width.saturating_sub(4));
    if row + 1 >= area.height.saturating_sub(1) {
        return;
    }
    let end = put_at(buffer, area, 2, row + 1, &before, Style::new());
    let end = put_at(buffer, area, end, row + 1, &found, styles.fair().patch(Styles::bold()));
    put_at(buffer, area, end, row + 1, &behind, Style::new());
}

/// What was found, with as much around it as fits: before, the words, behind.
fn excerpt(hit: &Hit, columns_max: usize) -> (String, String, String) {
    let body = &hit.message.body;
    let range = hit.matches.first().map(|(start, end)| (*start as usize, *end as usize));
    let parts = range.and_then(|(start, end)| {
        Some((body.get(..start)?, body.get(start..end)?, body.get(end..)?))
    });
    let (before, found, behind) = parts.unwrap_or((body, "", ""));
    let (before, found) = (clean_line(before), clean_line(found));
    let room = columns_max.saturating_sub(columns(&found)) / 2;
    let before = if range.is_some() { last_columns(&before, room) } else { before };
    let left = columns_max.saturating_sub(columns(&before) + columns(&found));
    let behind = cut(&clean_line(behind), left).into_owned();
    (before, found, behind)
}

/// The end of a text, where it does not fit.
fn last_columns(text: &str, columns_max: usize) -> String {
    if columns(text) <= columns_max {
        return text.to_owned();
    }
    let mut start = text.len();
    for (at, _) in text.char_indices().rev() {
        if columns(&text[at..]) >= columns_max {
            break;
        }
        start = at;
    }
    format!("…{}", &text[start..])
}
