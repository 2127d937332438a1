//! The checker: knows what was sent and what arrived, and nothing else.
//!
//! Prints its figures and each case; with `--json` one object. Ends with 0 if each text arrived once
//! and in order and nothing else did, with 1 if not, with 2 if there can be no verdict.

use clap::Parser;
use pychat_torture::{
    check::{Case, Verdict},
    record,
};
use std::{error::Error, path::PathBuf, process::ExitCode};

/// Compares what was sent with what arrived.
#[derive(Parser)]
#[command(name = "pychat-torture-check")]
struct Arguments {
    /// JSON Lines of `{at_ms, from, to, key, id, text}`, each conversation in order.
    sent: PathBuf,
    /// JSON Lines of `{from, to, id, text}`, each conversation in order.
    arrived: PathBuf,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match verdict(&arguments) {
        Ok(verdict) => {
            if arguments.json {
                println!("{}", serde_json::json!(verdict));
            } else {
                show(&verdict);
            }
            if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn verdict(arguments: &Arguments) -> Result<Verdict, Box<dyn Error>> {
    let (sent, arrived) = (record::read(&arguments.sent)?, record::read(&arguments.arrived)?);
    Ok(Verdict::of(&sent, &arrived)?)
}

fn show(verdict: &Verdict) {
    println!("{verdict}");
    let kinds = [
        ("lost", &verdict.lost),
        ("doubled", &verdict.doubled),
        ("out of order", &verdict.out_of_order),
        ("invented", &verdict.invented),
    ];
    for (kind, cases) in kinds {
        for Case { from, to, id, key, begins } in cases {
            println!("{kind}: {from} to {to}, id {id}, key {key}: {begins:?}");
        }
    }
}
