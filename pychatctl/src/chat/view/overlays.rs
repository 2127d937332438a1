//! What stands in front of the conversation.

use super::{
    Cursor, finding,
    help::{self, HelpRow},
    keys, link, put, put_at,
    style::Styles,
};
use crate::{
    chat::model::{Chat, Line, Overlay},
    screen::rows_of,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    widgets::{Block, Clear, Widget},
};

pub(super) fn draw(chat: &Chat, overlay: &Overlay, styles: &Styles, buffer: &mut Buffer) -> Cursor {
    match overlay {
        Overlay::None => None,
        Overlay::Help { scrolled } => {
            draw_help(chat, *scrolled, styles, buffer);
            None
        }
        Overlay::Link => {
            let texts = link::explained(chat);
            draw_texts(chat, " The link ", &texts, styles, buffer);
            None
        }
        Overlay::Switcher(switcher) => finding::draw_switcher(chat, switcher, styles, buffer),
        Overlay::Search(search) => finding::draw_search(chat, search, styles, buffer),
        Overlay::Verify(screen) => keys::draw_verify(chat, screen, styles, buffer),
        Overlay::Trust(screen) => {
            draw_texts(chat, " A key changed ", &keys::trust_texts(chat, screen), styles, buffer);
            None
        }
    }
}

/// Columns and rows inside a box.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

/// A box in the middle; gives what is inside it.
pub(super) fn open_box(
    chat: &Chat,
    title: &str,
    wanted: Wanted,
    styles: &Styles,
    buffer: &mut Buffer,
) -> Rect {
    let (width, height) = (chat.size.width, chat.size.height);
    let columns = (wanted.columns + 4).min(width);
    let rows = (wanted.rows + 2).min(height);
    let area = Rect::new((width - columns) / 2, (height - rows) / 2, columns, rows);
    Clear.render(area, buffer);
    let block = Block::bordered().border_set(styles.border()).title(title.to_owned());
    let inner = block.inner(area);
    block.render(area, buffer);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

fn draw_help(chat: &Chat, scrolled: usize, styles: &Styles, buffer: &mut Buffer) {
    let all = help::rows(styles);
    let wanted = Wanted { columns: 72, rows: u16::try_from(all.len()).unwrap_or(u16::MAX) };
    let area =
        open_box(chat, " Keys: arrows scroll, any other key closes ", wanted, styles, buffer);
    let height = usize::from(area.height);
    let top = scrolled.min(all.len().saturating_sub(height));
    for (row, help) in (0..area.height).zip(&all[top..]) {
        match help {
            HelpRow::Heading(text) => {
                put(buffer, area, row, text, Styles::bold());
            }
            HelpRow::Meaning(key, meaning) => {
                put_at(buffer, area, 1, row, key, styles.peer());
                let column = if area.width < 60 { 15 } else { 21 };
                put_at(buffer, area, column, row, &format!(" {meaning}"), Style::new());
            }
        }
    }
}

/// Paragraphs.
fn draw_texts(chat: &Chat, title: &str, texts: &[String], styles: &Styles, buffer: &mut Buffer) {
    let columns = chat.size.width.saturating_sub(4).min(72);
    let rows: Vec<&str> = texts
        .iter()
        .flat_map(|text| rows_of(text, usize::from(columns)).into_iter().map(|row| &text[row]))
        .collect();
    let wanted = Wanted { columns, rows: u16::try_from(rows.len()).unwrap_or(u16::MAX) };
    let area = open_box(chat, title, wanted, styles, buffer);
    for (row, text) in (0..area.height).zip(rows) {
        put(buffer, area, row, text, Style::new());
    }
}

/// A line that is typed in a box, as far as it fits.
pub(super) fn put_typed(
    buffer: &mut Buffer,
    area: Rect,
    row: u16,
    label: &str,
    line: &Line,
    styles: &Styles,
) -> Cursor {
    let start = put(buffer, area, row, label, styles.peer());
    let room = usize::from(area.width.saturating_sub(start + 1)).max(2);
    let typed = line.rows(room);
    let range = typed.rows.get(typed.row).cloned().unwrap_or(0..0);
    put_at(buffer, area, start, row, &line.text()[range], Style::new());
    let column = start + u16::try_from(typed.column).unwrap_or(0);
    Some((area.x + column.min(area.width.saturating_sub(1)), area.y + row))
}
