//! Facts about what can be typed, and about the help.

use super::*;
use clap::CommandFactory;

fn error(words: &[&str]) -> String {
    let words = std::iter::once("pychatctl").chain(words.iter().copied());
    Cli::try_parse_from(words).unwrap_err().to_string()
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
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
        Cli::try_parse_from(words).unwrap().globals.json
    };
    assert_eq!(json(&[]), None);
    assert_eq!(json(&["--json"]), Some(true));
    assert_eq!(json(&["--json=no"]), Some(false));
}

#[test]
fn the_help_fits_80_columns() {
    let help = Cli::command().term_width(80).render_help().to_string();
    let wide: Vec<_> = help.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn the_help_on_chatting_and_keys_fits_80_columns_and_shows_examples() {
    for verb in ["chat", "verify", "trust", "contacts"] {
        let command = Cli::command().find_subcommand(verb).unwrap().clone();
        let help = command.term_width(80).render_long_help().to_string();
        let examples: Vec<&str> = help.lines().filter(|line| line.contains("pychatctl ")).collect();
        assert!(examples.len() >= 2, "{help}");
        // Wider ones would be broken at a place of clap's choice.
        assert!(help.lines().all(|line| line.chars().count() < 80), "{help}");
    }
}
