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
    // The short help of each command is about that command, and fits a screen.
    let brief = |arg: clap::Arg| if arg.is_global_set() { arg.hide_short_help(true) } else { arg };
    add(command.mut_args(brief), "").help_template(template)
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
    fn the_first_page_is_for_somebody_who_looks_for_a_verb() {
        let page = crate::cli::command().term_width(80).render_help().to_string();
        insta::assert_snapshot!(page, @"
        Chat from the terminal that survives bad networks

        Usage: pychatctl [OPTIONS] <COMMAND>

        Log in:
          connect      Log in at a server, now and after each restart
          disconnect   Log out, and stay out until the next `connect`
          users        Show who is there

        Chat:
          chat         Chat on a full screen
          send         Send a message
          inbox        Show unread messages and mark them read
          unread       Show how many messages wait to be read, and from whom
          history      Show earlier messages, sent and received
          search       Look for words in all messages, sent and received

        Follow a message:
          trace        Show what happened to a message, step by step
          cancel       Take back a message that was not handed to the network yet

        Know who it is:
          verify       Compare keys with somebody: does anybody stand between you?
          trust        Accept the new key of somebody whose key changed
          contacts     Show whom you know by key, and how well

        When something is wrong:
          status       Show how the connection is
          doctor       Find out what stands in the way, and what to do about it

        For scripts:
          watch        Show what happens, as it happens
          readers      Show who takes each message once, and how far it is

        This machine:
          profile      Show, back up or move the identities on this machine
          daemon       Control the background daemon
          completions  Print the completion script for a shell
          man          Print a manual page, or write all of them into a directory
          help         Show the help of a command, such as: pychatctl help send

        Options (--help shows all, which each command takes, too):
          -h, --help     Print help (see more with '--help')
          -V, --version  Print version

        First steps, with the LINK that the server's operator gave you:
          pychatctl connect alice 'Alice Doe' --server LINK
          pychatctl users
          pychatctl send bob 'Hello!'
          pychatctl chat
        ");
    }

    #[test]
    fn each_verb_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| *verbs).copied().collect();
        let command = crate::cli::command();
        let mut verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        verbs.push("help");
        grouped.sort_unstable();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
    }
}
