//! Plays many seeds of the simulation, on all cores, and says which ones fail.

use clap::Parser;
use pychat_sim::{Outcome, Plan, World};
use std::{
    cell::RefCell,
    io::{IsTerminal, Write},
    num::NonZero,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

/// Plays seeds of the whole system: daemons, server, network and disks under one virtual clock.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print everything that happens in the run; best with one seed.
    #[arg(long)]
    trace: bool,
    /// Seeds played at once; all cores by default.
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

/// Failing seeds after which the rest is not played.
const FAILURES_MAX: usize = 10;
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Results {
    played: u64,
    total: Outcome,
    slowest: u64,
    failures: Vec<(u64, String)>,
}

thread_local! {
    /// Where and why this thread panicked.
    static COMPLAINT: RefCell<String> = const { RefCell::new(String::new()) };
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        COMPLAINT.set(panic.to_string());
    }));
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let threads =
        if arguments.trace { 1 } else { arguments.threads.map_or_else(cores, NonZero::get) };
    let plan = Plan { traced: arguments.trace, ..Plan::default() };
    let end = arguments.from.saturating_add(arguments.seeds);
    let next = AtomicU64::new(arguments.from);
    let results = Mutex::new(Results::default());
    let started = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| work(&next, end, plan, &results))).collect();
        if !arguments.trace {
            let mut due = started + PROGRESS_EVERY;
            while !workers.iter().all(ScopedJoinHandle::is_finished) {
                thread::park_timeout(Duration::from_millis(100));
                if Instant::now() >= due {
                    due += PROGRESS_EVERY;
                    progress(&results, arguments.seeds, started);
                }
            }
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(&results, &arguments, threads, started.elapsed())
}

/// Plays one seed after the other.
fn work(next: &AtomicU64, end: u64, plan: Plan, results: &Mutex<Results>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| World::run(seed, plan)));
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        results.played += 1;
        match outcome {
            Ok(outcome) => {
                if outcome.healed_after > results.total.healed_after {
                    results.slowest = seed;
                }
                results.total += outcome;
            }
            Err(_) => results.failures.push((seed, COMPLAINT.take())),
        }
        if results.failures.len() >= FAILURES_MAX {
            return;
        }
    }
}

fn progress(results: &Mutex<Results>, seeds: u64, started: Instant) {
    let results = results.lock().unwrap_or_else(PoisonError::into_inner);
    let (played, failed) = (results.played, results.failures.len());
    let per_second = played as f64 / started.elapsed().as_secs_f64();
    let mut stderr = std::io::stderr().lock();
    let end = if stderr.is_terminal() { '\r' } else { '\n' };
    // A terminal that went away is no reason to stop.
    let _ = write!(
        stderr,
        "{played} of {seeds} seeds, {failed} failed, {per_second:.1} seeds/s   {end}"
    );
}

fn report(results: &Results, arguments: &Arguments, threads: usize, took: Duration) -> ExitCode {
    let Results { played, total, slowest, failures } = results;
    let per_second = *played as f64 / took.as_secs_f64();
    println!(
        "{played} seeds from {} in {:.0} s on {threads} threads: {per_second:.1} seeds/s",
        arguments.from,
        took.as_secs_f64()
    );
    println!(
        "{} texts arrived, each once and in order; {} datagrams; {} states that people were told \
         looked up on disks",
        total.texts, total.datagrams, total.checked
    );
    println!(
        "{} kills, {} power cuts, {} disk faults; all had arrived {:.1} s after the network healed \
         (seed {slowest})",
        total.kills,
        total.power_cuts,
        total.disk_faults,
        total.healed_after.as_secs_f64()
    );
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    for (seed, complaint) in failures {
        println!("\nseed {seed} failed: {complaint}");
        println!("play it again: cargo xtask sim --from {seed} --seeds 1 --trace");
    }
    ExitCode::FAILURE
}
