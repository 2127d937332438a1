//! `pychat-torture-cluster`: rounds of mishaps for a cluster, and what they cost.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    driver::main()
}

/// What it does to programs takes Linux: process descriptors, network namespaces.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("SKIPPED: this runs on Linux only");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod driver {
    use clap::Parser;
    use pychat_torture::cluster::run::{self, Settings};
    use std::{path::PathBuf, process::ExitCode, time::Duration};

    /// Tortures three NATS servers and three nodes and reports what became of every text.
    #[derive(Parser)]
    #[command(name = "pychat-torture-cluster")]
    struct Arguments {
        /// How often people talk under two mishaps until all is healed.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        rounds: u64,
        /// How many people talk.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(4..=500))]
        people: u64,
        /// How many texts they write in all rounds together, at least.
        #[arg(long, default_value_t = 20_000)]
        texts: u64,
        /// Determines the schedule of mishaps.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The directory of pychat-server, pychatd, pychatctl and pychat-torture-check.
        #[arg(long)]
        programs: PathBuf,
        /// The `nats-server` to run.
        #[arg(long)]
        nats: PathBuf,
        /// Where to keep logs and the timeline; a directory for each seed.
        #[arg(long)]
        keep: PathBuf,
    }

    /// People write for so long in a round.
    const ROUND: Duration = Duration::from_secs(14);

    pub(super) fn main() -> ExitCode {
        let Arguments { rounds, people, texts, seed, programs, nats, keep } = Arguments::parse();
        let settings = Settings {
            checker: programs.join("pychat-torture-check"),
            programs,
            nats,
            place: keep.join(seed.to_string()),
            seed,
            rounds,
            round: ROUND,
            people: usize::try_from(people).unwrap_or(usize::MAX),
            texts,
        };
        println!(
            "{people} people and a cluster, {rounds} rounds, seed {seed}; everything is kept in {}",
            settings.place.display()
        );
        match run::run(&settings) {
            Ok(report) => {
                print!("{report}");
                if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                eprintln!("hint: what there is, is in {}", settings.place.display());
                ExitCode::from(2)
            }
        }
    }
}
