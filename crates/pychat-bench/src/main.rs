//! `pychat-bench`: measures a PyChat server. See docs/PERFORMANCE.md.

use anyhow::{Context, Result};
use clap::Parser;
use pychat_bench::{cli::Cli, run, table};
use std::{fs, process::ExitCode};

fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> Result<()> {
    let asked = &cli.scenario;
    let measured = run::run(asked)?;
    for record in &measured.records {
        if asked.common().json {
            println!("{}", serde_json::to_string(record)?);
        } else {
            println!("{}", table::lines(record));
        }
    }
    if let (Some(file), Some(picture)) = (asked.svg(), &measured.picture) {
        fs::write(file, picture).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
