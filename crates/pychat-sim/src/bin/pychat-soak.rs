//! Plays a day of a thousand people against the server's real parts and a real file, and says what grew.

use clap::Parser;
use pychat_sim::soak::{self, Growth, HOURS_MIN, Outcome, Plan, Reading};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// A long time with many people under a virtual clock: nothing of the server may grow.
#[derive(Parser)]
struct Arguments {
    /// People, each with at most one session.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(20..))]
    people: u16,
    /// How long, in hours of their time.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(i64::from(HOURS_MIN)..))]
    hours: u32,
    /// Minutes between two texts of one person who is there, on average.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    minutes_between_texts: u32,
    /// Determines all that is chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// An empty directory for the store; a temporary one by default.
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// What each hour's line shows, and its heading.
const COLUMNS: [(&str, &str); 8] = [
    ("sessions", "sessions"),
    ("resident memory, KiB", "RSS KiB"),
    ("open descriptors", "open"),
    ("store, KiB", "store KiB"),
    ("its log, KiB", "log KiB"),
    ("rows of entries", "entries"),
    ("rows of streams", "streams"),
    ("rows of users", "users"),
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let temporary = tempfile::tempdir();
    let directory = match (&arguments.directory, &temporary) {
        (Some(directory), _) => directory.as_path(),
        (None, Ok(directory)) => directory.path(),
        (None, Err(error)) => {
            eprintln!("error: no temporary directory: {error}\nhint: name one with --directory");
            return ExitCode::FAILURE;
        }
    };
    let Arguments { people, hours, minutes_between_texts, seed, .. } = arguments;
    let between_texts = Duration::from_secs(60) * minutes_between_texts;
    println!("seed {seed}: {people} people for {hours} hours");
    println!("hour {}", row(COLUMNS.map(|(_, heading)| heading.to_owned())));
    let started = std::time::Instant::now();
    let plan = Plan { seed, people, hours, between_texts };
    let outcome = soak::run(plan, directory, |hour, most: &Reading| {
        println!("{hour:>4} {}", row(COLUMNS.map(|(what, _)| most.of(what).to_string())));
    });
    report(&outcome);
    println!("played in {:.0?}", started.elapsed());
    if outcome.growth.iter().any(Growth::is_a_leak) {
        eprintln!("error: something grew; play it again with --seed {seed}");
        return ExitCode::FAILURE;
    }
    println!("nothing grew");
    ExitCode::SUCCESS
}

fn row(cells: [String; COLUMNS.len()]) -> String {
    cells.map(|cell| format!("{cell:>10}")).concat()
}

fn report(outcome: &Outcome) {
    println!("\n{:<45} {:>12} {:>12}", "at most", "hours 5 to 10", "last 6 hours");
    for growth in &outcome.growth {
        let Growth { what, early, late } = growth;
        let leak = if growth.is_a_leak() { "  GREW" } else { "" };
        println!("{what:<45} {early:>12} {late:>12}{leak}");
    }
    println!("\n{:#?}\n{} datagrams", outcome.tally, outcome.datagrams);
}
