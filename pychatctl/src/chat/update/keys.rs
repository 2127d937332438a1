//! Keys, where nothing is in front of the conversation.

use super::{Chat, Effect, LEAVING};
use crate::chat::model::{Ending, Line, Moved, Overlay, Search, Switcher, TooMuch, Us};
use pychat_control::TEXT_BYTES_MAX;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

impl Chat {
    pub(super) fn take_key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        if self.take_key_for_everywhere(key, effects) {
            return;
        }
        if self.overlay == Overlay::None {
            self.take_key_for_conversation(key);
        } else {
            self.take_overlay_key(key, effects);
        }
    }

    /// Keys that mean the same wherever one is; says whether it was one.
    fn take_key_for_everywhere(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && key.code == KeyCode::Char('c') {
            self.leave_at_second_time(effects);
            return true;
        }
        let leaving = self.leaving.take();
        match (control, key.code) {
            (true, KeyCode::Char('q')) if self.unkept().next().is_some() => {
                self.leaving = leaving;
                self.leave_at_second_time(effects);
            }
            (true, KeyCode::Char('q')) => self.end(Ending::Wanted, effects),
            (true, KeyCode::Char('z')) => effects.push(Effect::Suspend),
            (false, KeyCode::F(1)) => self.show_or_hide(Overlay::Help { scrolled: 0 }),
            (true, KeyCode::Char('l')) | (false, KeyCode::F(2)) => self.show_or_hide(Overlay::Link),
            (true, KeyCode::Char('k')) => self.show(Overlay::Switcher(Switcher::default())),
            (true, KeyCode::Char('f')) => self.show(Overlay::Search(Search::default())),
            (false, KeyCode::F(4)) => self.show_verify(),
            (false, KeyCode::F(5)) => self.show_trust(),
            _ => return false,
        }
        true
    }

    fn leave_at_second_time(&mut self, effects: &mut Vec<Effect>) {
        if self.leaving.is_some() {
            self.end(Ending::Wanted, effects);
            return;
        }
        self.leaving = Some(self.now.at + LEAVING);
        let told = match self.unkept().count() {
            0 => "press Ctrl-C again to leave".to_owned(),
            1 => "a text is not on disk yet; press it again to leave all the same".to_owned(),
            count => format!("{count} texts are not on disk yet; press it again to leave"),
        };
        self.tell(told, self.now.at + LEAVING);
    }

    pub(super) fn show(&mut self, overlay: Overlay) {
        if matches!(self.us, Us::User(_)) {
            self.overlay = overlay;
        }
    }

    fn show_or_hide(&mut self, overlay: Overlay) {
        let is_same = std::mem::discriminant(&self.overlay) == std::mem::discriminant(&overlay);
        self.overlay = if is_same { Overlay::None } else { overlay };
    }

    fn take_key_for_conversation(&mut self, key: KeyEvent) {
        let is_empty = self.is_line_empty();
        let page = i64::from(self.areas().messages.height).saturating_sub(1).max(1);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match (key.code, control, alt) {
            (KeyCode::Char('?'), false, false) if is_empty => {
                self.show_or_hide(Overlay::Help { scrolled: 0 });
            }
            (KeyCode::Char('/'), false, false) if is_empty => {
                self.show(Overlay::Search(Search::default()));
            }
            (KeyCode::PageUp, ..) => self.scroll(-page),
            (KeyCode::PageDown, ..) => self.scroll(page),
            (KeyCode::Home, true, _) => self.go_to_start(),
            (KeyCode::End, true, _) => self.go_to_end(),
            (KeyCode::Home, ..) if is_empty => self.go_to_start(),
            (KeyCode::End, ..) if is_empty => self.go_to_end(),
            (KeyCode::Up, _, true) => self.go_to_neighbour(false),
            (KeyCode::Down, _, true) => self.go_to_neighbour(true),
            (KeyCode::Char('n'), true, _) => self.go_to_unread(),
            (KeyCode::Esc, ..) => self.go_to_end(),
            (KeyCode::Enter, false, false) if !key.modifiers.contains(KeyModifiers::SHIFT) => {
                self.send_line();
            }
            (KeyCode::Up, ..) => self.take_up(),
            (KeyCode::Down, ..) => self.take_down(),
            _ => self.type_key(key),
        }
    }

    fn take_up(&mut self) {
        let columns = self.areas().typing_columns();
        let Some(mut line) = self.line_mut().map(std::mem::take) else { return };
        if line.up(columns) == Moved::AtEnd {
            self.recalled.earlier(&mut line);
        }
        self.put_line(line);
    }

    fn take_down(&mut self) {
        let columns = self.areas().typing_columns();
        let Some(mut line) = self.line_mut().map(std::mem::take) else { return };
        if line.down(columns) == Moved::AtEnd {
            self.recalled.later(&mut line);
        }
        self.put_line(line);
    }

    fn put_line(&mut self, line: Line) {
        if let Some(typed) = self.line_mut() {
            *typed = line;
        }
    }

    fn type_key(&mut self, key: KeyEvent) {
        let Some(line) = self.line_mut() else { return };
        if edit(line, key, Lines::Several) == Err(TooMuch) {
            self.say(too_much());
        }
    }

    /// A paste never sends, however many lines it has.
    pub(super) fn take_paste(&mut self, text: &str) {
        let one_line = || text.replace(['\r', '\n'], " ");
        let pasted = match &mut self.overlay {
            Overlay::None => self.line_mut().map_or(Ok(()), |line| line.insert(text)),
            Overlay::Switcher(switcher) => switcher.line.insert(&one_line()),
            Overlay::Search(search) => search.line.insert(&one_line()),
            Overlay::Verify(screen) => screen.line.insert(&one_line()),
            Overlay::Help { .. } | Overlay::Link | Overlay::Trust(_) => Ok(()),
        };
        if pasted == Err(TooMuch) {
            self.say(format!("nothing was pasted: {}", too_much()));
        }
    }
}

