//! `pychat-torture`: the driver.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    driver::main()
}

/// What it does to programs takes Linux: process descriptors, tmpfs, strace.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("SKIPPED: this runs on Linux only");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod driver {
    use clap::Parser;
    use pychat_torture::{
        plan::Rates,
        run::{self, Settings},
    };
    use std::{path::PathBuf, process::ExitCode, time::Duration};

    /// Tortures the real programs and reports what became of every text.
    #[derive(Parser)]
    #[command(name = "pychat-torture")]
    struct Arguments {
        /// How long, in minutes; healing once a minute comes on top.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_440))]
        minutes: u64,
        /// Determines the schedule of mishaps.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The directory of pychat-server, pychatd, pychatctl and pychat-torture-check.
        #[arg(long)]
        programs: PathBuf,
        /// Where to keep logs, databases and the timeline; a directory for each seed.
        #[arg(long)]
        keep: PathBuf,
    }

    /// Mishaps go on for so long before everything must heal.
    const ROUND: Duration = Duration::from_secs(60);

    pub(super) fn main() -> ExitCode {
        let Arguments { minutes, seed, programs, keep } = Arguments::parse();
        let settings = Settings {
            checker: programs.join("pychat-torture-check"),
            programs,
            place: keep.join(seed.to_string()),
            seed,
            rounds: minutes,
            round: ROUND,
            rates: Rates::LONG,
        };
        println!(
            "torture for {minutes} minutes, seed {seed}; everything is kept in {}",
            settings.place.display()
        );
        match run::run(&settings) {
            Ok(report) => {
                print!("{report}");
                if report.is_clean() {
                    return ExitCode::SUCCESS;
                }
                eprintln!(
                    "hint: begin with timeline.jsonl, server.log and state/*/log in {}",
                    report.place.display()
                );
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                eprintln!("hint: what there is, is in {}", settings.place.display());
                ExitCode::from(2)
            }
        }
    }
}
