//! A table of states and events, as a snapshot and as the document shows it.

use std::fmt::Write as _;

/// Set to `write`, it has the document's tables written anew instead of compared.
const VARIABLE: &str = "PYCHAT_STATES";
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/PROTOCOL.md");

/// What came of one event in one state.
struct Cell {
    after: &'static str,
    said: Vec<String>,
}

/// One side's table.
pub(crate) struct Table {
    side: &'static str,
    states: Vec<&'static str>,
    rows: Vec<(String, Vec<Cell>)>,
}

impl Table {
    pub(crate) fn new(side: &'static str, states: Vec<&'static str>) -> Self {
        Self { side, states, rows: Vec::new() }
    }

    /// Adds an event; `apply` brings it about in each state in turn and tells the state after it and
    /// what was said.
    pub(crate) fn event(
        &mut self,
        name: &str,
        mut apply: impl FnMut(&'static str) -> (&'static str, Vec<String>),
    ) {
        assert!(self.rows.iter().all(|(other, _)| other != name), "{name} stands there twice");
        let cells = self.states.iter().map(|state| {
            let (after, said) = apply(state);
            assert!(self.states.contains(&after), "{name} in {state} led to an unknown {after}");
            Cell { after, said }
        });
        let cells = cells.collect();
        self.rows.push((name.into(), cells));
    }

    /// Rows of the whole table: one for each state and event.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() * self.states.len()
    }

    /// The whole table: a line for each state and event.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (column, state) in self.states.iter().enumerate() {
            writeln!(text, "{state}").unwrap();
            for (event, cells) in &self.rows {
                let Cell { after, said } = &cells[column];
                let after = if after == state { "" } else { after };
                let said = said.join(", ");
                let line = format!("  {event:<34} {after:<14} {said}");
                writeln!(text, "{}", line.trim_end()).unwrap();
            }
            text.push('\n');
        }
        text
    }

    /// The moves between states as the document shows them: events that make the same moves share a
    /// line, those that make none in any state share the last.
    fn moves(&self) -> String {
        let mut lines: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
        let mut idle = Vec::new();
        for (event, cells) in &self.rows {
            let moves = self.states.iter().zip(cells);
            let moves: Vec<&str> = moves
                .map(|(state, cell)| if cell.after == *state { "·" } else { cell.after })
                .collect();
            if moves.iter().all(|after| *after == "·") {
                idle.push(event.as_str());
            } else if let Some((events, _)) = lines.iter_mut().find(|(_, other)| *other == moves) {
                events.push(event);
            } else {
                lines.push((vec![event], moves));
            }
        }
        let mut text = format!("| event | {} |\n", self.states.join(" | "));
        writeln!(text, "|---|{}", "---|".repeat(self.states.len())).unwrap();
        for (events, moves) in lines {
            writeln!(text, "| {} | {} |", events.join(", "), moves.join(" | ")).unwrap();
        }
        writeln!(text, "\nNo state is left for: {}.", idle.join(", ")).unwrap();
        text
    }

    /// Compares the moves with those in docs/PROTOCOL.md.
    #[allow(clippy::disallowed_methods, reason = "a test reads and writes its expectations")]
    pub(crate) fn check_document(&self) {
        let document = std::fs::read_to_string(DOCUMENT).unwrap();
        let begin = format!("<!-- moves of the {} -->\n\n", self.side);
        let (before, rest) = document.split_once(&begin).expect("the document has the table");
        let (table, after) = rest.split_once("\n<!-- end -->").expect("the table has its end");
        assert!(!table.contains("<!--"), "the table of the {} has its own end", self.side);
        let moves = self.moves();
        if table == moves {
            return;
        }
        if std::env::var(VARIABLE).is_ok_and(|value| value == "write") {
            let document = format!("{before}{begin}{moves}\n<!-- end -->{after}");
            std::fs::write(DOCUMENT, document).unwrap();
            return;
        }
        panic!(
            "docs/PROTOCOL.md shows other moves of the {}; if the protocol is meant to change, run \
             `{VARIABLE}=write cargo test -p pychat-proto states` and look at the difference\n\
             in the document:\n{table}\nmade now:\n{moves}",
            self.side
        );
    }
}
