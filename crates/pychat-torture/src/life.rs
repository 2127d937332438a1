//! The life of a text that something went wrong with: what the programs know of it, and their logs.

use crate::{check::Case, person::Person};
use std::{fmt::Write, fs, path::Path};

/// Lines of one log about one text.
const LINES_MAX: usize = 50;

/// Tells it, for a person who has to find out.
pub(crate) fn tell(case: &Case, people: &[Person], place: &Path) -> String {
    let Case { from, to, id, key, begins } = case;
    let mut text = format!("{begins:?} from {from} to {to}, id {id}, key {key}\n");
    for person in people.iter().filter(|person| [from, to].iter().any(|it| *it == person.name())) {
        let traced = person.ctl(&["trace", id], None);
        let said = traced.map_or_else(|error| format!("{error:#}"), |it| it.stdout + &it.stderr);
        let _infallible = writeln!(text, "  trace by {}: {}", person.name(), said.trim());
        for log in logs(&person.state().join("log")) {
            grep(&log, id, &mut text);
        }
    }
    grep(&place.join("server.log"), id, &mut text);
    text
}

fn logs(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn grep(path: &Path, id: &str, text: &mut String) {
    let log = fs::read(path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    for line in log.lines().filter(|line| line.contains(id)).take(LINES_MAX) {
        let _infallible = writeln!(text, "  {}: {line}", path.display());
    }
}
