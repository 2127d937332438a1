//! Facts about what can be typed, and about the help.

use super::*;

fn error(words: &[&str]) -> String {
    let words = std::iter::once("pychatctl").chain(words.iter().copied());
    Cli::read(words).unwrap_err().to_string()
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn a_mistyped_verb_gets_a_suggestion() {
    insta::assert_snapshot!(error(&["inbx"]), @r"
    error: unrecognized subcommand 'inbx'

      tip: a similar subcommand exists: 'inbox'

    Usage: pychatctl [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn a_missing_argument_is_named() {
    insta::assert_snapshot!(error(&["connect", "alice"]), @r"
    error: the following required arguments were not provided:
      <NAME>

    Usage: pychatctl connect <USER> <NAME>

    For more information, try '--help'.
    ");
}

#[test]
fn switches_can_be_turned_off_again() {
    let json = |words: &[&str]| {
        let words = ["pychatctl", "status"].iter().chain(words);
        Cli::read(words).unwrap().globals.json
    };
    assert_eq!(json(&[]), None);
    assert_eq!(json(&["--json"]), Some(true));
    assert_eq!(json(&["--json=no"]), Some(false));
}

#[test]
fn the_help_fits_80_columns() {
    let help = command().term_width(80).render_help().to_string();
    let wide: Vec<_> = help.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

/// Every command with its words.
fn all(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    let below = below.flat_map(|below| {
        let path = format!("{path} {}", below.get_name());
        all(below, path.trim_start())
    });
    let own = (path.to_owned(), command.clone());
    std::iter::once(own).filter(|_| !path.is_empty()).chain(below).collect()
}

#[test]
fn each_help_fits_80_columns_and_ends_with_examples() {
    for (path, command) in all(&command(), "") {
        let help = command.clone().term_width(80).render_long_help().to_string();
        // Wider ones would be broken at a place of clap's choice. One that is to be pasted is not broken.
        let wide = |line: &&str| line.chars().count() > 80 && !line.starts_with("  pychatctl ");
        assert_eq!(help.lines().find(wide), None, "{path}");
        let does_something = !command.has_subcommands() || !command.is_subcommand_required_set();
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = after.lines().filter(|line| line.contains("pychatctl ")).count();
        assert!(!does_something || examples >= 1, "{path} has no example");
    }
}

#[test]
fn the_examples_are_sound() {
    let lines = all(&command(), "")
        .into_iter()
        .flat_map(|(path, _)| Page::of(&path).map_or(&[][..], |page| page.examples).to_vec());
    for (typed, _) in lines.filter(|(typed, _)| typed.starts_with("pychatctl ")) {
        let typed = typed.split(['|', '>']).next().unwrap().split(" && ").next().unwrap();
        let words: Vec<String> = quoted_words(typed);
        if let Err(error) = Cli::read(words) {
            panic!("{typed}\n{error}");
        }
    }
}

/// Words as a shell takes them, as far as the examples need it.
fn quoted_words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// What was read of words, with the one verb alone and with all.
fn read_both_ways(words: &[&str]) -> (Option<String>, Option<String>) {
    let words: Vec<OsString> =
        std::iter::once("pychatctl").chain(words.iter().copied()).map(Into::into).collect();
    let told = |matches: ArgMatches| format!("{:?}", Cli::from_arg_matches(&matches).unwrap());
    let whole = command().try_get_matches_from(&words).ok();
    (parse_one_verb(&words).map(told), whole.map(told))
}

#[test]
fn one_verb_alone_reads_what_all_of_them_read() {
    for words in [
        &["send", "bob", "hi", "--wait", "read", "--id", "x", "--timeout=3s"][..],
        &["--json", "inbox", "--reader", "bot", "-n", "3"],
        &["--profile", "work", "unread", "--format", "{total}"],
        &["users", "--all", "-q"],
        &["status"],
    ] {
        let (one, all) = read_both_ways(words);
        assert!(all.is_some(), "{words:?}");
        assert_eq!(one, all, "{words:?}");
    }
}

#[test]
fn a_verb_alone_takes_what_it_takes_among_the_others() {
    let all = Cli::command();
    let told =
        |verb: &clap::Command| verb.get_arguments().map(|it| format!("{it:?}")).collect::<Vec<_>>();
    for name in ["users", "send", "inbox", "status", "unread"] {
        let (alone, among) = (one_verb(name).unwrap(), all.find_subcommand(name).unwrap());
        assert_eq!(told(&alone), told(among), "{name}");
        assert!(!among.has_subcommands() && among.get_all_aliases().next().is_none(), "{name}");
    }
}

#[test]
fn words_that_only_look_like_a_verb_are_left_to_the_whole_command_line() {
    let (one, all) = read_both_ways(&["--profile", "send", "users"]);
    assert_eq!(one, None);
    assert!(all.is_some_and(|read| read.contains("Users")));
    for words in [
        &["help", "send"][..],
        &["send", "--help"],
        &["history", "send"],
        &["daemon", "status"],
        &["inbx"],
        &["--version"],
        &[],
    ] {
        assert_eq!(read_both_ways(words).0, None, "{words:?}");
    }
}
