//! The line that is typed: text of one or several lines, and a cursor between characters as a person sees
//! them.

use pychat_control::TEXT_BYTES_MAX;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// A text under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    text: String,
    /// A byte of the text.
    cursor: usize,
}

/// There is no room for it: a message holds no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// What a move did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// The cursor is elsewhere.
    Yes,
    /// It was at the end of what it can reach.
    AtEnd,
}

impl Line {
    /// With this text, and the cursor behind it.
    pub(crate) fn of(text: &str) -> Self {
        let text = typeable(text);
        Self { cursor: text.len(), text }
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text, and then there is none.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Types or pastes; all of it or nothing.
    pub(crate) fn insert(&mut self, text: &str) -> Result<(), TooMuch> {
        let text = typeable(text);
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            return Err(TooMuch);
        }
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
        Ok(())
    }

    /// Deletes the character before the cursor.
    pub(crate) fn delete_before(&mut self) {
        self.delete_to(self.before());
    }

    /// Deletes the character behind the cursor.
    pub(crate) fn delete_behind(&mut self) {
        self.delete_to(self.behind());
    }

    /// Deletes the word before the cursor.
    pub(crate) fn delete_word_before(&mut self) {
        self.delete_to(self.word_before());
    }

    /// Deletes the word behind the cursor.
    pub(crate) fn delete_word_behind(&mut self) {
        self.delete_to(self.word_behind());
    }

    /// Deletes from the line's start to the cursor.
    pub(crate) fn delete_to_start(&mut self) {
        self.delete_to(self.start());
    }

    /// One character to the left.
    pub(crate) fn left(&mut self) {
        self.cursor = self.before();
    }

    /// One character to the right.
    pub(crate) fn right(&mut self) {
        self.cursor = self.behind();
    }

    /// One word to the left.
    pub(crate) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    /// One word to the right.
    pub(crate) fn word_right(&mut self) {
        self.cursor = self.word_behind();
    }

    /// To the line's start.
    pub(crate) fn go_to_start(&mut self) {
        self.cursor = self.start();
    }

    /// To the line's end.
    pub(crate) fn go_to_end(&mut self) {
        self.cursor = self.end();
    }

    /// One row up, where rows have so many columns.
    pub(crate) fn up(&mut self, columns: usize) -> Moved {
        let typed = self.rows(columns);
        match typed.row.checked_sub(1) {
            None => Moved::AtEnd,
            Some(row) => self.go(&typed, row),
        }
    }

    /// One row down.
    pub(crate) fn down(&mut self, columns: usize) -> Moved {
        let typed = self.rows(columns);
        match typed.row + 1 {
            row if row < typed.rows.len() => self.go(&typed, row),
            _ => Moved::AtEnd,
        }
    }

    /// The text as rows of so many columns, and where in them the cursor is. Rows are full before they
    /// break, so that nothing moves while a word grows.
    pub(crate) fn rows(&self, columns: usize) -> Typed {
        let columns = columns.max(2);
        let mut typed = Typed { rows: Vec::new(), row: 0, column: 0 };
        let (mut start, mut used) = (0, 0);
        for (at, shown) in self.text.grapheme_indices(true) {
            let width = shown.width();
            if shown != "\n" && used + width > columns {
                typed.rows.push(start..at);
                (start, used) = (at, 0);
            }
            if at == self.cursor {
                (typed.row, typed.column) = (typed.rows.len(), used);
            }
            if shown == "\n" {
                typed.rows.push(start..at);
                (start, used) = (at + 1, 0);
            } else {
                used += width;
            }
        }
        if self.cursor == self.text.len() {
            if used == columns {
                typed.rows.push(start..self.text.len());
                (start, used) = (self.text.len(), 0);
            }
            (typed.row, typed.column) = (typed.rows.len(), used);
        }
        typed.rows.push(start..self.text.len());
        typed
    }

