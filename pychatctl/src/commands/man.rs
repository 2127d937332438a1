//! `man [COMMAND..]`: the manual pages.

use crate::{
    cli::{self, Page},
    names,
    output::{Failed, Form, Output},
    screen::{Paint, View},
};
use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use pychat_control::{ErrorCode, Failure};
use std::{fs, io, path::Path};

/// Prints one page, or writes every page into a directory.
pub(super) fn run(words: &[String], dir: Option<&Path>) -> Result<(), Failed> {
    // What the short help leaves out is on the page.
    let mut root = cli::command().mut_args(|arg| arg.hide_short_help(false));
    root.build();
    match (words, dir) {
        (_, Some(dir)) => write_all(&root, dir),
        ([word], None) if names_a_directory(&root, word) => write_all(&root, Path::new(word)),
        (words, None) => print(&root, words),
    }
}

/// `man DIR`, as it was typed before there was `--dir`.
fn names_a_directory(root: &Command, word: &str) -> bool {
    let path = Path::new(word);
    root.find_subcommand(word).is_none() && (path.components().count() > 1 || path.is_dir())
}

fn print(root: &Command, words: &[String]) -> Result<(), Failed> {
    let found = words.iter().try_fold(root, |command, word| command.find_subcommand(word));
    let Some(command) = found else { return Err(no_command(words).into()) };
    let page = page(command, &words.join(" "));
    let page = page.map_err(|error| failure(format!("the page cannot be written: {error}")))?;
    let mut out = Output::new(Form::Text, View::detect(false, Paint::PLAIN), false);
    out.text(&String::from_utf8_lossy(&page))?;
    Ok(out.flush()?)
}

fn write_all(root: &Command, dir: &Path) -> Result<(), Failed> {
    let written = fs::create_dir_all(dir).and_then(|()| write_below(root, "", dir));
    written.map_err(|error| failure(format!("no pages in {}: {error}", dir.display())).into())
}

fn write_below(command: &Command, path: &str, dir: &Path) -> io::Result<()> {
    let name = format!("pychatctl {path}").trim_end().replace(' ', "-");
    fs::write(dir.join(format!("{name}.1")), page(command, path)?)?;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        let name = below.get_name();
        let path = if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
        write_below(below, &path, dir)?;
    }
    Ok(())
}

/// A command's page. What it shares with the others is on each of them, as a reader expects it there.
fn page(command: &Command, path: &str) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).manual("PyChat").source(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    if let Some(of_command) = Page::of(path) {
        if !of_command.notes.is_empty() {
            literal(&mut rest, "NOTES", of_command.notes);
        }
        examples(&mut rest, of_command.examples);
    } else if let Some(text) = command.get_after_help().filter(|_| !path.is_empty()) {
        literal(&mut rest, "EXAMPLES", &text.to_string());
    } else {
        examples(&mut rest, cli::FIRST_EXAMPLES);
    }
    literal(&mut rest, "EXIT STATUS", cli::EXIT_CODES);
    literal(&mut rest, "FILES", cli::FILES);
    literal(&mut rest, "ENVIRONMENT", ENVIRONMENT);
    rest.control("SH", ["SEE ALSO"]);
    rest.text([roman(if path.is_empty() { "pychatd(1)" } else { "pychatctl(1)" })]);
    rest.to_writer(&mut page)?;
    Ok(page)
}

/// Lines that stay as they are.
fn literal(roff: &mut Roff, head: &str, text: &str) {
    roff.control("SH", [head]).control("nf", []);
    for line in text.lines() {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
}

fn examples(roff: &mut Roff, examples: &[(&str, &str)]) {
    roff.control("SH", ["EXAMPLES"]);
    for (typed, does) in examples {
        roff.control("PP", []);
        if !does.is_empty() {
            roff.text([roman(format!("{does}:"))]);
        }
        roff.control("RS", ["4"]).control("nf", []).text([roman(*typed)]);
        roff.control("fi", []).control("RE", []);
    }
}

fn no_command(words: &[String]) -> Failure {
    let hint = "see the commands: pychatctl --help; to write all pages: pychatctl man --dir DIR";
    names::usage(format!("there is no command {:?}", words.join(" ")), Some(hint.into()))
}

fn failure(message: String) -> Failure {
    Failure { code: ErrorCode::Other, message, hint: None, sent: None }
}

const ENVIRONMENT: &str = "\
PYCHAT_PROFILE        the profile, in place of --profile
PYCHAT_SERVER         the server of connect, in place of --server
PYCHAT_WAIT           what send waits for, in place of --wait
PYCHAT_TIMEOUT        how long requests wait, in place of --timeout
PYCHAT_JSON           1 for --json
PYCHAT_QUIET          1 for --quiet
PYCHAT_COLOR          auto, always or never, in place of --color
PYCHAT_NO_AUTOSTART   1 for --no-autostart
PYCHAT_CONFIG         the user's configuration, in place of --config
PYCHAT_STATE_DIR      where every profile's state is
PYCHATD               the daemon's program
NO_COLOR              no colours
COLUMNS               how wide the terminal is";
