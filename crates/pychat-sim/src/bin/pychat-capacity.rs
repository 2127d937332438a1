//! Computes what so many users need, plays it, and prints both.

use clap::Parser;
use pychat_sim::capacity::{self, Model, Plan, USERS};
use std::{process::ExitCode, thread};

/// What so many users need, by a model and by a simulation of people, shards, streams and servers.
#[derive(Parser)]
struct Arguments {
    /// Registered users; a million, ten million and a hundred million by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(i64::from(USERS[0])..=i64::from(USERS[1])))]
    users: Option<u32>,
    /// Decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds in which all is well.
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
}

/// Seconds of the busiest hour that are played, and those after a node's death: longer than its people take to come
/// back.
const SECONDS: u64 = 60;
/// See [`SECONDS`].
const SECONDS_AFTER: u64 = 35;
/// The table's columns.
const COLUMNS: [u32; 3] = [1_000_000, 10_000_000, 100_000_000];

fn main() -> ExitCode {
    let Arguments { users, seed, seconds } = Arguments::parse();
    let columns = users.map_or(COLUMNS.to_vec(), |users| vec![users]);
    let models: Vec<Model> = columns.iter().map(|users| Model::of(*users)).collect();
    print_models(&models);
    println!("\nseed {seed}");
    let play = |model: &Model| {
        let plan = Plan { seed, users: model.users, seconds: [seconds, SECONDS_AFTER] };
        capacity::report(model, &capacity::play(plan))
    };
    // The largest takes as long as all others together and more.
    let reports: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = models.iter().map(|model| scope.spawn(|| play(model))).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    for report in reports {
        let Ok(report) = report else {
            eprintln!("error: the simulation broke off; play it again with --seed {seed}");
            return ExitCode::FAILURE;
        };
        println!("\n{report}");
    }
    ExitCode::SUCCESS
}

/// The table of docs/SCALING.md, as Markdown.
fn print_models(models: &[Model]) {
    let users = models.iter().map(|model| format!(" {} million |", f64::from(model.users) / 1e6));
    println!("| registered users |{}", users.collect::<String>());
    println!("|---|{}", "---:|".repeat(models.len()));
    let rows: Vec<_> = models.iter().map(Model::rows).collect();
    for (at, (what, _)) in rows.first().into_iter().flatten().enumerate() {
        let cells = rows.iter().map(|rows| format!(" {} |", rows[at].1));
        println!("| {what} |{}", cells.collect::<String>());
    }
}
