//! `pychat-bench`: measures a PyChat server. See docs/PERFORMANCE.md.

use clap::Parser;
use pychat_bench::{cli::Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run::run(&cli.scenario).and_then(|record| Ok(serde_json::to_string(&record)?)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
