//! The mouse: the wheel scrolls, a click opens.

use super::Chat;
use crate::chat::model::Overlay;
use ratatui::{
    crossterm::event::{MouseButton, MouseEvent, MouseEventKind},
    layout::Position,
};

/// Rows of a turn of the wheel.
const WHEEL_ROWS: i64 = 3;

impl Chat {
    pub(super) fn take_mouse(&mut self, mouse: MouseEvent) {
        let at = Position::new(mouse.column, mouse.row);
        let areas = self.areas();
        match (mouse.kind, &mut self.overlay) {
            (MouseEventKind::ScrollUp, Overlay::None) => self.scroll(-WHEEL_ROWS),
            (MouseEventKind::ScrollDown, Overlay::None) => self.scroll(WHEEL_ROWS),
            (MouseEventKind::ScrollUp, Overlay::Help { scrolled }) => {
                *scrolled = scrolled.saturating_sub(1);
            }
            (MouseEventKind::ScrollDown, Overlay::Help { scrolled }) => {
                *scrolled = (*scrolled + 1).min(crate::chat::view::HELP_ROWS);
            }
            (MouseEventKind::ScrollUp, Overlay::Search(search)) => {
                search.chosen = search.chosen.saturating_sub(1);
            }
            (MouseEventKind::ScrollDown, Overlay::Search(search)) => {
                search.chosen = (search.chosen + 1).min(search.hits.len().saturating_sub(1));
            }
            (MouseEventKind::Down(MouseButton::Left), Overlay::None) => {
                let rows = usize::from(areas.list.height).saturating_sub(1);
                let row = areas.list_row(at).map(|row| row + self.list_top(rows));
                let peer = row.and_then(|row| self.listed().get(row).cloned());
                if let Some(peer) = peer {
                    self.open_conversation(&peer);
                }
            }
            _ => {}
        }
    }
}
