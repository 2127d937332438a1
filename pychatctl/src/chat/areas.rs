//! Where everything is on the screen.

use super::model::Chat;
use ratatui::layout::{Position, Rect};

/// Below this, nothing can be read: a line says so.
pub(crate) const COLUMNS_MIN: u16 = 30;
/// See [`COLUMNS_MIN`].
pub(crate) const ROWS_MIN: u16 = 8;

/// From this width on, conversations are listed beside the open one.
const COLUMNS_WITH_LIST: u16 = 72;

/// The list's share of the width, between these bounds.
const LIST_COLUMNS_MIN: u16 = 20;
const LIST_COLUMNS_MAX: u16 = 32;

/// Rows of the typing line: a text that is longer scrolls.
const TYPING_ROWS_MAX: u16 = 6;

/// What stands before what is typed.
pub(crate) const PROMPT: &str = "> ";

/// The parts of the screen. One that has no place is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Areas {
    /// Conversations.
    pub(crate) list: Rect,
    /// The line between the list and the open conversation.
    pub(crate) divider: Rect,
    /// With whom the conversation is.
    pub(crate) head: Rect,
    /// The messages.
    pub(crate) messages: Rect,
    /// What must not be overlooked.
    pub(crate) banner: Rect,
    /// What is typed.
    pub(crate) typing: Rect,
    /// How the link is.
    pub(crate) link: Rect,
}

impl Areas {
    /// For the chat as it is.
    pub(crate) fn of(chat: &Chat) -> Self {
        let (width, height) = (chat.size.width, chat.size.height);
        let list_columns = if width < COLUMNS_WITH_LIST {
            0
        } else {
            (width / 4).clamp(LIST_COLUMNS_MIN, LIST_COLUMNS_MAX)
        };
        let left = if list_columns == 0 { 0 } else { list_columns + 1 };
        let body = height.saturating_sub(1);
        let list = Rect::new(0, 0, list_columns, body);
        let divider = Rect::new(list_columns, 0, left - list_columns, body);
        let columns = width.saturating_sub(left);
        let banner_rows = chat.banner_rows(columns).min(height / 4);
        let typed = chat.line().map_or(1, |line| line.rows(typing_columns(columns)).rows.len());
        let typing_rows = u16::try_from(typed).unwrap_or(u16::MAX).clamp(1, TYPING_ROWS_MAX);
        let typing_rows = typing_rows.min(height / 3).max(1);
        let head = Rect::new(left, 0, columns, 1);
        let messages_rows = body.saturating_sub(1 + banner_rows + typing_rows);
        let messages = Rect::new(left, 1, columns, messages_rows);
        let banner = Rect::new(left, messages.bottom(), columns, banner_rows);
        let typing = Rect::new(left, banner.bottom(), columns, typing_rows);
        let link = Rect::new(0, body, width, 1);
        Self { list, divider, head, messages, banner, typing, link }
    }

    /// Columns for what is typed.
    pub(crate) fn typing_columns(&self) -> usize {
        typing_columns(self.typing.width)
    }

    /// The row of the list that is under the mouse.
    pub(crate) fn list_row(&self, at: Position) -> Option<usize> {
        // The first row is the heading.
        let inside = self.list.contains(at) && at.y > self.list.y;
        inside.then(|| usize::from(at.y - self.list.y - 1))
    }
}

fn typing_columns(columns: u16) -> usize {
    usize::from(columns).saturating_sub(PROMPT.len()).max(2)
}

/// Whether the screen is large enough to be of use.
pub(crate) const fn is_large_enough(width: u16, height: u16) -> bool {
    width >= COLUMNS_MIN && height >= ROWS_MIN
}
