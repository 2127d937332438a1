//! The list of conversations.

use super::{put, put_at, style::Styles};
use crate::{
    chat::{areas::Areas, model::Chat},
    screen::{clean_line, columns, cut},
};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

pub(super) fn draw(chat: &Chat, us: &str, areas: &Areas, styles: &Styles, buffer: &mut Buffer) {
    let area = areas.list;
    for row in 0..areas.divider.height {
        put(buffer, areas.divider, row, styles.divider(), Styles::faint());
    }
    if area.is_empty() {
        return;
    }
    let unread: u64 = chat.people.conversations.iter().map(|with| with.unread).sum();
    let unread = if unread == 0 { String::new() } else { format!("{unread} unread") };
    put_line(buffer, area, 0, &format!(" {}", clean_line(us)), &unread, Styles::bold());
    let rows = area.height.saturating_sub(1);
    let listed = chat.listed();
    let top = chat.list_top(usize::from(rows));
    for (row, peer) in (1..area.height).zip(listed.iter().skip(top)) {
        draw_peer(chat, peer, area, row, styles, buffer);
    }
    if listed.is_empty() && chat.people.conversations_known {
        put(buffer, area, 1, " nobody yet", Styles::faint());
    }
}

fn draw_peer(chat: &Chat, peer: &str, area: Rect, row: u16, styles: &Styles, buffer: &mut Buffer) {
    let is_open = chat.peer() == Some(peer);
    let unread = chat.people.conversation(peer).map_or(0, |with| with.unread);
    let style = match (is_open, unread) {
        (true, _) => Styles::chosen(),
        (false, 0) => Style::new(),
        (false, _) => Styles::bold(),
    };
    let count = match unread {
        0 => String::new(),
        1..=9999 => unread.to_string(),
        _ => "9999+".into(),
    };
    let mark = if is_open { styles.marker() } else { " " };
    let changed = if chat.people.is_changed(peer) { "! " } else { "" };
    let name = format!("{mark}  {}", clean_line(peer));
    put_line(buffer, area, row, &name, &format!("{changed}{count}"), style);
    let (sign, sign_style) = styles.presence(chat.people.user(peer).map(|user| user.status));
    put_at(buffer, area, 1, row, sign, style.patch(sign_style));
}

/// Something on the left, cut to fit, and something on the right.
fn put_line(buffer: &mut Buffer, area: Rect, row: u16, left: &str, right: &str, style: Style) {
    let right_columns = u16::try_from(columns(right)).unwrap_or(0);
    let room = area.width.saturating_sub(right_columns + 1);
    put(buffer, area, row, &" ".repeat(usize::from(area.width)), style);
    put(buffer, area, row, &cut(left, usize::from(room)), style);
    put_at(buffer, area, area.width.saturating_sub(right_columns), row, right, style);
}
