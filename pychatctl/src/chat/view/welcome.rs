//! Before there is anything to show.

use super::{Cursor, link, put, style::Styles};
use crate::chat::model::{Chat, Daemon};
use crate::screen::rows_of;
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

/// The daemon has not said who we are.
pub(super) fn draw_waiting(chat: &Chat, styles: &Styles, buffer: &mut Buffer) -> Cursor {
    let told = match chat.daemon {
        Daemon::Here => "Asking the daemon...",
        Daemon::Gone => "The daemon ended; waiting for it to come back.",
    };
    draw_lines(chat, &[told, "", "Ctrl-Q leaves."], styles, buffer);
    None
}

/// There was no `connect` yet.
pub(super) fn draw_first_start(chat: &Chat, styles: &Styles, buffer: &mut Buffer) -> Cursor {
    draw_lines(chat, &FIRST_START, styles, buffer);
    None
}

const FIRST_START: [&str; 8] = [
    "You are not logged in at a server yet.",
    "",
    "Type this in another terminal, with your own names and the link that you were given:",
    "  pychatctl connect alice 'Alice Doe' --server pychat://HOST:PORT#KEY",
    "",
    "Once that is done, this screen goes on by itself.",
    "",
    "Ctrl-Q leaves.",
];

fn draw_lines(chat: &Chat, lines: &[&str], styles: &Styles, buffer: &mut Buffer) {
    let (width, height) = (chat.size.width, chat.size.height);
    let area = Rect::new(2, 0, width.saturating_sub(4), height.saturating_sub(1));
    let rows: Vec<&str> = lines
        .iter()
        .flat_map(|line| rows_of(line, usize::from(area.width)).into_iter().map(|row| &line[row]))
        .collect();
    let top = area.height.saturating_sub(u16::try_from(rows.len()).unwrap_or(0)) / 2;
    for (row, text) in (top..).zip(rows) {
        let style = if row == top { Styles::bold() } else { Style::new() };
        put(buffer, area, row, text, style);
    }
    link::draw(chat, Rect::new(0, height - 1, width, 1), styles, buffer);
}
