//! `cargo xtask fuzz`: runs the fuzz targets in turn, and says what each of them did.
//!
//! What a run adds to a corpus stays below the target directory: the one in the repository holds
//! beginnings and what once failed.

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// The version that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";

/// An input that takes longer is a finding.
const TIMEOUT_S: u32 = 20;

/// An input that takes more memory is a finding.
const RSS_LIMIT_MB: u32 = 4096;

/// What `cargo xtask fuzz` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each target runs.
    #[arg(long, default_value_t = 1.0, value_parser = minutes)]
    minutes: f64,
    /// Only these; without, all.
    targets: Vec<String>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.01..=10_000.0).contains(&minutes) { Ok(minutes) } else { Err("0.01 to 10000".into()) }
}

/// What one target did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    runs: u64,
    runs_per_s: u64,
    coverage: u64,
    findings: Vec<PathBuf>,
}

/// Builds all, runs each, prints a table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    install_if_missing()?;
    let all = targets()?;
    let chosen = if arguments.targets.is_empty() { &all } else { &arguments.targets };
    if let Some(unknown) = chosen.iter().find(|target| !all.contains(target)) {
        bail!("there is no target {unknown}; there are: {}", all.join(", "));
    }
    let time = Duration::from_secs_f64(arguments.minutes * 60.0);
    let mut outcomes = Vec::new();
    for target in chosen {
        let mut build = fuzz();
        build.args(["build", target]);
        workspace::run(&mut build)?;
        println!("running {target} for {time:?}");
        let outcome = run_one(target, time).with_context(|| format!("running {target}"))?;
        outcomes.push((target.as_str(), outcome));
    }
    print!("{}", table(&outcomes));
    let found = outcomes.iter().any(|(_, outcome)| !outcome.findings.is_empty());
    if found {
        bail!("something was found; run it again: cargo +nightly fuzz run TARGET FILE");
    }
    Ok(())
}

fn fuzz() -> Command {
    // The toolchain that the workspace asks for would be taken before the nightly one.
    let mut command = workspace::command("cargo");
    command.env_remove("RUSTUP_TOOLCHAIN").args(["+nightly", "fuzz"]);
    command
}

fn install_if_missing() -> Result<()> {
    if workspace::on_path("cargo-fuzz").is_some() {
        return Ok(());
    }
    println!("building cargo-fuzz {CARGO_FUZZ} from crates.io, once");
    let mut install = workspace::cargo();
    workspace::run(install.args(["install", "--locked", "--version", CARGO_FUZZ, "cargo-fuzz"]))
}

/// The targets, in the order of their names.
fn targets() -> Result<Vec<String>> {
    let place = workspace::root().join("fuzz/fuzz_targets");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&place).with_context(|| place.display().to_string())? {
        let path = entry?.path();
        targets.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    targets.sort();
    Ok(targets)
}

fn run_one(target: &str, time: Duration) -> Result<Outcome> {
    let place = workspace::target_directory()?.join("fuzz").join(target);
    let (corpus, findings) = (place.join("corpus"), place.join("findings"));
    for directory in [&corpus, &findings] {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    let log = place.join("log");
    let written = File::create(&log).with_context(|| log.display().to_string())?;
    let before = files(&findings)?;
    let mut command = fuzz();
    command
        .args(["run", target])
        .arg(&corpus)
        .arg(workspace::root().join("fuzz/corpus").join(target))
        .arg("--")
        .arg(format!("-max_total_time={}", time.as_secs().max(1)))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args([format!("-timeout={TIMEOUT_S}"), format!("-rss_limit_mb={RSS_LIMIT_MB}")])
        .args(["-print_final_stats=1", "-close_fd_mask=1"])
        .stdout(Stdio::null())
        .stderr(written);
    let status = command.status().with_context(|| workspace::line(&command))?;
    let text = fs::read_to_string(&log).with_context(|| log.display().to_string())?;
    let mut outcome = read_log(&text);
    outcome.findings = files(&findings)?;
    outcome.findings.retain(|file| !before.contains(file));
    if !status.success() && outcome.findings.is_empty() {
        bail!("it ended with {status}; see {}", log.display());
    }
    Ok(outcome)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// What libFuzzer says at the end, and of coverage on its way.
fn read_log(text: &str) -> Outcome {
    let stat = |name: &str| {
        let line = text.lines().rev().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    };
    let coverage = |line: &str| line.split_once(" cov: ")?.1.split(' ').next()?.parse().ok();
    Outcome {
        runs: stat("stat::number_of_executed_units:"),
        runs_per_s: stat("stat::average_exec_per_sec:"),
        coverage: text.lines().rev().find_map(coverage).unwrap_or(0),
        findings: Vec::new(),
    }
}

fn table(outcomes: &[(&str, Outcome)]) -> String {
    let mut text = format!(
        "{:<12} {:>12} {:>8} {:>10}  {}\n",
        "target", "runs", "runs/s", "coverage", "findings"
    );
    for (target, Outcome { runs, runs_per_s, coverage, findings }) in outcomes {
        let found: Vec<String> = findings.iter().map(|file| file.display().to_string()).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(" ") };
        text.push_str(&format!(
            "{target:<12} {runs:>12} {runs_per_s:>8} {coverage:>10}  {found}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_says_how_much_was_done() {
        let text = "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 40Mb\n\
                    #90\tNEW    cov: 34 ft: 50 corp: 2/9b lim: 4 exec/s: 0 rss: 41Mb L: 3/3\n\
                    #99\tDONE   cov: 35 ft: 51 corp: 2/9b lim: 4 exec/s: 33 rss: 41Mb\n\
                    stat::number_of_executed_units: 99\nstat::average_exec_per_sec:     33\n";
        let outcome = Outcome { runs: 99, runs_per_s: 33, coverage: 35, findings: Vec::new() };
        assert_eq!(read_log(text), outcome);
        assert_eq!(read_log("it did not start"), Outcome::default());
    }

    #[test]
    fn the_table_has_a_line_for_each_target() {
        let outcome = Outcome { runs: 9, findings: vec!["f/crash-1".into()], ..Outcome::default() };
        let text = table(&[("session", outcome)]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("f/crash-1\n"), "{text}");
    }
}
