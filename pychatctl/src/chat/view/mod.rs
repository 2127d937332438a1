//! The state as a picture.

mod banner;
mod finding;
mod help;
mod keys;
mod link;
mod list;
mod messages;
mod overlays;
mod style;
mod typing;
mod welcome;

pub(crate) use help::ROWS as HELP_ROWS;

use super::{
    areas::{COLUMNS_MIN, ROWS_MIN, is_large_enough},
    model::{Chat, Overlay, Us},
};
use ratatui::{Frame, buffer::Buffer, layout::Rect, style::Style};
use style::Styles;

/// Draws everything.
pub(crate) fn draw(chat: &Chat, frame: &mut Frame<'_>) {
    let area = frame.area();
    let styles = Styles::of(chat.look);
    if !is_large_enough(area.width, area.height) {
        let told = format!("{COLUMNS_MIN}x{ROWS_MIN} needed");
        put(frame.buffer_mut(), area, 0, &told, Style::new());
        return;
    }
    // The frame may have another size than the model was told of: a resize is on its way.
    if (area.width, area.height) != (chat.size.width, chat.size.height) {
        return;
    }
    let cursor = match &chat.us {
        Us::Unknown => welcome::draw_waiting(chat, &styles, frame.buffer_mut()),
        Us::Nobody => welcome::draw_first_start(chat, &styles, frame.buffer_mut()),
        Us::User(us) => draw_conversations(chat, us, &styles, frame.buffer_mut()),
    };
    let cursor = match &chat.overlay {
        Overlay::None => cursor,
        overlay => overlays::draw(chat, overlay, &styles, frame.buffer_mut()),
    };
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// Where the cursor stands.
type Cursor = Option<(u16, u16)>;

fn draw_conversations(chat: &Chat, us: &str, styles: &Styles, buffer: &mut Buffer) -> Cursor {
    let areas = chat.areas();
    list::draw(chat, us, &areas, styles, buffer);
    messages::draw_head(chat, areas.head, styles, buffer);
    messages::draw(chat, areas.messages, styles, buffer);
    banner::draw(chat, areas.banner, styles, buffer);
    let cursor = typing::draw(chat, &areas, styles, buffer);
    link::draw(chat, areas.link, styles, buffer);
    cursor
}

/// Puts `text` on a row of `area`, as far as it fits; gives the column behind it.
fn put(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) -> u16 {
    put_at(buffer, area, 0, row, text, style)
}

/// The same from a column on, counted from the left of `area`.
fn put_at(buffer: &mut Buffer, area: Rect, column: u16, row: u16, text: &str, style: Style) -> u16 {
    if row >= area.height || column >= area.width {
        return column;
    }
    let room = usize::from(area.width - column);
    let (end, _) = buffer.set_stringn(area.x + column, area.y + row, text, room, style);
    end - area.x
}
