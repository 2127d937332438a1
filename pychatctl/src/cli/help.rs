//! What the help of each command ends with, and its manual page too: what else is to be known, and examples.

mod groups;
mod pages;

use clap::Command;
use pages::PAGES;

/// What is said of a command besides its arguments.
#[derive(Debug)]
pub(crate) struct Page {
    /// The command's words, without the program's name.
    path: &'static str,
    /// What else is to be known.
    pub(crate) notes: &'static str,
    /// What is typed, and what that does.
    pub(crate) examples: &'static [(&'static str, &'static str)],
}

impl Page {
    /// The page of a command, by its words.
    pub(crate) fn of(path: &str) -> Option<&'static Self> {
        PAGES.iter().find(|page| page.path == path)
    }

    /// For the end of a help.
    fn text(&self) -> String {
        let notes = self.notes.trim_end();
        let gap = if notes.is_empty() { "" } else { "\n\n" };
        let head = if self.examples.len() == 1 { "Example" } else { "Examples" };
        format!("{notes}{gap}{head}:\n{}", self.example_lines())
    }

    fn example_lines(&self) -> String {
        let widest = self.examples.iter().map(|(typed, _)| typed.chars().count()).max();
        let widest = widest.unwrap_or_default();
        let fits = |(_, does): &(&str, &str)| widest + does.chars().count() + 4 < COLUMNS;
        let beside = self.examples.iter().all(fits);
        let line = |(typed, does): &(&str, &str)| match (does.is_empty(), beside) {
            (true, _) => format!("  {typed}"),
            (false, true) => format!("  {typed:<widest$}  {does}"),
            (false, false) => format!("  # {does}\n  {typed}"),
        };
        self.examples.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Adds all of that to the program's own help and that of each command.
pub(super) fn complete(command: Command) -> Command {
    let template = groups::template(&command);
    add(command, "").help_template(template)
}

/// Adds them to a command and those below it.
fn add(command: Command, path: &str) -> Command {
    let names: Vec<String> =
        command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let command = match Page::of(path) {
        Some(page) => command.after_help(page.text()),
        None => command,
    };
    names.iter().fold(command, |command, name| {
        let below = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command.mut_subcommand(name, |command| add(command, &below))
    })
}

/// What a terminal shows at least.
const COLUMNS: usize = 80;

#[cfg(test)]
mod tests {
    use super::groups::GROUPS;

    #[test]
    fn each_verb_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| *verbs).copied().collect();
        let command = crate::cli::command();
        let mut verbs: Vec<&str> = command.get_subcommands().map(|verb| verb.get_name()).collect();
        verbs.push("help");
        grouped.sort_unstable();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
    }
}
