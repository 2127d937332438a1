//! The command line, and the table that it prints.

use clap::Parser;
use pychat_attack::{
    Flow, Target,
    attacks::{self, Kind},
    measure::{Plan, Row, amplification, measure},
};
use pychat_testkit::harness::{Options, Programs, Server};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Runs attacks against the real programs and prints what they did, as a table in Markdown.
#[derive(Parser)]
struct Arguments {
    /// The attacks; all without one. `--list` names them.
    names: Vec<String>,
    /// Name the attacks and end.
    #[arg(long)]
    list: bool,
    /// How long each quiet and each attacked part lasts, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often quiet and attack follow each other.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The attack's rate a second, in place of its own; 0 is as fast as can be.
    #[arg(long)]
    rate: Option<u64>,
    /// The attacker's priority: 0 as everybody, 19 last.
    #[arg(long, default_value_t = 10)]
    nice: i32,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Things sent while a capture counts the bytes of each address; 0 captures nothing.
    #[arg(long, default_value_t = 20_000)]
    captured: u64,
    /// Where the programs are.
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// At this rate tcpdump misses nothing.
const CAPTURED_PER_S: u64 = 10_000;

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        attacks::ALL.iter().for_each(|kind| println!("{:16} {}", kind.name, kind.what));
        return ExitCode::SUCCESS;
    }
    let mut kinds = Vec::new();
    for name in &arguments.names {
        let Some(kind) = attacks::named(name) else {
            eprintln!("error: there is no attack {name:?}\nhint: --list names them");
            return ExitCode::from(2);
        };
        kinds.push(kind);
    }
    if kinds.is_empty() {
        kinds.extend(attacks::ALL);
    }
    println!(
        "| attack | rate | p50 quiet, attacked | p99 quiet, attacked | ratio | server CPU quiet, \
         attacked | RSS before, most, after | not received | login during, after | bytes to strangers \
         | outcome |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut good = true;
    for kind in kinds {
        let row = measure(kind, &plan(&arguments));
        let capture = captured(kind, &arguments);
        good &= row.outcome.is_ok() && capture.is_ok();
        print(kind, &row, &capture);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn programs(arguments: &Arguments) -> Programs {
    arguments.programs.clone().map_or_else(Programs::find, Programs::inside)
}

fn plan(arguments: &Arguments) -> Plan {
    Plan {
        programs: programs(arguments),
        part: Duration::from_secs(arguments.seconds),
        rounds: arguments.rounds,
        per_s: arguments.rate,
        nice: arguments.nice,
        seed: arguments.seed,
    }
}

/// The bytes that addresses without a session sent and got, in a run of its own.
fn captured(kind: &Kind, arguments: &Arguments) -> Result<String, String> {
    if arguments.captured == 0 {
        return Ok("not captured".into());
    }
    let options = Options { programs: Some(programs(arguments)), ..Options::default() };
    let server = Server::start(&options);
    let target = Target::of(&server);
    let mut attack = (kind.begin)(&target, arguments.seed);
    let per_s = if kind.per_s == 0 { CAPTURED_PER_S } else { kind.per_s.min(CAPTURED_PER_S) };
    let count = arguments.captured.min(per_s * 10);
    let flows = match amplification(&target, attack.as_mut(), per_s, count) {
        Ok(flows) => flows,
        Err(why) => return Ok(format!("SKIPPED: {}", why.0)),
    };
    let sum = |pick: fn(&Flow) -> u64| flows.values().map(pick).sum::<u64>();
    let (bytes_in, bytes_out) = (sum(|flow| flow.bytes_in), sum(|flow| flow.bytes_out));
    let more = flows.values().filter(|flow| flow.bytes_out > flow.bytes_in).count();
    match (more, flows.len()) {
        (_, 0) => Ok("none".into()),
        (0, addresses) => Ok(format!("{addresses} addresses: in {bytes_in}, out {bytes_out}")),
        (more, addresses) => {
            Err(format!("{more} of {addresses} addresses got more than they sent"))
        }
    }
}

fn print(kind: &Kind, row: &Row, capture: &Result<String, String>) {
    let ms = |duration: Duration| format!("{:.2}", duration.as_secs_f64() * 1e3);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let [before, most, after] = row.rss_bytes.map(mib);
    let [during, later] = row.newcomer.map(ms);
    let said = |result: &Result<String, String>| match result {
        Ok(text) => text.clone(),
        Err(text) => format!("**FAILED**: {text}"),
    };
    println!(
        "| `{}`: {} | {} {}/s | {}, {} ms | {}, {} ms | {:.2} | {}, {} | {before}, {most}, {after} MiB \
         | {} | {during}, {later} ms | {} | {} |",
        kind.name,
        kind.what,
        row.driven.per_s(),
        kind.counts,
        ms(row.p50.quiet),
        ms(row.p50.attacked),
        ms(row.p99.quiet),
        ms(row.p99.attacked),
        row.ratio(),
        percent(row.cpu.quiet),
        percent(row.cpu.attacked),
        row.drops,
        said(capture),
        said(&row.outcome),
    );
    let rounds = row.p99_rounds.iter().map(|it| format!("{}/{}", ms(it.quiet), ms(it.attacked)));
    eprintln!("{}: p99 of each round: {}", kind.name, rounds.collect::<Vec<_>>().join(" "));
}
