//! docs/SECURITY.md names for each promise the tests that show it: every one of them exists, is a
//! test, and no promise stands there without one.

use std::{collections::BTreeSet, fs, path::Path};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Fewer promises than this, and the document was not read as it is meant.
const PROMISES_MIN: usize = 30;

/// A row of a table of promises: what is promised, and the tests, as `file::name`.
struct Promise {
    text: String,
    tests: Vec<(String, String)>,
}

/// The rows of the tables in section "Promises".
fn promises(document: &str) -> Vec<Promise> {
    let section = document.split_once("\n## Promises\n").expect("a section of promises").1;
    let section = section.split_once("\n## ").expect("it is not the last section").0;
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.filter(|row| *row != "promise | shown by")
        .map(|row| {
            let (text, tests) = row.split_once(" | ").expect("a row has two cells");
            Promise { text: text.into(), tests: named(tests) }
        })
        .collect()
}

/// The tests named in backticks.
fn named(cell: &str) -> Vec<(String, String)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.split_once("::")).map(|(a, b)| (a.into(), b.into())).collect()
}

/// Whether `source` has a test of this name: a function with a `test` attribute among those above it.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let defines = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let Some(at) = lines.iter().position(|line| defines(line)) else { return false };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    attributes.into_iter().any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
}

#[test]
fn every_promise_names_tests_that_exist() {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/SECURITY.md"));
    let promises = promises(&document.expect("the document is there"));
    assert!(promises.len() >= PROMISES_MIN, "{} promises", promises.len());
    let mut missing = BTreeSet::new();
    for Promise { text, tests } in &promises {
        assert!(!tests.is_empty(), "no test shows this: {text}");
        for (file, name) in tests {
            let source = fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_default();
            if !has_test(&source, name) {
                missing.insert(format!("{file}::{name}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/SECURITY.md names tests that are not there: {missing:#?}");
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\nfn a_fact_holds() {}\n\n#[tokio::test]\nasync fn it_waits() {}\n\
                  fn only_a_function() {}\n#[test]\n#[cfg(unix)]\nfn on_unix() {}\n// fn a_comment() {}";
    for name in ["a_fact_holds", "it_waits", "on_unix"] {
        assert!(has_test(source, name), "{name}");
    }
    for name in ["only_a_function", "a_comment", "a_fact", "nothing"] {
        assert!(!has_test(source, name), "{name}");
    }
    let table = "\n## Promises\n\n| promise | shown by |\n|---|---|\n| It holds. | `a/b.rs::c`, `d.rs::e` |\n\
                 | Bare. | somehow |\n\n## Rest\n| no | `x::y` |\n";
    let promises = promises(table);
    assert_eq!(promises.len(), 2);
    assert_eq!(promises[0].tests.len(), 2);
    assert!(promises[1].tests.is_empty());
}
