//! `cargo xtask test`: everything that must hold, cheapest first, stopping at the first failure.

mod debian;
mod deny;
mod report;
mod suite;
mod units;

use crate::{
    dist, macos, nats, systemd, tools, windows,
    workspace::{self, Profile},
};
use anyhow::Result;
pub(crate) use report::Outcome;
use report::Report;
use std::path::Path;

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only format, lints and tests; install nothing.
    #[arg(long)]
    fast: bool,
    /// What is worth a night, too: the programs for Windows, under Wine, and whether they compile for macOS.
    #[arg(long, conflicts_with = "fast")]
    all: bool,
    /// Leave out what boots a machine of its own, which only root can.
    #[arg(long)]
    without_systemd: bool,
}

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    All,
    WithoutSystemd,
    Fast,
}

/// Runs the steps and prints the table of what was run.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let extent = match arguments {
        Arguments { fast: true, .. } => Extent::Fast,
        Arguments { without_systemd: true, .. } => Extent::WithoutSystemd,
        Arguments { .. } => Extent::All,
    };
    let target = workspace::target_directory()?;
    let mut report = Report::new();
    let outcome = steps(&mut report, extent, &target)
        .and_then(|()| if arguments.all { nightly(&mut report, &target) } else { Ok(()) });
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
        Extent::All | Extent::WithoutSystemd => {
            report.step("system", "apt-get install what is missing", debian::install_missing)?;
            format_and_lints(report)?;
            report.step("docs", DOCS, documentation)?;
            report.step("tools", TOOLS, || install_tools(target))?;
            report.step("nats-server", nats::ALONE, || nats::fetch(target))?;
            report.step("licences", deny::CHECK, || deny::check(target))?;
            report.step("advisories", deny::ADVISORIES, || deny::advisories(target))?;
            suite::run(report, target)?;
            report.step("broken on purpose", suite::BROKEN, suite::broken_on_purpose)?;
            report.step("doc tests", "cargo test --workspace --doc", || {
                cargo(&["test", "--locked", "--workspace", "--doc"])
            })?;
            report.step("units", units::ALONE, || units::verify(target))?;
            in_packages(report, extent, target)
        }
    }
}

/// What takes so long, or installs so much, that it is done in the night.
fn nightly(report: &mut Report, target: &Path) -> Result<()> {
    report.step("windows", windows::ALONE, || Ok(Outcome::Told(windows::play(target)?)))?;
    report.step("macos", macos::ALONE, || {
        if !macos::is_possible() {
            return Ok(Outcome::Skipped("NOT CHECKED, rustup brings no std for macOS".into()));
        }
        macos::check(target)?;
        Ok(Outcome::Told("compiles, was not linked and not run".into()))
    })
}

/// The packages, of the programs that the tests have used, and the machine where they are installed.
fn in_packages(report: &mut Report, extent: Extent, target: &Path) -> Result<()> {
    let built = target.join(Profile::Dev.directory());
    let mut made = None;
    report.step("packages", "cargo xtask dist --profile dev", || {
        let packages = made.insert(dist::pack(target, &built, Profile::Dev)?);
        let count = packages.count()?;
        Ok(Outcome::Told(match &packages.without_rpm {
            None => format!("{count} files"),
            Some(why) => format!("{count} files, WITHOUT .rpm: {why}"),
        }))
    })?;
    report.step("systemd", systemd::ALONE, || match (&made, extent) {
        (Some(packages), Extent::All) => {
            Ok(Outcome::Told(systemd::play(target, &built, packages)?))
        }
        _ => Ok(Outcome::Skipped("as asked for by --without-systemd".into())),
    })
}

/// How a person does it.
const TOOLS: &str = "cargo install --locked cargo-deny cargo-nextest cargo-deb cargo-generate-rpm";

/// Installs what is missing. Without nextest the tests run all the same, only not as well; without
/// the tool for RPM packages there are none.
fn install_tools(target: &Path) -> Result<Outcome> {
    tools::DENY.find_or_install(target)?;
    tools::DEB.find_or_install(target)?;
    let lacking = [&tools::NEXTEST, &tools::RPM].map(|tool| tool.find_or_install(target).err());
    let lacking: Vec<String> =
        lacking.into_iter().flatten().map(|error| format!("{error:#}")).collect();
    if lacking.is_empty() {
        return Ok(Outcome::Passed);
    }
    Ok(Outcome::Told(format!("but going on: {}", lacking.join("; "))))
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
