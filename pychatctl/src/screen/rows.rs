//! A text as rows of a screen: broken between the characters that a person sees, at spaces where there
//! are some.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The rows that `text` takes at this width, as ranges of its bytes. Spaces at a break belong to no row. An
/// empty text is one empty row.
pub(crate) fn rows_of(text: &str, columns_max: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        rows_of_line(line, start, columns_max.max(1), &mut rows);
        start += line.len() + 1;
    }
    rows
}

fn rows_of_line(line: &str, offset: usize, columns_max: usize, rows: &mut Vec<Range<usize>>) {
    let mut row = Row { start: 0, columns: 0, has_word: false, space: None };
    for (at, shown) in line.grapheme_indices(true) {
        let width = shown.width();
        if row.columns + width > columns_max && shown != " " && at > row.start {
            let (end, next) = match row.space {
                Some(Space { end, next, .. }) => (end, next),
                // Of a row that begins with spaces only, those may be left.
                None => (row.start + line[row.start..at].trim_end_matches(' ').len(), at),
            };
            rows.push(offset + row.start..offset + end);
            let columns = line[next..at].width();
            row = Row { start: next, columns, has_word: columns > 0, space: None };
        }
        if shown == " " {
            // A run of spaces ends where the word before it ended.
            let end = match row.space {
                Some(Space { end, next }) if next == at => end,
                Some(_) | None => at,
            };
            if row.has_word {
                row.space = Some(Space { end, next: at + 1 });
            }
        }
        row.has_word |= shown != " ";
        row.columns += width;
    }
    let end = offset + line.trim_end_matches(' ').len().max(row.start);
    rows.push(offset + row.start..end);
}

struct Row {
    start: usize,
    columns: usize,
    /// Whether it has something else than spaces.
    has_word: bool,
    /// The last run of spaces in it.
    space: Option<Space>,
}

/// A run of spaces.
struct Space {
    end: usize,
    next: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str, columns_max: usize) -> Vec<&str> {
        rows_of(text, columns_max).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn rows_break_at_spaces_and_line_feeds() {
        assert_eq!(rows("one two three", 8), ["one two", "three"]);
        assert_eq!(rows("one two  three\n\nx ", 7), ["one two", "three", "", "x"]);
        assert_eq!(rows("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(rows("a bcdefghij", 4), ["a", "bcde", "fghi", "j"]);
        assert_eq!(rows("", 4), [""]);
        assert_eq!(rows("  indented", 20), ["  indented"]);
        assert_eq!(rows("      x", 4), ["", "x"]);
    }

    #[test]
    fn what_a_person_sees_as_one_character_is_not_broken() {
        assert_eq!(rows("日本語", 5), ["日本", "語"]);
        assert_eq!(rows("👩‍👩‍👧👩‍👩‍👧", 3), ["👩‍👩‍👧", "👩‍👩‍👧"]);
        assert_eq!(rows("日", 1), ["日"]);
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_the_screen_and_no_word_is_lost(
            text in "[a-z日é \n]{0,120}", columns_max in 2_usize..30,
        ) {
            let rows = rows(&text, columns_max);
            for row in &rows {
                prop_assert!(row.width() <= columns_max, "{row:?}");
            }
            let squeeze = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeeze(&rows.concat()), squeeze(&text));
        }
    }
}
