//! The tests themselves: with nextest, or with what cargo brings where nextest cannot be had.

use super::report::{Outcome, Report};
use crate::{tools, workspace};
use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

/// What is built and tested. One list for both: built with the same features, nothing is built
/// twice, and the programs lie where the harness of the tests looks for them.
const TARGETS: [&str; 5] = ["--workspace", "--lib", "--bins", "--examples", "--tests"];

/// Builds the programs and the tests, then runs all tests but those in the documentation.
pub(super) fn run(report: &mut Report, target: &Path) -> Result<()> {
    report.step("build", "cargo build --workspace --lib --bins --examples --tests", || {
        workspace::run(workspace::cargo().args(["build", "--locked"]).args(TARGETS))?;
        Ok(Outcome::Passed)
    })?;
    match tools::NEXTEST.find(target) {
        Some(nextest) => report.step("tests", "cargo nextest run --workspace --profile ci", || {
            let mut command = workspace::command(nextest);
            command.args(["nextest", "run", "--locked", "--profile", "ci"]).args(TARGETS);
            with_closing_line(&mut command)
        }),
        None => report.step("tests", "cargo test --workspace --no-fail-fast", || {
            let mut command = workspace::cargo();
            workspace::run(command.args(["test", "--locked", "--no-fail-fast"]).args(TARGETS))?;
            Ok(Outcome::Told("with cargo test, for want of nextest".into()))
        }),
    }
}

/// How the check of the checker is run by itself.
pub(super) const BROKEN: &str =
    "cargo test --workspace --features pychat-sim/sabotage --test mutants";

/// Shows that the simulation notices promises that are broken on purpose. It is built apart, so that
/// no program under test holds a line of it; with the whole workspace, so that nothing of others' is
/// built again.
pub(super) fn broken_on_purpose() -> Result<Outcome> {
    let mut command = workspace::cargo();
    command.args(["test", "--locked", "--workspace", "--features", "pychat-sim/sabotage"]);
    workspace::run(command.args(["--test", "mutants"]))?;
    Ok(Outcome::Passed)
}

/// Runs nextest, shows what it says, and keeps the line with which it closes.
fn with_closing_line(command: &mut Command) -> Result<Outcome> {
    let mut child = command.stderr(Stdio::piped()).spawn().context("starting nextest")?;
    let said = child.stderr.take().context("nextest's standard error was asked for")?;
    let mut closing = None;
    for line in BufReader::new(said).lines() {
        let line = line.context("reading what nextest says")?;
        eprintln!("{line}");
        if is_closing(&line) {
            closing = Some(line.trim().to_owned());
        }
    }
    let status = child.wait().context("waiting for nextest")?;
    let closing = closing.unwrap_or_else(|| "nextest said nothing at its end".into());
    if !status.success() {
        bail!("{closing}");
    }
    Ok(Outcome::Told(closing))
}

/// `     Summary [   1.234s] 120 tests run: 120 passed, 0 skipped`.
fn is_closing(line: &str) -> bool {
    line.trim_start().starts_with("Summary [") && line.contains("run:")
}

#[cfg(test)]
mod tests {
    use super::is_closing;

    #[test]
    fn the_closing_line_is_told_from_the_others() {
        assert!(is_closing("     Summary [   0.503s] 9 tests run: 9 passed, 0 skipped"));
        assert!(is_closing("     Summary [   0.5s] 3/9 tests run: 2 passed, 1 failed, 0 skipped"));
        assert!(!is_closing("        PASS [   0.003s] xtask tests::the_closing_line"));
        assert!(!is_closing("    Starting 9 tests across 2 binaries"));
    }
}
