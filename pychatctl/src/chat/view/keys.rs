//! Comparing somebody's key, and taking a new one.

use super::{
    Cursor,
    overlays::{Wanted, open_box, put_typed},
    put,
    style::Styles,
};
use crate::{
    chat::model::{Chat, Comparison, TrustScreen, Us, VerifyScreen},
    screen::{Paint, Width, clean_line, qr_code, rows_of},
};
use pychat_control::{ContactState, Verification};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

pub(super) fn draw_verify(
    chat: &Chat,
    screen: &VerifyScreen,
    styles: &Styles,
    buffer: &mut Buffer,
) -> Cursor {
    let peer = clean_line(&screen.peer);
    let title = format!(" Is it really {peer}? ");
    let code = screen.known.as_ref().and_then(|known| code_lines(known, styles));
    let wanted_rows = if code.is_some() { CODE_ROWS + 1 } else { 14 };
    let wanted = Wanted { columns: 70, rows: wanted_rows };
    let area = open_box(chat, &title, wanted, styles, buffer);
    // The code only where all of it fits beside the number.
    let code = code.filter(|_| area.width >= 70 && area.height > CODE_ROWS);
    let text_columns = if code.is_some() { area.width - CODE_COLUMNS - 2 } else { area.width };
    let texts = Rect { width: text_columns, ..area };
    let mut row = 0;
    for (text, style) in verify_texts(screen, &peer, us(chat), styles) {
        for range in rows_of(&text, usize::from(texts.width)) {
            put(buffer, texts, row, &text[range], style);
            row += 1;
        }
    }
    if let Some(code) = code {
        let at = Rect { x: area.right() - CODE_COLUMNS, width: CODE_COLUMNS, ..area };
        for (row, line) in (0..).zip(&code) {
            put(buffer, at, row, line, styles.code());
        }
    }
    let cursor_row = row.min(area.height.saturating_sub(1));
    put_typed(buffer, texts, cursor_row, "> ", &screen.line, styles)
}

/// What a code of a safety number takes: `qr` has a test of it.
const CODE_COLUMNS: u16 = 33;
/// See [`CODE_COLUMNS`].
const CODE_ROWS: u16 = 17;

fn code_lines(known: &Verification, styles: &Styles) -> Option<Vec<String>> {
    if styles.is_ascii() {
        return None;
    }
    let width = Width::Columns(usize::from(CODE_COLUMNS));
    let code = qr_code(&known.qr, width, Paint::PLAIN).ok()?;
    let lines: Vec<String> = code.lines().map(str::to_owned).collect();
    (lines.len() <= usize::from(CODE_ROWS)).then_some(lines)
}

fn us(chat: &Chat) -> &str {
    match &chat.us {
        Us::User(us) => us,
        Us::Unknown | Us::Nobody => "YOUR-NAME",
    }
}

fn verify_texts(
    screen: &VerifyScreen,
    peer: &str,
    us: &str,
    styles: &Styles,
) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    let mut texts = Vec::new();
    if let Some(known) = &screen.known {
        let whose = match known.contact.state {
            ContactState::Pinned => plain("Not verified yet.".into()),
            ContactState::Verified => ("Verified.".into(), styles.good()),
            ContactState::Changed => {
                ("THE KEY CHANGED. The new one's number:".into(), styles.bad())
            }
        };
        texts.push(whose);
        let number = clean_line(&known.safety_number);
        let groups: Vec<&str> = number.split_whitespace().collect();
        for line in groups.chunks(GROUPS_PER_LINE) {
            texts.push((format!(" {}", line.join("  ")), Styles::bold()));
        }
        texts.push(plain(format!(
            "{peer} sees the same from F4, or from: pychatctl verify {}. Compare by voice or camera, not \
             in this chat.",
            clean_line(us)
        )));
    }
    texts.push(match &screen.outcome {
        Comparison::NotAsked | Comparison::UnderWay => plain("asking...".into()),
        Comparison::None => {
            plain(format!("Type or paste what {peer} sees, then Enter. Esc closes."))
        }
        Comparison::Same => {
            let changed = screen.known.as_ref().map(|known| known.contact.state);
            if changed == Some(ContactState::Changed) {
                ("The same: it is really them. F5 accepts the new key.".into(), styles.good())
            } else {
                (format!("The same: it is really {peer}, now marked verified."), styles.good())
            }
        }
        Comparison::Differs => (
            format!(
                "THEY DIFFER. Look for a slip first; if there is none, somebody may stand between you: \
                 send nothing secret, and tell {peer} another way."
            ),
            styles.bad(),
        ),
        Comparison::Failed(why) => (why.clone(), styles.bad()),
    });
    texts
}

/// Of twelve.
const GROUPS_PER_LINE: usize = 4;

pub(super) fn trust_texts(chat: &Chat, screen: &TrustScreen) -> Vec<String> {
    let contact = &screen.contact;
    let user = clean_line(&contact.user);
    let held = chat.people.contact(&contact.user).map_or(contact.held, |contact| contact.held);
    let held = match held {
        0 => "Nothing is held.".into(),
        1 => "1 held message would go out.".into(),
        held => format!("{held} held messages would go out."),
    };
    let mut texts = vec![
        format!(
            "{user} started anew on some machine, or somebody poses as {user}. Compare first: Esc, then F4."
        ),
        String::new(),
        format!("old key  {}", clean_line(&contact.fingerprint)),
        format!("new key  {}", clean_line(&screen.offered)),
        String::new(),
        held,
    ];
    texts.push(match (&screen.failure, screen.under_way) {
        (Some(failure), _) => clean_line(failure),
        (None, true) => "accepting it...".into(),
        (None, false) => "Accept the new key? [y/N]".into(),
    });
    texts
}
