//! `cargo xtask bench`: measures the server as it is shipped and, beside it in the same minutes, others.

mod plan;
mod records;
mod table;

use crate::workspace;
use anyhow::{Context, Result, bail};
use plan::{Scenario, Work};
use records::{Record, Records};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Names the program that measures other servers, where there is one.
const PEERBENCH: &str = "PEERBENCH";

/// Names the program that makes two network namespaces with a bad link, where there is one.
const LOSSYWIRE: &str = "LOSSYWIRE";

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// What to measure; without, everything.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// Rounds to take medians of. Each round goes over all servers, so that a busy spell of the
    /// machine falls on all of them.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    reps: u16,
    /// Measured seconds of each run of `throughput` and `latency`.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds in which texts are written in `lossy`.
    #[arg(long, default_value_t = 60.0)]
    lossy_seconds: f64,
    /// Other servers to measure, by `PEERBENCH`'s names; ratios are to the first of them.
    #[arg(long, value_delimiter = ',', default_value = "mosquitto-qos1")]
    peers: Vec<String>,
    /// Measure with a hundred thousand sessions too: idle, beside pairs, in storms.
    #[arg(long)]
    large: bool,
}

const AFTER_HELP: &str = "\
Environment:
  PEERBENCH  a program that measures other servers with the same work; without it only ours is measured
  LOSSYWIRE  a program that runs a command across a bad link; without it `lossy` uses our own proxy";

/// Builds, measures round by round, prints a table for each scenario.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("building the server and the bench");
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--release"]);
    workspace::run(build.args(["--package", "pychat-server", "--package", "pychat-bench"]))?;
    let built = workspace::target_directory()?.join("release");
    let tools = Tools::find(&built);

    let mut records = Records::default();
    let works = plan::works(&arguments.scenarios, arguments.seconds, arguments.large);
    for round in 1..=arguments.reps {
        for work in &works {
            eprintln!("round {round} of {}: {}", arguments.reps, work.title);
            tools.measure(work, &arguments.peers, &mut records);
        }
    }
    for loss in plan::losses(&arguments.scenarios) {
        eprintln!("lossy: loss {loss}");
        tools.measure_lossy(*loss, arguments.lossy_seconds, &mut records);
    }
    let reference = arguments.peers.first().map(String::as_str);
    print!("{}", table::markdown(&records, reference));
    match records.failures() {
        [] => Ok(()),
        failures => bail!("{} runs failed:\n{}", failures.len(), failures.join("\n")),
    }
}

/// The programs that measure.
struct Tools {
    bench: PathBuf,
    server: PathBuf,
    peerbench: Option<PathBuf>,
    lossywire: Option<PathBuf>,
}

impl Tools {
    fn find(built: &Path) -> Self {
        let program = |name: &str| built.join(format!("{name}{}", env::consts::EXE_SUFFIX));
        let named = |name| env::var_os(name).map(PathBuf::from);
        Self {
            bench: program("pychat-bench"),
            server: program("pychat-server"),
            peerbench: named(PEERBENCH),
            lossywire: named(LOSSYWIRE),
        }
    }

    /// One run of one scenario on each server.
    fn measure(&self, work: &Work, peers: &[String], records: &mut Records) {
        if work.ours.contains(&plan::ALWAYS_WRITE) && !self.server_knows(plan::ALWAYS_WRITE) {
            records.note(format!("{}: this server has no {}", work.title, plan::ALWAYS_WRITE));
            return;
        }
        let mut bench = workspace::command(&self.bench);
        records.add(&work.title, one(bench.args(&work.ours).args(&work.both).arg("--json")));
        let (Some(peerbench), Some(theirs)) = (&self.peerbench, &work.theirs) else { return };
        for peer in peers {
            let mut bench = workspace::command(peerbench);
            bench.arg("run").arg(peer).args(theirs).args(&work.both);
            records.add(&work.title, one(&mut bench));
        }
    }

    /// All seeds of one loss, side by side: they leave the machine idle for nearly all of the time.
    fn measure_lossy(&self, loss: f64, seconds: f64, records: &mut Records) {
        let title = format!("lossy P=10 at 2/s each, loss {loss}, delay {} ms", plan::DELAY_MS);
        let runs = plan::SEEDS.map(|seed| {
            let mut command = self.lossy(loss, seconds, seed);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
            (workspace::line(&command), child)
        });
        for (line, child) in runs {
            let output =
                child.context("starting it").and_then(|child| Ok(child.wait_with_output()?));
            records.add(&title, output.and_then(|output| read(&output)).with_context(|| line));
        }
    }

    fn lossy(&self, loss: f64, seconds: f64, seed: u64) -> Command {
        let (loss, delay, seed) = (loss.to_string(), plan::DELAY_MS.to_string(), seed.to_string());
        let mut command = if let Some(lossywire) = &self.lossywire {
            let mut command = workspace::command(lossywire);
            command.args(["--loss", &loss, "--delay", &delay, "--seed", &seed, "--"]);
            command.arg(&self.bench).args(["lossy", "--wire"]);
            command
        } else {
            let mut command = workspace::command(&self.bench);
            command.args(["lossy", "--loss", &loss, "--delay-ms", &delay]);
            command
        };
        command.args(["--seconds", &seconds.to_string(), "--seed", &seed, "--json"]);
        command
    }

    fn server_knows(&self, option: &str) -> bool {
        knows(&self.server, option).unwrap_or(false)
    }
}

fn knows(server: &Path, option: &str) -> Result<bool> {
    let output = workspace::command(server).args(["serve", "--help"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).contains(option))
}

/// Runs it to its end and reads the record that it prints.
fn one(command: &mut Command) -> Result<Record> {
    let line = workspace::line(command);
    let output = command.output().with_context(|| format!("starting {line}"))?;
    read(&output).context(line)
}

fn read(output: &std::process::Output) -> Result<Record> {
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    let line = String::from_utf8_lossy(&output.stdout);
    eprintln!("  {}", line.trim());
    serde_json::from_str(&line).context("reading its record")
}
