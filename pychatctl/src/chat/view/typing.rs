//! What is typed.

use super::{Cursor, put, put_at, style::Styles};
use crate::{
    chat::{
        areas::{Areas, PROMPT},
        model::Chat,
    },
    screen::clean_line,
};
use ratatui::{buffer::Buffer, style::Style};

pub(super) fn draw(chat: &Chat, areas: &Areas, styles: &Styles, buffer: &mut Buffer) -> Cursor {
    let area = areas.typing;
    let peer = chat.peer()?;
    let prompt_columns = u16::try_from(PROMPT.len()).unwrap_or(0);
    put(buffer, area, 0, PROMPT, styles.peer());
    let Some(line) = chat.line().filter(|line| !line.is_empty()) else {
        let told = format!("type to {} and press Enter; ? shows the keys", clean_line(peer));
        put_at(buffer, area, prompt_columns, 0, &told, Styles::faint());
        return Some((area.x + prompt_columns, area.y));
    };
    let typed = line.rows(areas.typing_columns());
    let rows = usize::from(area.height);
    let top = (typed.row + 1).saturating_sub(rows);
    for (row, range) in (0..area.height).zip(typed.rows.iter().skip(top)) {
        put_at(buffer, area, prompt_columns, row, &line.text()[range.clone()], Style::new());
    }
    let column = u16::try_from(typed.column).unwrap_or(0).min(area.width.saturating_sub(1));
    let row = u16::try_from(typed.row - top).unwrap_or(0);
    let cursor = (area.x + prompt_columns + column).min(area.right().saturating_sub(1));
    Some((cursor, area.y + row))
}
