//! A table with a heading whose columns fit the terminal.

use super::{
    View,
    wrap::{Width, columns, cut},
};

/// Rows under headings; the column `shrinks` is cut first where the width does not suffice.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    shrinks: usize,
}

/// Between two columns.
const GAP: usize = 2;

/// A column is never cut below this.
const COLUMN_MIN: usize = 8;

impl Table {
    /// A table with these headings.
    pub(crate) fn new(heads: &[&'static str], shrinks: usize) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new(), shrinks }
    }

    /// Adds a row, of as many cells as there are headings.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines. `paint_cell` may colour a cell that is laid out already.
    pub(crate) fn lines(
        &self,
        view: &View,
        paint_cell: impl Fn(usize, &str, String) -> String,
    ) -> String {
        let widths = self.widths(view.width);
        let mut out = String::new();
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        let head = line(&heads, &widths, |_, _, cell| cell);
        out.push_str(&view.paint.bold(&head));
        out.push('\n');
        for row in &self.rows {
            out.push_str(&line(row, &widths, &paint_cell));
            out.push('\n');
        }
        out
    }

    fn widths(&self, width: Width) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|head| columns(head)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(columns(cell));
            }
        }
        if let Width::Columns(columns_max) = width {
            let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
            let excess = total.saturating_sub(columns_max);
            if let Some(shrinks) = widths.get_mut(self.shrinks) {
                *shrinks = (*shrinks).min(shrinks.saturating_sub(excess).max(COLUMN_MIN));
            }
        }
        widths
    }
}

fn line(
    cells: &[String],
    widths: &[usize],
    paint_cell: impl Fn(usize, &str, String) -> String,
) -> String {
    let mut out = String::new();
    for (number, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let shown = cut(cell, *width);
        let missing = width.saturating_sub(columns(&shown));
        out.push_str(&paint_cell(number, cell, shown.into_owned()));
        if number + 1 < cells.len() {
            out.extend(std::iter::repeat_n(' ', missing + GAP));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["USER", "NAME", "SINCE"], 1);
        table.row(vec!["al".into(), "日本".into(), "now".into()]);
        table.row(vec!["bob".into(), "x".repeat(100), "1 min ago".into()]);
        table
    }

    #[test]
    fn columns_line_up_and_fit() {
        let lines =
            table().lines(&View { width: Width::Columns(40), ..View::at_noon() }, |_, _, c| c);
        assert!(lines.lines().all(|line| columns(line) <= 40), "{lines}");
        insta::assert_snapshot!(lines, @r"
        USER  NAME                     SINCE
        al    日本                     now
        bob   xxxxxxxxxxxxxxxxxxxxxx…  1 min ago
        ");
    }

    #[test]
    fn a_pipe_gets_every_character() {
        let lines = table().lines(&View::pipe(), |_, _, cell| cell);
        assert!(lines.contains(&"x".repeat(100)));
    }
}