    fn go(&mut self, typed: &Typed, row: usize) -> Moved {
        let range = typed.rows[row].clone();
        let mut used = 0;
        self.cursor = range.end;
        for (at, shown) in self.text[range.clone()].grapheme_indices(true) {
            if used >= typed.column {
                self.cursor = range.start + at;
                break;
            }
            used += shown.width();
        }
        Moved::Yes
    }

    fn delete_to(&mut self, other: usize) {
        let range = self.cursor.min(other)..self.cursor.max(other);
        self.cursor = range.start;
        self.text.replace_range(range, "");
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn behind(&self) -> usize {
        let length = self.text[self.cursor..].graphemes(true).next().map_or(0, str::len);
        self.cursor + length
    }

    fn word_before(&self) -> usize {
        let head = self.text[..self.cursor].trim_end();
        head.rfind(char::is_whitespace)
            .map_or(0, |at| at + head[at..].chars().next().map_or(0, char::len_utf8))
    }

    fn word_behind(&self) -> usize {
        let tail = &self.text[self.cursor..];
        let skipped = tail.len() - tail.trim_start().len();
        let end = tail[skipped..].find(char::is_whitespace).map_or(tail.len(), |at| skipped + at);
        self.cursor + end
    }

    fn start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn end(&self) -> usize {
        self.text[self.cursor..].find('\n').map_or(self.text.len(), |at| self.cursor + at)
    }
}

/// The text as rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    /// Ranges of its bytes; at least one.
    pub(crate) rows: Vec<Range<usize>>,
    /// The cursor's row.
    pub(crate) row: usize,
    /// The cursor's column.
    pub(crate) column: usize,
}

/// Of a paste: its lines, without what is no text. A tab has no width that a line could count with.
fn typeable(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', "    ");
    text.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_moves_by_what_a_person_sees() {
        let mut line = Line::of("a👩‍👩‍👧e\u{301}b");
        line.left();
        line.left();
        line.delete_before();
        assert_eq!(line.text(), "ae\u{301}b");
        line.delete_behind();
        assert_eq!(line.text(), "ab");
    }

    #[test]
    fn words_are_deleted_and_jumped_over() {
        let mut line = Line::of("one  two three");
        line.delete_word_before();
        assert_eq!(line.text(), "one  two ");
        line.delete_word_before();
        assert_eq!(line.text(), "one  ");
        line.word_left();
        line.delete_word_behind();
        assert_eq!(line.text(), "  ");
    }

    #[test]
    fn controls_of_a_paste_go_and_its_lines_stay() {
        let line = Line::of("a\r\nb\rc\t\u{1b}[2Jd");
        assert_eq!(line.text(), "a\nb\nc    [2Jd");
    }

    #[test]
    fn a_text_is_taken_up_to_the_bound_and_no_further() {
        let mut line = Line::default();
        assert_eq!(line.insert(&"x".repeat(TEXT_BYTES_MAX)), Ok(()));
        assert_eq!(line.insert("y"), Err(TooMuch));
        assert_eq!(line.text().len(), TEXT_BYTES_MAX);
    }

    #[test]
    fn the_cursor_goes_up_and_down_over_rows() {
        let mut line = Line::of("abcdef\nxy");
        let typed = line.rows(4);
        assert_eq!(typed, Typed { rows: vec![0..4, 4..6, 7..9], row: 2, column: 2 });
        assert_eq!(line.down(4), Moved::AtEnd);
        assert_eq!(line.up(4), Moved::Yes);
        assert_eq!(line.up(4), Moved::Yes);
        assert_eq!((line.rows(4).row, line.rows(4).column), (0, 2));
        assert_eq!(line.up(4), Moved::AtEnd);
        line.go_to_end();
        line.delete_to_start();
        assert_eq!(line.text(), "\nxy");
    }

    #[test]
    fn a_full_row_has_its_cursor_on_the_next_one() {
        assert_eq!((Line::of("abcd").rows(4).row, Line::of("abcd").rows(4).column), (1, 0));
    }
}
