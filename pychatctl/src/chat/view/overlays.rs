//! What stands in front of the conversation.

use super::{
    Cursor,
    help::{self, HelpRow},
    link, put, put_at,
    style::Styles,
};
use crate::{
    chat::model::{
        Chat, Comparison, Line, Overlay, Scope, Search, Switcher, TrustScreen, VerifyScreen,
    },
    screen::{Paint, Width, clean_line, columns, cut, qr_code, rows_of},
};
use pychat_control::{ContactState, Hit, Verification};
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
        Overlay::Switcher(switcher) => draw_switcher(chat, switcher, styles, buffer),
        Overlay::Search(search) => draw_search(chat, search, styles, buffer),
        Overlay::Verify(screen) => draw_verify(chat, screen, styles, buffer),
        Overlay::Trust(screen) => {
            draw_texts(chat, " A key changed ", &trust_texts(chat, screen), styles, buffer);
            None
        }
    }
}

/// Columns and rows inside a box.
#[derive(Clone, Copy)]
struct Wanted {
    columns: u16,
    rows: u16,
}

/// A box in the middle; gives what is inside it.
fn open_box(
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
fn put_typed(
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

fn draw_switcher(chat: &Chat, switcher: &Switcher, styles: &Styles, buffer: &mut Buffer) -> Cursor {
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

fn draw_search(chat: &Chat, search: &Search, styles: &Styles, buffer: &mut Buffer) -> Cursor {
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

fn draw_verify(chat: &Chat, screen: &VerifyScreen, styles: &Styles, buffer: &mut Buffer) -> Cursor {
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
        crate::chat::model::Us::User(us) => us,
        crate::chat::model::Us::Unknown | crate::chat::model::Us::Nobody => "YOUR-NAME",
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

fn trust_texts(chat: &Chat, screen: &TrustScreen) -> Vec<String> {
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