fn too_much() -> String {
    format!("a message holds {TEXT_BYTES_MAX} bytes (32 KiB): send this one, then go on")
}

/// How many lines may be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Several,
}

/// Types, moves and deletes.
pub(super) fn edit(line: &mut Line, key: KeyEvent, lines: Lines) -> Result<(), TooMuch> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match (key.code, control, alt) {
        (KeyCode::Enter, ..) | (KeyCode::Char('j'), true, _) if lines == Lines::Several => {
            return line.insert("\n");
        }
        (KeyCode::Backspace, false, false) | (KeyCode::Char('h'), true, false) => {
            line.delete_before();
        }
        (KeyCode::Backspace, ..) | (KeyCode::Char('w'), true, _) => line.delete_word_before(),
        (KeyCode::Delete, false, false) | (KeyCode::Char('d'), true, _) => line.delete_behind(),
        (KeyCode::Delete, ..) | (KeyCode::Char('d'), _, true) => line.delete_word_behind(),
        (KeyCode::Char('u'), true, _) => line.delete_to_start(),
        (KeyCode::Left, true, _) | (KeyCode::Left | KeyCode::Char('b'), _, true) => {
            line.word_left();
        }
        (KeyCode::Right, true, _) | (KeyCode::Right | KeyCode::Char('f'), _, true) => {
            line.word_right();
        }
        (KeyCode::Left, ..) | (KeyCode::Char('b'), true, _) => line.left(),
        (KeyCode::Right, ..) => line.right(),
        (KeyCode::Home, ..) | (KeyCode::Char('a'), true, _) => line.go_to_start(),
        (KeyCode::End, ..) | (KeyCode::Char('e'), true, _) => line.go_to_end(),
        (KeyCode::Char(c), false, false) => return line.insert(c.encode_utf8(&mut [0; 4])),
        // AltGr is both on some terminals.
        (KeyCode::Char(c), true, true) if !c.is_ascii_alphabetic() => {
            return line.insert(c.encode_utf8(&mut [0; 4]));
        }
        _ => {}
    }
    Ok(())
}
