//! What must not be overlooked: a daemon that is gone, a key that changed, a login that was refused.

use super::{put, style::Styles};
use crate::{
    chat::model::{Chat, Daemon},
    screen::{clean_line, cut, rows_of},
};
use pychat_control::Link;
use ratatui::{buffer::Buffer, layout::Rect};

/// Rows of a banner at most.
const ROWS_MAX: usize = 3;

impl Chat {
    /// The most urgent of them.
    pub(crate) fn banner(&self) -> Option<String> {
        if self.daemon == Daemon::Gone {
            return Some(DAEMON_GONE.into());
        }
        self.changed_key().or_else(|| self.link_down())
    }

    /// Rows that the banner takes at this width.
    pub(crate) fn banner_rows(&self, width: u16) -> u16 {
        let rows = self.banner().map_or(0, |text| rows_of(&text, usize::from(width)).len());
        u16::try_from(rows.min(ROWS_MAX)).unwrap_or(0)
    }

    fn changed_key(&self) -> Option<String> {
        let peer = self.peer().filter(|peer| self.people.is_changed(peer))?;
        let held = match self.people.contact(peer).map_or(0, |contact| contact.held) {
            0 => "what you send is held".to_owned(),
            1 => "1 message is held".to_owned(),
            held => format!("{held} messages are held"),
        };
        let peer = clean_line(peer);
        Some(format!("{peer}'s key changed: {held}. F4 compares keys, F5 accepts the new one."))
    }

    fn link_down(&self) -> Option<String> {
        let why = self.status.as_ref().and_then(|status| status.last_error.as_deref());
        let why = why.map(|why| format!(" ({})", clean_line(why))).unwrap_or_default();
        let connect = self.connect_command();
        match self.link? {
            Link::Refused => Some(format!(
                "The server refused the login{why}. Log in anew in another terminal: {connect}"
            )),
            Link::Disconnected => Some(format!(
                "Logged out: what you send waits here. Log in in another terminal: {connect}"
            )),
            Link::Connecting | Link::Connected => None,
        }
    }

    /// What logs in as whom we are.
    pub(crate) fn connect_command(&self) -> String {
        let status = self.status.as_ref();
        let user = status.and_then(|status| status.user.as_deref()).map(clean_line);
        let name = status.and_then(|status| status.name.as_deref()).map(clean_line);
        let name = name.map(|name| format!("'{}'", name.replace('\'', "'\\''")));
        let user = user.unwrap_or_else(|| "USER".into());
        format!("pychatctl connect {user} {}", name.unwrap_or_else(|| "NAME".into()))
    }
}

const DAEMON_GONE: &str = "The daemon ended; waiting for it to come back. What you type is kept. \
                           Start it in another terminal: pychatctl daemon start";

pub(super) fn draw(chat: &Chat, area: Rect, styles: &Styles, buffer: &mut Buffer) {
    let Some(text) = chat.banner() else { return };
    let width = usize::from(area.width);
    let rows = rows_of(&text, width);
    for (row, range) in (0..area.height).zip(&rows) {
        let is_last = row + 1 == area.height;
        let shown =
            if is_last { cut(&text[range.start..], width) } else { text[range.clone()].into() };
        put(buffer, area, row, &" ".repeat(width), styles.alarm());
        put(buffer, area, row, &shown, styles.alarm());
    }
}
