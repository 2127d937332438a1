//! `cargo xtask test`: everything that must hold, cheapest first, stopping at the first failure.

mod debian;
mod deny;
mod report;
mod suite;
mod tools;
mod units;

use crate::workspace;
use anyhow::Result;
use report::{Outcome, Report};
use std::path::Path;

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only format, lints and tests; install nothing.
    #[arg(long)]
    fast: bool,
}

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    All,
    Fast,
}

/// Runs the steps and prints the table of what was run.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let extent = if arguments.fast { Extent::Fast } else { Extent::All };
    let target = workspace::target_directory()?;
    let mut report = Report::new();
    let outcome = steps(&mut report, extent, &target);
    println!("\n{}", report.table());
    outcome?;
    println!("all is well");
    Ok(())
}

fn steps(report: &mut Report, extent: Extent, target: &Path) -> Result<()> {
    match extent {
        Extent::Fast => {
            format_and_lints(report)?;
            suite::run(report, target)
        }
        Extent::All => {
            report.step("packages", "apt-get install what is missing", debian::install_missing)?;
            format_and_lints(report)?;
            report.step("docs", DOCS, documentation)?;
            report.step("tools", tools::ALONE, || tools::install_missing(target))?;
            report.step("licences", deny::CHECK, || deny::check(target))?;
            report.step("advisories", deny::ADVISORIES, || deny::advisories(target))?;
            suite::run(report, target)?;
            report.step("broken on purpose", suite::BROKEN, suite::broken_on_purpose)?;
            report.step("doc tests", "cargo test --workspace --doc", || {
                cargo(&["test", "--locked", "--workspace", "--doc"])
            })?;
            report.step("units", units::ALONE, || units::verify(target))
        }
    }
}

fn format_and_lints(report: &mut Report) -> Result<()> {
    report.step("format", "cargo fmt --all --check", || cargo(&["fmt", "--all", "--check"]))?;
    report.step("lints", "cargo clippy --workspace --all-targets -- -D warnings", || {
        cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
    })
}

const DOCS: &str =
    "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items";

fn documentation() -> Result<Outcome> {
    let mut command = workspace::cargo();
    command.args(["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]);
    workspace::run(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Passed)
}

fn cargo(arguments: &[&str]) -> Result<Outcome> {
    workspace::run(workspace::cargo().args(arguments))?;
    Ok(Outcome::Passed)
}
