//! The daemon's log.

use crate::run::{Home, said};
use std::{fs::File, io::Write};

#[test]
fn a_log_is_followed_as_it_grows_and_into_the_next_day() {
    let home = Home::new();
    let log = |day: &str| format!("state/default/log/pychatd.2026-01-{day}.log");
    let first = home.write(&log("30"), "one\ntwo\u{1b}[2J\n");
    let log_lines = home.follow(&["daemon", "logs", "-f", "-n", "1"]);
    assert_eq!(log_lines.next(), "two");
    File::options().append(true).open(first).unwrap().write_all(b"three\n").unwrap();
    assert_eq!(log_lines.next(), "three");
    home.write(&log("31"), "four\n");
    assert_eq!(log_lines.next(), "four");
}

#[test]
fn following_ends_in_time_and_without_a_log_it_says_so() {
    let home = Home::new();
    let none = home.run(&["daemon", "logs", "--follow"]);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("there is no log in"), "{}", none.err);
    home.write("state/default/log/pychatd.2026-01-30.log", "one\n");
    let output = home.command(&["daemon", "logs", "-f", "--timeout", "100ms"]).output().unwrap();
    assert_eq!((said(output).out.as_str(), none.out.as_str()), ("one\n", ""));
}
